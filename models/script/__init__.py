"""The script family: a recurrent network over characters that writes scenes, outlines and characters.

What a scene looks like to it stands in rushes/marks.py, so that training and set agree.
"""

from models.script.definition import family

__all__ = ["family"]
