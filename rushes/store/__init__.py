"""The model store of a machine: bundles, when they came, and which one is newest."""
