"""Frames on which the expression network is unsure, collected with consent for an inbox."""
