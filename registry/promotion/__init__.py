"""Promotion: rules, decision, registration, moves of the alias, rollback."""
