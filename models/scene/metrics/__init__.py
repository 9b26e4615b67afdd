"""Metrics of scenes: features of images, and distances between sets of them."""
