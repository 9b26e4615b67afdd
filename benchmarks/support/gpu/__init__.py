"""Loaders and loops that the benchmark of training on a GPU compares."""
