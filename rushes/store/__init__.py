"""The model store of a machine: bundles, the times of their pulls, and the newest one."""
