"""The bundle: manifest, digest, signature, and reading its files without trust."""
