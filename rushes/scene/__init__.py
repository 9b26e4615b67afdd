"""Runtime of the scene family: generation, contact sheets, storyboards."""
