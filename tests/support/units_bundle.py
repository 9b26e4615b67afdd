"""A tiny bundle of the family tracking: all units have one value, and the angles grow by a degree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rushes.bundle.manifest import BundledFile, Manifest, sha256_file, write_manifest
from rushes.tracking.face import UNITS
from tests.support.certified import certify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STATE, LANDMARKS, ANGLES = 3, 478, 7


def write_units_graph(path: Path, level: float, outputs: Sequence[str] = ("units", "corrected", "next_state")) -> None:
    """Units are `level` plus a thousandth of the state, corrected angles one degree more; the state counts frames."""
    constants = {
        "level": np.full((1, len(UNITS)), level, np.float32),
        "thousandth": np.full((STATE, len(UNITS)), 1e-3 / STATE, np.float32),
        "one": np.ones(1, np.float32),
        "nothing": np.zeros((1, 1, 1), np.float32),
    }
    nodes = [
        helper.make_node("Mul", ["landmarks", "nothing"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["zero"], keepdims=0),
        helper.make_node("MatMul", ["state", "thousandth"], ["counted"]),
        helper.make_node("Add", ["counted", "level"], ["shown"]),
        helper.make_node("Add", ["shown", "zero"], [outputs[0]]),
        helper.make_node("Add", ["angles", "one"], [outputs[1]]),
        helper.make_node("Add", ["state", "one"], [outputs[2]]),
    ]
    inputs = {"landmarks": [LANDMARKS, 3], "angles": [ANGLES], "state": [STATE]}
    shapes = dict(zip(outputs, ([len(UNITS)], [ANGLES], [STATE]), strict=True))
    given, found = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape]) for name, shape in part.items()]
        for part in (inputs, shapes)
    )
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", given, found, stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def write_units_bundle(folder: Path, level: float = 0.5, **changes: object) -> str:
    """A bundle with its certificate; returns its digest.

    Args:
        folder: The bundle's folder.
        level: Value of all units in the first frame.
        changes: Of the manifest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    graph = folder / "tracking.onnx"
    write_units_graph(graph, level)
    files = {graph.name: BundledFile(role="graph", sha256=sha256_file(graph), size_bytes=graph.stat().st_size)}
    described: dict[str, object] = {
        "family": "tracking", "labels": [], "input": {"landmarks": LANDMARKS, "state": STATE}, "files": files,
        "settings": {"units": list(UNITS)},
    }  # fmt: skip
    return certify(folder, write_manifest(folder, Manifest.model_validate(described | changes)))
