"""Bundles: manifest, digest, signature, and reading their files without trusting them."""
