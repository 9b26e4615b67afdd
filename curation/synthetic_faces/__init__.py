"""The starter faces: a collection that a fresh machine draws for itself from a parametric head.

May import rushes and NumPy, numba and OpenCV. No picture of a person, no GL and no other room may enter.
"""
