"""Drawing of what was found over the picture of a capture, and the window that shows it."""
