"""Measurements of a candidate: operations, memory, outputs, and the machine that they were measured on."""
