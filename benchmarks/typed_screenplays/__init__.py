"""Random screenplays, typed in real-world styles, with known contents.

story       content: scenes, speeches, camera directions
style       layout: columns, spacing, headings, numbers, page furniture, encodings
typist      types a story in a style, and records it
tuned       styles that the reader was developed on
former      styles that were held out until the reader was changed for them
held_out    styles that it was only measured on
"""
