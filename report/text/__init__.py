"""The report in words: messages and the table in the terminal."""
