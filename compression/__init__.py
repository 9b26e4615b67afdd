"""A trained family to the smallest files that still hold: export, quantise, prove.

May import training and what is below. registry, report, MLflow, DVC and Prefect may not enter.
"""
