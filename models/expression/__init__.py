"""The expression family: a face in, a share for each expression out; drives a character live.

A network of wide 3x3 convolutions, because static int8 makes those three times faster on a laptop.
"""

from models.expression.definition import family

__all__ = ["family"]
