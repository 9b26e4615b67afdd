"""Git, DVC and MLflow, and only here: dataset versions, the record, tracking, promotion, history.

May import training and what is below. report, compression and Prefect may not enter.
"""
