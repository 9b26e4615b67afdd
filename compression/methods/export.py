"""Graphs of a family to ONNX files: one file each, batch norms folded in, names as the family gives them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import onnx
import torch

if TYPE_CHECKING:
    from pathlib import Path

    from models.family import Graph

OPSET = 18


def export(graph: Graph, folder: Path) -> Path:
    """Writes a graph as FOLDER/NAME, every first axis dynamic.

    The exporter that traces is used: the newer one writes its weights to a second file and fails the second time
    in one process on recurrent layers of dynamic length.
    """
    path = folder / graph.name
    names = (*graph.input_names, *graph.output_names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            graph.module.eval(),
            graph.example,
            str(path),
            input_names=list(graph.input_names),
            output_names=list(graph.output_names),
            dynamic_axes={name: {0: "batch"} for name in names},
            opset_version=OPSET,
            dynamo=False,
        )
    onnx.checker.check_model(str(path))
    return path
