"""Search for better params: trials of one family, ordered by Optuna. No trial opens the test split or is registered."""
