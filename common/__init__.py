"""General utilities, independent of film: settings, atomic files and package archives.

This package may import only rushes, and rushes does not import it. It may not contain models, data sets or servers.
"""
