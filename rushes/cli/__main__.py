"""`python -m rushes.cli`: the same as the command `rushes`."""

from rushes.cli.app import main

main()
