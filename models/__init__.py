"""What is learned: one folder a family, strangers to each other.

May import curation and rushes, PyTorch and Lightning. No MLflow, DVC or Prefect may enter, and no family another.
"""
