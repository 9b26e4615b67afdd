"""Screenplays by lot, typed in the styles that real ones are found in, with their contents known.

story       what is typed: scenes, speeches, camera directions
style       how: columns, spacing, headings, numbers, marks of pages, encodings
typist      types a story in a style, and remembers what it typed
tuned       styles that the reader was made to read
held_out    styles in which it was only measured
"""
