"""Options and help texts of the commands, light to import; what they do is in `flows.cli`, imported when called."""
