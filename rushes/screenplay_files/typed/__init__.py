"""Typed pages: lines and columns, scene headings, cues, and page artifacts."""
