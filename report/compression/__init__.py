"""The compression search in the report: its table and its plot."""
