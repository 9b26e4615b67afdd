"""The medium take: films of one face with the curves of its units, as sequences of landmarks."""
