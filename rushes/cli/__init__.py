"""The command line `rushes`."""
