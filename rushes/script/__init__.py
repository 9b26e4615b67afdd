"""The family script at run time: the writer, its constraints, its grammar."""
