"""The family expression at run time: face detection and classification."""
