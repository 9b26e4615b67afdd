"""The file MLmodel beside a bundle in MLflow: its pages show the signature, and its tools can load the graph."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from rushes.inference.session import open_graph, signature

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlflow.types.schema import Schema

NAME = "MLmodel"


def signatures(graphs: Mapping[str, Path]) -> dict[str, Any]:
    """Inputs and outputs of each graph, by file name."""
    return {name: signature(open_graph(path)) for name, path in graphs.items()}


def ml_model(run_id: str, graphs: Mapping[str, Path]) -> str:
    """Content of MLmodel for a bundle of one graph; empty for several, which the format does not support."""
    if len(graphs) != 1:
        return ""
    from mlflow.models import Model, ModelSignature  # noqa: PLC0415  # MLflow takes seconds to import

    ((name, tensors),) = signatures(graphs).items()
    model = Model(
        artifact_path="bundle",
        run_id=run_id,
        signature=ModelSignature(_schema(tensors, "inputs"), _schema(tensors, "outputs")),
    )
    model.add_flavor("onnx", onnx_version=version("onnx"), data=name, providers=["CPUExecutionProvider"])
    return str(model.to_yaml())


def _schema(tensors: Mapping[str, Any], side: str) -> Schema:
    from mlflow.types.schema import Schema, TensorSpec  # noqa: PLC0415  # MLflow takes seconds to import

    return Schema([TensorSpec(np.dtype(one["type"]), tuple(one["shape"]), one["name"]) for one in tensors[side]])


def as_tag(graphs: Mapping[str, Path]) -> str:
    """The signatures of all graphs as one line of JSON."""
    return json.dumps(signatures(graphs), sort_keys=True)
