"""Page of a search for params."""
