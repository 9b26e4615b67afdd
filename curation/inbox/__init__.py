"""The inbox: new files, detection of unfinished copies, and their intake."""
