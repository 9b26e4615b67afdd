"""Translates a convolutional .tflite network to ONNX, so that ONNX Runtime runs it.

Tensors of pictures are N,C,H,W within the graph, and N,H,W,C at its ends. PReLU is the slow operator of ONNX Runtime:
between convolutions, the first one computes z and -z, whose ReLUs have twice the channels, and the weights of the next
one have the slopes: prelu(z) = relu(z) - slope * relu(-z). Elsewhere it is z + (1 - slope) * relu(-z), by convolutions
of each channel alone. ONNX Runtime fuses both with their neighbours. On one thread of a Xeon (AVX-512) the landmark
network takes 5.0 ms so and 13.5 ms with PRelu, 9.0 ms with OpenCV, and 4.8 ms with LiteRT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rushes.errors import UserError
from rushes.inference.onnx_writer import OnnxWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rushes.inference.tflite_file import Operator, Table, TfliteFile

ADD, CONCATENATION, CONV, DEPTHWISE_CONV, LOGISTIC, MAX_POOL = 0, 2, 3, 4, 14, 17  # BuiltinOperator
RELU, RESHAPE, RESIZE, PAD, PRELU = 19, 22, 23, 34, 54
SAME = 0  # Padding
NO_ACTIVATION, RELU_ACTIVATION = 0, 1  # ActivationFunctionType
PICTURE_AXES = 4
FIRST, LAST = [0, 3, 1, 2], [0, 2, 3, 1]  # axes that put channels first, and last
ONE = {"kernel_shape": [1, 1]}


class UntranslatedError(UserError):
    """Raised for an operator, or an option of one, that is not translated; OpenCV runs the network then."""


def to_onnx(network: TfliteFile) -> bytes:
    """The same network as ONNX, with the names of its ends.

    Raises:
        UntranslatedError: It has an operator that is not translated.
    """
    return _Translation(network).model()


class _Translation:
    def __init__(self, network: TfliteFile) -> None:
        self._network, self._onnx = network, OnnxWriter()
        self._names: dict[int, str] = {}
        # A tensor that stands in two halves of the channels is the first one plus these factors times the second one.
        self._factors: dict[int, np.ndarray] = {}
        self._readers: dict[int, list[Operator]] = {}
        for operator in network.operators:
            for number in operator.inputs:
                self._readers.setdefault(number, []).append(operator)
        self._steps: dict[int, Callable[[Operator], str]] = {
            ADD: self._add,
            CONCATENATION: self._concatenation,
            CONV: self._convolution,
            DEPTHWISE_CONV: self._convolution,
            LOGISTIC: lambda operator: self._onnx.node("Sigmoid", [self._names[operator.inputs[0]]]),
            MAX_POOL: self._max_pool,
            PAD: self._pad,
            PRELU: self._prelu,
            RELU: lambda operator: self._onnx.node("Relu", [self._names[operator.inputs[0]]]),
            RESHAPE: self._reshape,
            RESIZE: self._resize,
        }

    def model(self) -> bytes:
        network, onnx = self._network, self._onnx
        [given] = network.inputs
        name = network.names[given]
        self._names[given] = self._from_plain(name, given)
        for operator in network.operators:
            if operator.code not in self._steps:
                message = f"operator {operator.code}"
                raise UntranslatedError(message)
            self._names[operator.output] = self._steps[operator.code](operator)
        for number in network.outputs:
            onnx.node("Identity", [self._plain(number)], network.names[number])
        return onnx.model((name, network.shapes[given]), [network.names[number] for number in network.outputs])

    def _is_picture(self, number: int) -> bool:
        return len(self._network.shapes[number]) == PICTURE_AXES

    def _plain(self, number: int) -> str:
        """A tensor in the layout of the .tflite network."""
        name = self._names[number]
        return self._onnx.node("Transpose", [name], perm=LAST) if self._is_picture(number) else name

    def _from_plain(self, name: str, number: int) -> str:
        return self._onnx.node("Transpose", [name], perm=FIRST) if self._is_picture(number) else name

    def _activated(self, name: str, options: Table, field: int) -> str:
        activation = options.number(field, "<b")
        if activation not in {NO_ACTIVATION, RELU_ACTIVATION}:
            message = f"activation {activation}"
            raise UntranslatedError(message)
        return self._onnx.node("Relu", [name]) if activation == RELU_ACTIVATION else name

    def _convolution(self, operator: Operator) -> str:
        given, weights_at, bias_at = operator.inputs
        weights, bias = self._network.constants[weights_at], self._network.constants[bias_at]
        options, is_each = _options(operator), operator.code == DEPTHWISE_CONV
        activation = 4 if is_each else 3
        if any(options.number(activation + step, default=1) != 1 for step in (1, 2)):
            message = "a dilated convolution"
            raise UntranslatedError(message)
        window = self._window(operator, weights.shape[1:3])
        weights = weights.transpose((3, 0, 1, 2) if is_each else (0, 3, 1, 2))
        if given in self._factors and is_each:
            weights = np.concatenate([weights, weights * self._factors[given][:, None, None, None]])
            bias, self._factors[operator.output] = np.concatenate([bias, 0 * bias]), np.ones(len(bias), np.float32)
        elif given in self._factors:
            weights = np.concatenate([weights, weights * self._factors[given][:, None, None]], axis=1)
        if is_doubled := self._is_doubled(operator):
            weights, bias = np.concatenate([weights, -weights]), np.concatenate([bias, -bias])
            self._factors[operator.output] = np.zeros(0)  # the PReLU has them
        found = self._convolve(self._names[given], weights, bias, len(weights) if is_each else 1, window)
        return self._onnx.node("Relu", [found]) if is_doubled else self._activated(found, options, activation)

    def _convolve(
        self, given: str, weights: np.ndarray, bias: np.ndarray, groups: int = 1, window: dict[str, list[int]] = ONE
    ) -> str:
        inputs = [given, *(self._onnx.constant(values.astype(np.float32)) for values in (weights, bias))]
        return self._onnx.node("Conv", inputs, group=groups, **window)

    def _is_doubled(self, operator: Operator) -> bool:
        """True if a convolution without activation goes only to a PReLU, and this one only to convolutions."""
        prelus = self._read_by(operator.output)
        if [one.code for one in prelus] != [PRELU] or operator.code != CONV or _options(operator).number(3, "<b"):
            return False
        after = self._read_by(prelus[0].output)
        # The halves of a convolution of each channel alone are added by those behind it.
        behind = [one for each in after if each.code == DEPTHWISE_CONV for one in self._read_by(each.output) or [each]]
        is_linear = all(not _options(each).number(4, "<b") for each in after if each.code == DEPTHWISE_CONV)
        return (
            bool(after)
            and is_linear
            and {one.code for one in after} <= {CONV, DEPTHWISE_CONV}
            and ({one.code for one in behind} <= {CONV})
        )

    def _read_by(self, number: int) -> list[Operator]:
        """Operators that read a tensor; none if it is an output too."""
        return [] if number in self._network.outputs else self._readers.get(number, [])

    def _prelu(self, operator: Operator) -> str:
        given, slopes_at = operator.inputs
        channels = self._network.shapes[given][-1]
        slopes = np.broadcast_to(self._network.constants[slopes_at].ravel(), channels)
        if given in self._factors:
            self._factors[operator.output] = -slopes
            return self._names[given]
        name, none, each = self._names[given], np.zeros(channels), (channels, 1, 1, 1)
        below = self._onnx.node("Relu", [self._convolve(name, np.full(each, -1.0), none, channels)])
        return self._onnx.node("Add", [name, self._convolve(below, (1 - slopes).reshape(each), none, channels)])

    def _window(self, operator: Operator, size: Sequence[int]) -> dict[str, list[int]]:
        """Size, strides and padding of a convolution or of pooling; SAME has the odd pixel at the end."""
        options, lengths = _options(operator), self._network.shapes[operator.inputs[0]][1:3]
        strides = [options.number(field) for field in (2, 1)]
        missing = [0, 0]
        if options.number(0, "<b") == SAME:
            missing = [
                max(0, (-(-length // stride) - 1) * stride + int(side) - length)
                for length, stride, side in zip(lengths, strides, size, strict=True)
            ]
        pads = [*(count // 2 for count in missing), *(count - count // 2 for count in missing)]
        return {"kernel_shape": [int(side) for side in size], "strides": strides, "pads": pads}

    def _max_pool(self, operator: Operator) -> str:
        options = _options(operator)
        window = self._window(operator, [options.number(field) for field in (4, 3)])
        return self._activated(self._onnx.node("MaxPool", [self._names[operator.inputs[0]]], **window), options, 5)

    def _add(self, operator: Operator) -> str:
        names = []
        for number in operator.inputs:
            if number in self._network.constants:
                constant = self._network.constants[number]
                if constant.ndim > 1:
                    message = "the addition of a constant of several axes"
                    raise UntranslatedError(message)
                is_picture = self._is_picture(operator.output)
                names.append(self._onnx.constant(constant.reshape(-1, 1, 1) if is_picture else constant))
            else:
                names.append(self._names[number])
        return self._activated(self._onnx.node("Add", names), _options(operator), 0)

    def _pad(self, operator: Operator) -> str:
        given, amounts_at = operator.inputs
        amounts_42 = self._network.constants[amounts_at].astype(np.int64)[FIRST]
        if not amounts_42[[0, 2, 3]].any() and not amounts_42[1, 0]:  # channels alone: a convolution is faster
            channels, more = self._network.shapes[given][-1], int(amounts_42[1, 1])
            return self._convolve(
                self._names[given], np.eye(channels + more, channels)[..., None, None], np.zeros(channels + more)
            )
        return self._onnx.node("Pad", [self._names[given], self._onnx.constant(amounts_42.T.ravel())])

    def _concatenation(self, operator: Operator) -> str:
        axis = _options(operator).number(0) % len(self._network.shapes[operator.output])
        axis = FIRST.index(axis) if self._is_picture(operator.output) else axis
        found = self._onnx.node("Concat", [self._names[number] for number in operator.inputs], axis=axis)
        return self._activated(found, _options(operator), 1)

    def _reshape(self, operator: Operator) -> str:
        shape = self._onnx.constant(np.array(self._network.shapes[operator.output], np.int64))
        found = self._onnx.node("Reshape", [self._plain(operator.inputs[0]), shape])
        return self._from_plain(found, operator.output)

    def _resize(self, operator: Operator) -> str:
        options, given = _options(operator), operator.inputs[0]
        way = "align_corners" if options.number(2, "<b") else "half_pixel" if options.number(3, "<b") else "asymmetric"
        size = [self._network.shapes[operator.output][axis] for axis in FIRST]
        inputs = [self._names[given], "", "", self._onnx.constant(np.array(size, np.int64))]
        return self._onnx.node("Resize", inputs, mode="linear", coordinate_transformation_mode=way)


def _options(operator: Operator) -> Table:
    if operator.options is None:
        message = f"operator {operator.code} without options"
        raise UntranslatedError(message)
    return operator.options
