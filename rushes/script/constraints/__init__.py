"""Constraints on the next character of a draft: grammar, cues, mentions, repetition."""
