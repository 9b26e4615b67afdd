"""MLflow: runs, model versions, artifacts, the logger of a training."""
