"""The scene family: a heading in, pictures of the place out; draws a storyboard for a script.

A generator of 3x3 convolutions at low resolutions, because static int8 makes those fast on a laptop.
"""

from models.scene.definition import family

__all__ = ["family"]
