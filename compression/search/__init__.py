"""The search for the smallest candidate that holds its budget: candidates, their uncertainty, the choice."""
