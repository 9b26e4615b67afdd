"""The report as text: messages and the table in the terminal."""
