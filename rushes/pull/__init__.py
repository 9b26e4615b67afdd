"""Pulling a bundle from MLflow or a folder, over a connection that may lie."""
