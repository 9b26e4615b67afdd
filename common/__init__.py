"""Settings, atomic files and package archives: what has no opinion about films.

May import rushes alone, and rushes does not import it. No model, no data set and no server may enter.
"""
