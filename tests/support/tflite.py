"""Small .tflite networks, written field by field: OpenCV reads them, and the tests do not depend on TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import flatbuffers
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FLOAT32, INT8, VERSION = 0, 9, 3
ADD, MAXIMUM = 0, 55  # operators
OPTIONS = {ADD: 11, MAXIMUM: 39}


def network(
    shape: Sequence[int] = (1, 8, 8, 4),
    constant: float = 1.0,
    operator: int = ADD,
    *,
    unused: int | None = None,
    inputs: Sequence[int] = (0, 1),
    outputs: Sequence[int] = (2,),
) -> bytes:
    """One operator that adds a constant to its input, or takes the larger one of both.

    Args:
        shape: Of the input and the output.
        constant: For each element of the last axis; NaN makes the outputs NaN.
        operator: ADD or MAXIMUM.
        unused: Type of weights that nothing reads.
        inputs: Numbers of the operator's inputs: of the network, the constant, and the output.
        outputs: Numbers of its outputs.
    """
    builder = flatbuffers.Builder(1024)
    weights = np.full(shape[-1], constant, np.float32).tobytes()
    buffers = [_table(builder, {}), _table(builder, {0: builder.CreateByteVector(weights)}), _table(builder, {})]
    tensors = [
        _tensor(builder, "input", shape, 0),
        _tensor(builder, "constant", shape[-1:], 1),
        _tensor(builder, "output", shape, 0),
        *([] if unused is None else [_tensor(builder, "unused", [4 * shape[-1]], 1, unused)]),
    ]
    options = _table(builder, {})
    node = _table(
        builder, {1: _integers(builder, inputs), 2: _integers(builder, outputs), 4: options}, {3: OPTIONS[operator]}
    )
    name = builder.CreateString("main")
    subgraph = _table(
        builder,
        {
            0: _offsets(builder, tensors),
            1: _integers(builder, [0]),
            2: _integers(builder, [2]),
            3: _offsets(builder, [node]),
            4: name,
        },
    )
    code = _table(builder, {}, {0: operator})
    tables = {1: _offsets(builder, [code]), 2: _offsets(builder, [subgraph]), 4: _offsets(builder, buffers)}
    builder.Finish(_table(builder, tables, version=VERSION), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _tensor(builder: flatbuffers.Builder, name: str, shape: Sequence[int], buffer: int, kind: int = FLOAT32) -> int:
    fields = {0: _integers(builder, shape), 3: builder.CreateString(name)}
    builder.StartObject(10)
    for number, offset in fields.items():
        builder.PrependUOffsetTRelativeSlot(number, offset, 0)
    builder.PrependInt8Slot(1, kind, -1)
    builder.PrependUint32Slot(2, buffer, 0)
    return builder.EndObject()


def _table(
    builder: flatbuffers.Builder, offsets: dict[int, int], single: dict[int, int] | None = None, version=0
) -> int:
    builder.StartObject(10)
    for number, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(number, offset, 0)
    for number, value in (single or {}).items():
        builder.PrependUint8Slot(number, value, 255)
    if version:
        builder.PrependUint32Slot(0, version, 0)
    return builder.EndObject()


def _vector(builder: flatbuffers.Builder, values: Sequence[int], put: Callable[[int], None]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        put(value)
    return builder.EndVector()


def _integers(builder: flatbuffers.Builder, values: Sequence[int]) -> int:
    return _vector(builder, values, builder.PrependInt32)


def _offsets(builder: flatbuffers.Builder, values: Sequence[int]) -> int:
    return _vector(builder, values, builder.PrependUOffsetTRelative)
