"""The family scene at run time: generation, contact sheets, storyboards."""
