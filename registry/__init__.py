"""Git, DVC and MLflow, used only here: data versions, run records, tracking, promotion, history.

May import training and the packages below it; must not import report, compression or Prefect.
"""
