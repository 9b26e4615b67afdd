"""Pages and picture sheets from files.

May import training and what is below. registry, compression, MLflow, DVC and Prefect may not enter.
"""
