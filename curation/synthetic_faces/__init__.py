"""Starter faces: a collection that a fresh machine renders for itself from a parametric head.

May import rushes, NumPy, numba and OpenCV. Must not contain pictures of people; must not use OpenGL or other packages.
"""
