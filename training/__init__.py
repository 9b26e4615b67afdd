"""Training of any family, on one machine or several: devices, checkpoints, resuming. The logger is passed in.

This package may import models and the layers below it, but not MLflow, DVC or Prefect.
"""
