"""The script family: a recurrent network over characters that writes scenes, outlines and characters.

rushes/script/markup.py defines the encoding of a scene, so that training and runtime agree.
"""
