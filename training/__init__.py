"""Fits any family, on this machine or on many: devices, checkpoints, resume. The logger is passed in.

May import models and what is below. No MLflow, DVC or Prefect may enter.
"""
