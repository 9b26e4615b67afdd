"""Turns raw samples into a data set to train on: ingest, check, split, pack; one folder a medium.

May import `rushes`; must not import models, training, Prefect, MLflow or DVC.
"""
