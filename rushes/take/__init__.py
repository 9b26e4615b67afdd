"""Takes: recording the picture of a camera beside the curves, and reading a take again."""
