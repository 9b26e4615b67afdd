"""Model families: one package each; families never import each other.

May import curation, rushes, PyTorch and Lightning; must not import MLflow, DVC or Prefect.
"""
