"""Reads a .tflite network: its tensors, weights and operators.

The file is a FlatBuffer (https://flatbuffers.dev/internals) of the tables of TensorFlow Lite's schema.fbs, whose field
numbers are given here. Only what convolutional networks in float need is read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rushes.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

TYPES = {0: np.float32, 1: np.float16, 2: np.int32}  # TensorType
DEQUANTIZE = 6  # BuiltinOperator; of weights that are stored as float16
PLACEHOLDER = 127  # of an operator's old byte, if its number is in the newer field


class UntranslatedError(UserError):
    """Raised for what is not translated to ONNX, such as an operator or a type of weights; OpenCV runs it then."""


class Table:
    """A table of a FlatBuffer: its fields by number."""

    def __init__(self, content: bytes, at: int) -> None:
        self._content, self._at = content, at
        self._fields = at - self._read("<i", at)
        self._count = (self._read("<H", self._fields) - 4) // 2

    def number(self, field: int, kind: str = "<i", default: int = 0) -> int:
        """A number."""
        place = self._place(field)
        return self._read(kind, place) if place else default

    def table(self, field: int) -> Table | None:
        """A table, if there is one."""
        place = self._place(field)
        return Table(self._content, self._target(place)) if place else None

    def tables(self, field: int) -> list[Table]:
        """A vector of tables."""
        start, length = self._vector(field)
        return [Table(self._content, self._target(start + 4 * index)) for index in range(length)]

    def values(self, field: int, kind: type[np.generic] = np.int32) -> np.ndarray:
        """A vector of numbers."""
        start, length = self._vector(field)
        return np.frombuffer(self._content, np.dtype(kind).newbyteorder("<"), length, start)

    def text(self, field: int) -> str:
        """A string."""
        return self.values(field, np.uint8).tobytes().decode()

    def _place(self, field: int) -> int:
        offset = self._read("<H", self._fields + 4 + 2 * field) if field < self._count else 0
        return self._at + offset if offset else 0

    def _vector(self, field: int) -> tuple[int, int]:
        place = self._place(field)
        if not place:
            return 0, 0
        start = self._target(place)
        return start + 4, self._read("<I", start)

    def _target(self, place: int) -> int:
        return place + self._read("<I", place)

    def _read(self, kind: str, place: int) -> int:
        if place < 0:
            message = "an offset points before the file"
            raise ValueError(message)
        [value] = struct.unpack_from(kind, self._content, place)
        return int(value)


@dataclass(frozen=True)
class Operator:
    """An operator of a network: BuiltinOperator, numbers of its tensors, and its options."""

    code: int
    inputs: tuple[int, ...]
    output: int
    options: Table | None


@dataclass(frozen=True)
class TfliteFile:
    """A network.

    Attributes:
        names: Of its tensors.
        shapes: Of its tensors.
        constants: Weights by the number of the tensor; those in float16 as float32.
        operators: In the order of execution.
        inputs: Numbers of its inputs.
        outputs: Numbers of its outputs.
    """

    names: Sequence[str]
    shapes: Sequence[tuple[int, ...]]
    constants: dict[int, np.ndarray]
    operators: Sequence[Operator]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def parse_tflite(content: bytes) -> TfliteFile:
    """Parses a network.

    Raises:
        UntranslatedError: It has weights of a type, or an operator, that is not read here.
        ValueError, LookupError or struct.error: The content is something else.
    """
    if content[4:8] != b"TFL3":
        message = "not a .tflite file"
        raise ValueError(message)
    model = Table(content, int.from_bytes(content[:4], "little"))
    graph, buffers = model.tables(2)[0], model.tables(4)
    tensors = graph.tables(0)
    shapes = [tuple(tensor.values(0).tolist()) for tensor in tensors]
    constants: dict[int, np.ndarray] = {}
    for number, tensor in enumerate(tensors):
        if len(weights := buffers[tensor.number(2, "<I")].values(0, np.uint8)):
            if (kind := tensor.number(1, "<b")) not in TYPES:
                message = f"weights of the type {kind}"
                raise UntranslatedError(message)
            little_endian = np.dtype(TYPES[kind]).newbyteorder("<")
            constants[number] = np.frombuffer(weights.tobytes(), little_endian).reshape(shapes[number])
    codes = [_code(entry) for entry in model.tables(1)]
    operators = []
    for entry in graph.tables(3):
        inputs, outputs, code = tuple(entry.values(1).tolist()), entry.values(2).tolist(), codes[entry.number(0, "<I")]
        if len(outputs) != 1:
            message = f"operator {code} with {len(outputs)} outputs"
            raise UntranslatedError(message)
        if not all(-1 <= number < len(tensors) for number in (*inputs, *outputs)):  # -1: an optional one is not there
            message = "an operator has a tensor that does not exist"
            raise ValueError(message)
        operator = Operator(code, inputs, output := outputs[0], entry.table(4))
        if operator.code == DEQUANTIZE and inputs[0] in constants:
            constants[output] = constants[inputs[0]].astype(np.float32)
        else:
            operators.append(operator)
    names = [tensor.text(3) for tensor in tensors]
    ends = (tuple(graph.values(field).tolist()) for field in (1, 2))
    return TfliteFile(names, shapes, constants, operators, *ends)


def _code(entry: Table) -> int:
    old = entry.number(0, "<b")
    return entry.number(3) if old == PLACEHOLDER else max(old, entry.number(3))
