"""Training on a GPU: how its step is sped up, and the probe that chooses.

What is chosen here may change the order of sums, and no other part of a result: batch size and precision are params.
"""
