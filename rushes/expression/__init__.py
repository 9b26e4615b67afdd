"""The family expression at run time: the label of a face."""
