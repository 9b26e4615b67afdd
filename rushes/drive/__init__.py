"""Outputs that drive a character or keep a take: network protocols, curves and recordings of tracked faces."""
