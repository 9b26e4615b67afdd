"""The scene family: generates images of a place from a scene heading, and storyboards for scripts.

The generator uses 3x3 convolutions at low resolutions, because static int8 makes them fast on a laptop.
"""
