"""The capture runtime: what a set needs to use a model, and nothing that trains one.

May import NumPy, OpenCV, ONNX Runtime and pydantic. PyTorch, Lightning, Prefect, MLflow, DVC and onnx may not enter.
"""

__version__ = "0.1.0"
