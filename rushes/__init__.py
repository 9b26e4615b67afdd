"""The capture runtime: what a set needs to use a model, and nothing that trains one.

May import NumPy, OpenCV, ONNX Runtime and pydantic. PyTorch, Lightning, Prefect, MLflow, DVC and onnx may not enter.
"""

import os

# ONNX Runtime sends its first event as it is imported; nothing that runs on a set, or here, calls home.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
