"""The character of the report: a head that the units move, and its picture."""
