"""Capture: reads a camera or film, runs the models on each frame, and passes the result to its outputs."""
