"""Taking samples in: what is found, what is refused and why, who is shown, what is written."""
