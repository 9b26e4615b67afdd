"""Calibration of a performer: the neutral face, the range of motion and the constant part of the head pose."""
