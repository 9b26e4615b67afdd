"""Translates a .tflite network of convolutions or of dense layers to ONNX, so that ONNX Runtime runs it.

Tensors of pictures are N,C,H,W within the graph, and N,H,W,C at its ends. In a network whose input is not a picture all
tensors keep their layout, and a convolution of one point is a matrix product.

PReLU is the slow operator of ONNX Runtime: with it the landmark network takes 2.5 times as long. It is z + (1 - slope)
* relu(-z) here, by convolutions of each channel alone, which ONNX Runtime fuses with their neighbours. Between
convolutions of few channels, the first one computes z and -z instead, whose ReLUs have twice the channels, and the
weights of the next one have the slopes: prelu(z) = relu(z) - slope * relu(-z). Doubling 16 and more channels too makes
the network slower by a fifth, and a transposition of its input by 5 % (one thread of a Xeon with AVX-512).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rushes.inference.onnx_writer import OnnxWriter
from rushes.inference.tflite_file import UntranslatedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rushes.inference.tflite_file import Operator, Table, TfliteFile

ADD, CONCATENATION, CONV, DEPTHWISE_CONV, LOGISTIC, MAX_POOL = 0, 2, 3, 4, 14, 17  # BuiltinOperator
MUL, RELU, RESHAPE, RESIZE, PAD, TRANSPOSE, MEAN, SUB, DIV = 18, 19, 22, 23, 34, 39, 40, 41, 42
STRIDED_SLICE, PRELU, NEG, SUM, SQRT, RSQRT, SQUARED_DIFFERENCE = 45, 54, 59, 74, 75, 76, 99
OF_ONE = {LOGISTIC: "Sigmoid", RELU: "Relu", SQRT: "Sqrt"}
OF_TWO = {ADD: "Add", MUL: "Mul", SUB: "Sub", DIV: "Div"}
BLOCK = 16  # channels that ONNX Runtime computes together
LAYER_NORM = [MEAN, NEG, SQUARED_DIFFERENCE, MEAN, ADD, RSQRT, MUL, MUL, MUL, ADD]
SAME = 0  # Padding
NO_ACTIVATION, RELU_ACTIVATION = 0, 1  # ActivationFunctionType
PICTURE_AXES = 4
FIRST, LAST = [0, 3, 1, 2], [0, 2, 3, 1]  # axes that put channels first, and last
ONE = {"kernel_shape": [1, 1]}


def to_onnx(network: TfliteFile) -> bytes:
    """The same network as ONNX, with the names of its ends.

    Raises:
        UntranslatedError: It has an operator that is not translated.
    """
    return _Translation(network).model()


class _Translation:
    def __init__(self, network: TfliteFile) -> None:
        self._network, self._onnx = network, OnnxWriter()
        self._has_pictures = [len(network.shapes[number]) for number in network.inputs] == [PICTURE_AXES]
        self._names: dict[int, str] = {}
        # A tensor that stands in two halves of the channels is the first one plus these factors times the second one.
        self._factors: dict[int, np.ndarray] = {}
        self._readers: dict[int, list[Operator]] = {}
        for operator in network.operators:
            for number in operator.inputs:
                self._readers.setdefault(number, []).append(operator)
        self._steps: dict[int, Callable[[Operator], str]] = {
            **dict.fromkeys(OF_ONE, self._of_one),
            **dict.fromkeys(OF_TWO, self._of_two),
            CONCATENATION: self._concatenation,
            CONV: self._convolution,
            DEPTHWISE_CONV: self._convolution,
            MAX_POOL: self._max_pool,
            MEAN: self._reduce,
            PAD: self._pad,
            PRELU: self._prelu,
            RESHAPE: self._reshape,
            RESIZE: self._resize,
            STRIDED_SLICE: self._slice,
            SUM: self._reduce,
            TRANSPOSE: self._transpose,
        }

    def model(self) -> bytes:
        network, onnx = self._network, self._onnx
        [given] = network.inputs
        name = network.names[given]
        self._names[given] = name if self._is_interleaved(given) else self._from_plain(name, given)
        operators = list(network.operators)
        while operators:
            if self._is_layer_norm(chain := operators[: len(LAYER_NORM)]):
                del operators[: len(LAYER_NORM)]
                self._names[chain[-1].output] = self._layer_norm(chain)
                continue
            operator = operators.pop(0)
            if operator.code not in self._steps:
                message = f"operator {operator.code}"
                raise UntranslatedError(message)
            self._names[operator.output] = self._steps[operator.code](operator)
        for number in network.outputs:
            onnx.node("Identity", [self._plain(number)], network.names[number])
        return onnx.model((name, network.shapes[given]), [network.names[number] for number in network.outputs])

    def _is_picture(self, number: int) -> bool:
        return self._has_pictures and len(self._network.shapes[number]) == PICTURE_AXES

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
        if not self._has_pictures:
            return self._dense(operator, weights, bias, window)
        weights = weights.transpose((3, 0, 1, 2) if is_each else (0, 3, 1, 2))
        if given in self._factors and is_each:
            weights = np.concatenate([weights, weights * self._factors[given][:, None, None, None]])
            bias, self._factors[operator.output] = np.concatenate([bias, 0 * bias]), np.ones(len(bias), np.float32)
        elif given in self._factors:
            weights = np.concatenate([weights, weights * self._factors[given][:, None, None]], axis=1)
        if is_doubled := self._is_doubled(operator):
            weights, bias = np.concatenate([weights, -weights]), np.concatenate([bias, -bias])
            self._factors[operator.output] = np.zeros(0)  # the PReLU has them
        name, groups = self._names[given], len(weights) if is_each else 1
        if self._is_interleaved(given):
            name, weights, window = self._interleaved(given, weights, window)
        found = self._convolve(name, weights, bias, groups, window)
        return self._onnx.node("Relu", [found]) if is_doubled else self._activated(found, options, activation)

    def _is_interleaved(self, number: int) -> bool:
        """True for the input, if it is a picture that goes only to convolutions."""
        codes = {one.code for one in self._read_by(number)}
        return self._has_pictures and number in self._network.inputs and codes == {CONV}

    def _interleaved(
        self, given: int, weights: np.ndarray, window: dict[str, list[int]]
    ) -> tuple[str, np.ndarray, dict[str, list[int]]]:
        """A convolution of N,H,W,C as one of N,1,H,W*C, which needs no transposition: a channel is a column."""
        count, height, width, channels = self._network.shapes[given]
        shape = self._onnx.constant(np.array([count, 1, height, width * channels], np.int64))
        rows, columns = window["kernel_shape"]
        wide = {
            name: [value * (channels if place % 2 else 1) for place, value in enumerate(values)]
            for name, values in window.items()
        }
        weights = weights.transpose(0, 2, 3, 1).reshape(len(weights), 1, rows, columns * channels)
        return self._onnx.node("Reshape", [self._names[given], shape]), weights, wide

    def _dense(self, operator: Operator, weights: np.ndarray, bias: np.ndarray, window: dict[str, list[int]]) -> str:
        """A convolution of one point, of tensors that are not pictures."""
        if operator.code != CONV or window["kernel_shape"] != [1, 1] or window["strides"] != [1, 1]:
            message = "a convolution of several points without a picture"
            raise UntranslatedError(message)
        weights_at = self._onnx.constant(np.ascontiguousarray(weights[:, 0, 0].T))
        product = self._onnx.node("MatMul", [self._names[operator.inputs[0]], weights_at])
        return self._activated(self._onnx.node("Add", [product, self._onnx.constant(bias)]), _options(operator), 3)

    def _convolve(
        self, given: str, weights: np.ndarray, bias: np.ndarray, groups: int = 1, window: dict[str, list[int]] = ONE
    ) -> str:
        inputs = [given, *(self._onnx.constant(values.astype(np.float32)) for values in (weights, bias))]
        return self._onnx.node("Conv", inputs, group=groups, **window)

    def _is_doubled(self, operator: Operator) -> bool:
        """True if a convolution without activation goes only to a PReLU, and this one only to convolutions.

        And if that costs nothing: with AVX-512, ONNX Runtime computes channels in blocks of 16.
        """
        prelus = self._read_by(operator.output)
        if 2 * self._network.shapes[operator.output][-1] > BLOCK:
            return False
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

    def _of_one(self, operator: Operator) -> str:
        return self._onnx.node(OF_ONE[operator.code], [self._names[operator.inputs[0]]])

    def _of_two(self, operator: Operator) -> str:
        names = [self._operand(number, operator) for number in operator.inputs]
        return self._activated(self._onnx.node(OF_TWO[operator.code], names), _options(operator), 0)

    def _operand(self, number: int, operator: Operator) -> str:
        """A tensor, or a constant in the layout of what the operator gives."""
        if number in self._names:
            return self._names[number]
        constant, is_picture = self._network.constants[number], self._is_picture(operator.output)
        if is_picture and constant.ndim > 1:
            message = "a constant of several axes"
            raise UntranslatedError(message)
        return self._onnx.constant(constant.reshape(-1, 1, 1) if is_picture else constant)

    def _reduce(self, operator: Operator) -> str:
        given, axes_at = operator.inputs
        axes = self._network.constants[axes_at].ravel().astype(np.int64)
        keeps = int(len(self._network.shapes[operator.output]) == len(self._network.shapes[given]))
        if operator.code == MEAN:
            found = self._onnx.node("ReduceMean", [self._plain(given)], axes=axes.tolist(), keepdims=keeps)
        else:
            found = self._onnx.node("ReduceSum", [self._plain(given), self._onnx.constant(axes)], keepdims=keeps)
        return self._from_plain(found, operator.output)

    def _transpose(self, operator: Operator) -> str:
        given, order_at = operator.inputs
        order = self._network.constants[order_at].tolist()
        return self._from_plain(self._onnx.node("Transpose", [self._plain(given)], perm=order), operator.output)

    def _slice(self, operator: Operator) -> str:
        given, shape = operator.inputs[0], self._network.shapes[operator.inputs[0]]
        begins, ends, steps = (self._network.constants[number] for number in operator.inputs[1:])
        free_begins, free_ends, ellipses, new_axes, single = (_options(operator).number(field) for field in range(5))
        if ellipses or new_axes or (steps != 1).any() or (begins < 0).any() or (ends < 0).any():
            message = "a slice with steps, new axes or negative places"
            raise UntranslatedError(message)
        places = []
        for axis, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
            first = 0 if free_begins >> axis & 1 else begin
            places.append((first, first + 1 if single >> axis & 1 else shape[axis] if free_ends >> axis & 1 else end))
        firsts, lasts = (self._onnx.constant(np.array(row, np.int64)) for row in zip(*places, strict=True))
        found = self._onnx.node("Slice", [self._plain(given), firsts, lasts])
        return self._from_plain(self._shaped(found, operator.output), operator.output)

    def _shaped(self, name: str, number: int) -> str:
        shape = self._onnx.constant(np.array(self._network.shapes[number], np.int64))
        return self._onnx.node("Reshape", [name, shape])

    def _is_layer_norm(self, chain: Sequence[Operator]) -> bool:
        """True if ten operators are x * s - mean(x) * s with s = weights / sqrt(mean((x - mean(x))^2) + epsilon)."""
        if [one.code for one in chain] != LAYER_NORM:
            return False
        (given, axes), epsilon, weights = chain[0].inputs, chain[4].inputs[1], chain[6].inputs[1]
        mean, minus, square, variance, raised, root, scale, scaled, moved, _ = (one.output for one in chain)
        wired = [
            *((given, axes), (mean,), (given, mean), (square, axes), (variance, epsilon), (raised,)),
            *((root, weights), (given, scale), (minus, scale), (scaled, moved)),
        ]
        shape, constants = self._network.shapes[given], self._network.constants
        return (
            [one.inputs for one in chain] == wired
            and {epsilon, weights} <= set(constants)
            and (constants[epsilon].size, constants[weights].size) == (1, shape[-1])
            and constants[axes].ravel().tolist() in ([-1], [len(shape) - 1])
            and len(self._network.shapes[mean]) == len(shape)
            and not any(_options(one).number(0, "<b") for one in chain if one.code in OF_TWO)
            and all(reader in chain for one in chain[:-1] for reader in self._readers[one.output])
        )

    def _layer_norm(self, chain: Sequence[Operator]) -> str:
        given, epsilon, weights = chain[0].inputs[0], chain[4].inputs[1], chain[6].inputs[1]
        inputs = [self._plain(given), self._onnx.constant(self._network.constants[weights].ravel())]
        raised = self._network.constants[epsilon].item()
        return self._from_plain(self._onnx.node("LayerNormalization", inputs, epsilon=raised), chain[-1].output)

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
        found = self._onnx.node("Concat", [self._operand(number, operator) for number in operator.inputs], axis=axis)
        return self._activated(found, _options(operator), 1)

    def _reshape(self, operator: Operator) -> str:
        found = self._shaped(self._plain(operator.inputs[0]), operator.output)
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
