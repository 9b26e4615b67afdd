"""Operators of dense networks, one by one, against NumPy: with pictures, whose layout changes, and without."""

from pathlib import Path

import numpy as np
import pytest

from rushes.inference.session import open_content
from rushes.inference.tflite_file import Operator, TfliteFile, UntranslatedError
from rushes.inference.tflite_to_onnx import (
    ADD,
    CONCATENATION,
    CONV,
    DIV,
    LAYER_NORM,
    MEAN,
    MUL,
    SQRT,
    STRIDED_SLICE,
    SUB,
    SUM,
    TRANSPOSE,
    to_onnx,
)

PICTURE, ROWS = (1, 4, 5, 3), (1, 4, 3)


class Options:
    """The options of an operator, by field."""

    def __init__(self, **fields):
        self._fields = {int(name[1:]): value for name, value in fields.items()}

    def number(self, field, _kind="<i", default=0):
        """See `Table`."""
        return self._fields.get(field, default)


class Network:
    """A network in the making: its input is tensor 0."""

    def __init__(self, shape):
        self.shapes, self.constants, self.operators = [shape], {}, []

    def constant(self, values):
        """Adds weights; returns their number."""
        values = np.asarray(values)
        self.shapes.append(values.shape)
        self.constants[len(self.shapes) - 1] = values.astype(np.int32 if values.dtype.kind == "i" else np.float32)
        return len(self.shapes) - 1

    def operator(self, code, *inputs, shape, **options):
        """Adds an operator; returns the number of its output."""
        self.shapes.append(tuple(shape))
        self.operators.append(Operator(code, inputs, len(self.shapes) - 1, Options(**options)))
        return len(self.shapes) - 1

    def onnx(self):
        """The translation."""
        names = [str(number) for number in range(len(self.shapes))]
        last = (len(self.shapes) - 1,)
        return to_onnx(TfliteFile(names, self.shapes, self.constants, self.operators, (0,), last))

    def run(self, given):
        """Runs the translation on an input."""
        session = open_content(self.onnx(), Path("net.tflite"))
        return session.run(None, {"0": given})[0]


def random(shape):
    """An input, above 0."""
    return np.random.default_rng(0).uniform(0.5, 2, shape).astype(np.float32)


@pytest.mark.parametrize("shape", [PICTURE, ROWS])
@pytest.mark.parametrize(
    ("code", "expected"), [(ADD, np.add), (MUL, np.multiply), (SUB, np.subtract), (DIV, np.divide), (SQRT, None)]
)
def test_arithmetic(code, expected, shape):
    """With a constant on the right for each channel; the root of one value."""
    net, given, each = Network(shape), random(shape), np.array([1.0, 2, 3], np.float32)
    net.operator(code, *((0, net.constant(each)) if expected else (0,)), shape=shape)

    np.testing.assert_allclose(net.run(given), expected(given, each) if expected else np.sqrt(given), rtol=1e-6)


@pytest.mark.parametrize("shape", [PICTURE, ROWS])
@pytest.mark.parametrize(("code", "reduced"), [(MEAN, np.mean), (SUM, np.sum)])
@pytest.mark.parametrize(("axes", "keeps"), [([1], True), ([-1], True), ([1, 2], False)])
def test_means_and_sums(code, reduced, axes, keeps, shape):
    """Along any axes, which stay with a length of 1 or go."""
    net, given = Network(shape), random(shape)
    expected = reduced(given, tuple(axes), keepdims=keeps)
    net.operator(code, 0, net.constant(axes), shape=expected.shape)

    np.testing.assert_allclose(net.run(given), expected, rtol=1e-5)


@pytest.mark.parametrize(("shape", "order"), [(PICTURE, [0, 1, 3, 2]), (PICTURE, [0, 2, 1, 3]), (ROWS, [0, 2, 1])])
def test_transposition(shape, order):
    """Of axes as the file counts them."""
    net, given = Network(shape), random(shape)
    expected = given.transpose(order)
    net.operator(TRANSPOSE, 0, net.constant(order), shape=expected.shape)

    np.testing.assert_array_equal(net.run(given), expected)


@pytest.mark.parametrize("shape", [PICTURE, (1, 4, 5)])
def test_slices(shape):
    """From and to a place, to the end where the mask has the axis, and a single place whose axis goes."""
    net, given, rank = Network(shape), random(shape), len(shape)
    begins, ends = [0, 1, 2, 0][:rank], [0, 3, 3, 0][:rank]
    expected = given[:, 1:3, 2]
    places = [net.constant(row) for row in (begins, ends, [1] * rank)]
    net.operator(STRIDED_SLICE, 0, *places, shape=expected.shape, f0=0b1001, f1=0b1001, f4=0b0100)

    np.testing.assert_array_equal(net.run(given), expected)


def test_a_slice_with_steps_is_not_translated():
    """Nor one that counts from the end."""
    for begins, steps in (([0, 0, 0], [1, 2, 1]), ([0, -1, 0], [1, 1, 1])):
        net = Network(ROWS)
        net.operator(STRIDED_SLICE, 0, *map(net.constant, (begins, [1, 4, 3], steps)), shape=ROWS)
        with pytest.raises(UntranslatedError):
            net.onnx()


def test_a_dense_layer_and_a_constant_row():
    """A convolution of one point between rows is a product with ReLU; the constant is put before them."""
    given, weights, bias = random(ROWS), np.linspace(-1, 1, 6).reshape(2, 1, 1, 3), np.array([0.1, -0.2])
    net = Network(ROWS)
    dense = net.operator(CONV, 0, net.constant(weights), net.constant(bias), shape=(1, 4, 2), f1=1, f2=1, f3=1)
    first = net.constant(np.array([[[7.0, 8.0]]]))
    net.operator(CONCATENATION, first, dense, shape=(1, 5, 2), f0=1)
    expected = np.maximum(given @ weights[:, 0, 0].T + bias, 0)

    np.testing.assert_allclose(net.run(given), np.concatenate([[[[7, 8]]], expected], axis=1), rtol=1e-5)


def normalised(net, axis, epsilon=1e-3):
    """Appends the ten operators of a layer normalisation along an axis, or along another one; returns the weights."""
    mean_code, minus_code, square_code, _, _, root_code = LAYER_NORM[:6]
    shape, axes, weights = net.shapes[0], net.constant([axis]), np.array([0.5, 1.0, 2.0], np.float32)
    single = (*shape[:-1], 1)
    mean = net.operator(mean_code, 0, axes, shape=single)
    minus = net.operator(minus_code, mean, shape=single)
    square = net.operator(square_code, 0, mean, shape=shape)
    variance = net.operator(mean_code, square, axes, shape=single)
    raised = net.operator(ADD, variance, net.constant(epsilon), shape=single)
    root = net.operator(root_code, raised, shape=single)
    scale = net.operator(MUL, root, net.constant(weights), shape=shape)
    scaled = net.operator(MUL, 0, scale, shape=shape)
    moved = net.operator(MUL, minus, scale, shape=shape)
    net.operator(ADD, scaled, moved, shape=shape)
    return weights


@pytest.mark.parametrize("shape", [PICTURE, ROWS])
def test_a_layer_normalisation(shape):
    """Ten operators are one; epsilon counts."""
    net, given = Network(shape), random(shape)
    weights = normalised(net, -1, epsilon=0.5)
    off = given - given.mean(-1, keepdims=True)

    np.testing.assert_allclose(
        net.run(given), off / np.sqrt((off**2).mean(-1, keepdims=True) + 0.5) * weights, rtol=1e-5
    )
    assert len(net.onnx()) < 1000


@pytest.mark.parametrize("change", ["axis", "activation", "another reader", "wiring"])
def test_what_only_resembles_a_layer_normalisation_is_not_translated(change):
    """Along another axis, with a ReLU, with a part that is used elsewhere, or of other tensors."""
    net = Network(ROWS)
    normalised(net, 1 if change == "axis" else -1)
    at = {"activation": 9, "wiring": 7}.get(change)
    if at is not None:
        one = net.operators[at]
        inputs = one.inputs if change == "activation" else one.inputs[::-1]
        net.operators[at] = Operator(one.code, inputs, one.output, Options(f0=int(change == "activation")))
    if change == "another reader":
        net.operator(ADD, net.operators[-1].output, net.operators[0].output, shape=ROWS)

    with pytest.raises(UntranslatedError):
        net.onnx()
