"""Servers and processes that a run needs: MLflow, Prefect, scheduler, lock, session."""
