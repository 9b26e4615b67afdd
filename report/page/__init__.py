"""The HTML report: its template, and the view of a family and of a collection."""
