"""Git: the exact tree of a run as a commit."""
