"""Typed pages: lines and columns, scene headings, cues, and what a printer added."""
