"""Models that follow an alias of a registry during a capture: fetched, verified and swapped between two frames."""
