"""Intake of samples: discovery, refusal with reasons, pseudonyms of performers, and storage."""
