"""Annotations that come with samples: folder layouts, tables, captions, votes."""
