"""The expression family: probabilities of expressions from the image of a face, to animate a character live.

The network uses wide 3x3 convolutions, because static int8 makes them three times faster on a laptop.
"""
