"""Raw samples to a set that is fit to learn from: ingest, check, split, pack; one file a medium.

May import rushes. No model, no training, no Prefect, MLflow or DVC may enter.
"""
