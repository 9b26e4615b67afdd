"""Writes an ONNX graph without `onnx`, which the wheel does not depend on: the messages of onnx.proto as protobuf."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

IR_VERSION, OPSET = 8, 17
TENSOR_TYPES = {"float32": 1, "int64": 7}
FLOAT, INT, STRING, INTS = 1, 2, 3, 7  # AttributeProto.type


class OnnxWriter:
    """A graph, node by node."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._weights: list[bytes] = []

    def constant(self, values: np.ndarray) -> str:
        """Adds weights, float32 or int64; returns their name."""
        name = f"w{len(self._weights)}"
        dimensions = b"".join(_number(1, size) for size in values.shape)
        kind, raw = TENSOR_TYPES[values.dtype.name], np.ascontiguousarray(values).tobytes()
        self._weights.append(dimensions + _number(2, kind) + _part(8, name) + _part(9, raw))
        return name

    def node(
        self, operator: str, inputs: Sequence[str], output: str = "", /, **attributes: float | str | list[int]
    ) -> str:
        """Adds a node; returns the name of its output."""
        output = output or f"n{len(self._nodes)}"
        parts = [*(_part(1, name) for name in inputs), _part(2, output), _part(4, operator)]
        parts += [_part(5, _attribute(name, value)) for name, value in attributes.items()]
        self._nodes.append(b"".join(parts))
        return output

    def model(self, given: tuple[str, Sequence[int]], outputs: Sequence[str]) -> bytes:
        """The file, with one input (name and shape) and outputs of any shape, all float32."""
        parts = [*(_part(1, node) for node in self._nodes), _part(2, "graph")]
        parts += [_part(5, weights) for weights in self._weights]
        shape = b"".join(_part(1, _number(1, size)) for size in given[1])
        parts.append(_part(11, _value(given[0], _part(2, shape))))
        parts += [_part(12, _value(name)) for name in outputs]
        return _number(1, IR_VERSION) + _part(7, b"".join(parts)) + _part(8, _number(2, OPSET))


def _value(name: str, shape: bytes = b"") -> bytes:
    return _part(1, name) + _part(2, _part(1, _number(1, TENSOR_TYPES["float32"]) + shape))


def _attribute(name: str, value: float | str | list[int]) -> bytes:
    if isinstance(value, int):
        return _part(1, name) + _number(3, value) + _number(20, INT)
    if isinstance(value, str):
        return _part(1, name) + _part(4, value) + _number(20, STRING)
    if isinstance(value, list):
        return _part(1, name) + b"".join(_number(8, one) for one in value) + _number(20, INTS)
    return _part(1, name) + _varint(2 << 3 | 5) + struct.pack("<f", value) + _number(20, FLOAT)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _part(field: int, content: bytes | str) -> bytes:
    content = content.encode() if isinstance(content, str) else content
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # of negative numbers, their two's complement
    parts = []
    while value > 127:  # noqa: PLR2004  # seven bits a byte, the highest marks bytes before the last
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])
