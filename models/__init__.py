"""The families: one folder each; none imports another.

May import curation and rushes, PyTorch and Lightning. No MLflow, DVC or Prefect may enter, and no family another.
"""
