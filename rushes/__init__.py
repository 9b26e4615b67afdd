"""Runtime of Rushes: opens models for film-making and runs them, without PyTorch.

    import rushes

    model = rushes.load("expression@champion")
    faces = model.predict("face.jpg")

`load` is imported on first use, so that `import rushes` stays fast. This package may import NumPy, OpenCV, ONNX Runtime
and pydantic. PyTorch, Lightning, Prefect, MLflow, DVC and onnx may not enter.
"""

import importlib
import os

# Disable telemetry, because ONNX Runtime sends its first event on import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def __getattr__(name: str) -> object:
    """Imports `load` on first use (PEP 562). Its types are in __init__.pyi.

    Raises:
        AttributeError: The package does not have this name.
    """
    if name != "load":
        message = f"module 'rushes' has no attribute {name!r}"
        raise AttributeError(message)
    # Imported by name: an import statement would make every stage that uses one module of this package depend on all
    # families.
    return importlib.import_module("rushes.loading").load
