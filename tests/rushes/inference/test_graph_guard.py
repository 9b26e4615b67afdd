import ast
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import rushes
from rushes.bundle.manifest import BundleError
from rushes.expression.classifier import FaceClassifier
from rushes.inference.graph_guard import read_graph
from rushes.inference.session import open_graph
from rushes.scene.text_encoder import TextEncoder
from tests.support.runtime import LABELS, SIZE_PX, write_graph

MATRIX = np.eye(4, dtype=np.float32)


def elsewhere(location, *, data_location=TensorProto.EXTERNAL):
    """A tensor with its data in another file."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4, 4], data_location=data_location)
    tensor.external_data.add(key="location", value=location)
    return tensor


def write_product(path, tensor, *, node=None, extra=None):
    """A graph that multiplies with a tensor."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"]) if node is None else node]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
    graph = helper.make_graph(nodes, "product", ends[:1], ends[1:], [tensor] if tensor is not None else [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if extra is not None:
        extra(model)
    path.write_bytes(model.SerializeToString())
    return path


def constant(tensor):
    """A node that holds a tensor."""
    return helper.make_node("Constant", [], ["y"], value=tensor)


def in_a_branch(tensor):
    """A node that holds a graph that holds a node that holds a tensor."""
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 4])
    branch = helper.make_graph([constant(tensor)], "branch", [], [out])
    return helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)


def sparse(tensor):
    """A node whose constant is sparse."""
    dims = onnx.SparseTensorProto(values=tensor, dims=[16])
    return helper.make_node("Constant", [], ["y"], sparse_value=dims)


def function_with(tensor):
    """Adds a local function of the model that holds a tensor."""

    def add(model):
        imports = [helper.make_opsetid("", 17)]
        model.functions.append(helper.make_function("own", "f", [], ["y"], [constant(tensor)], imports))

    return add


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A bundle's folder, the working folder, and in it a secret of exactly the weights' size."""
    (tmp_path / "bundle").mkdir()
    for secret in ("secret.bin", "bundle/inside.bin"):
        (tmp_path / secret).write_bytes(MATRIX.tobytes())
    monkeypatch.chdir(tmp_path / "bundle")
    return tmp_path / "bundle/graph.onnx"


@pytest.fixture
def shut(monkeypatch):
    """Replaces ONNX Runtime, which must not be called."""

    def reached(*_, **__):
        pytest.fail("ONNX Runtime was given the graph")

    monkeypatch.setattr("onnxruntime.InferenceSession", reached)


@pytest.mark.parametrize("location", ["../secret.bin", "inside.bin", "/etc/hostname", ""])
@pytest.mark.usefixtures("shut")
def test_weights_in_another_file_are_refused(place, location):
    """Outside the folder, inside it without a hash, absolute: refused before ONNX Runtime reads the graph."""
    write_product(place, elsewhere(location))

    with pytest.raises(BundleError, match=r"graph\.onnx keeps its weights in another file.*export it as one file"):
        open_graph(place)


def test_the_fault_is_real(place):
    """Without the check ONNX Runtime loads such a graph, so the test above is effective."""
    import onnxruntime  # noqa: PLC0415  # the only place that bypasses the guard

    write_product(place, elsewhere("inside.bin"))

    session = onnxruntime.InferenceSession(place.read_bytes(), providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": np.ones((1, 4), np.float32)})[0].tolist() == [[1.0] * 4]


@pytest.mark.parametrize("hide", [constant, in_a_branch, sparse])
def test_a_tensor_is_found_wherever_it_hides(place, hide):
    """In a node, in a branch's node, in a sparse constant."""
    write_product(place, None, node=hide(elsewhere("../secret.bin")))

    with pytest.raises(BundleError, match=r"another file \(\.\./secret\.bin\)"):
        read_graph(place)


def a_sparse_initializer(model):
    """Adds one to the graph."""
    model.graph.sparse_initializer.append(onnx.SparseTensorProto(values=elsewhere("../secret.bin"), dims=[16]))


def a_training(model):
    """Adds training information with its own graph."""
    graph = helper.make_graph([constant(elsewhere("../secret.bin"))], "training", [], [])
    model.training_info.append(onnx.TrainingInfoProto(algorithm=graph))


@pytest.mark.parametrize("hide", [a_sparse_initializer, a_training])
def test_a_tensor_is_found_beside_the_nodes(place, hide):
    """In sparse weights of the graph, or in remains of its training."""
    write_product(place, numpy_helper.from_array(MATRIX, "w"), extra=hide)

    with pytest.raises(BundleError, match="another file"):
        read_graph(place)


def test_functions_are_looked_into(place):
    """Local functions of the model may hold tensors too."""
    own = function_with(elsewhere("../secret.bin"))
    write_product(place, numpy_helper.from_array(MATRIX, "w"), extra=own)

    with pytest.raises(BundleError, match="another file"):
        read_graph(place)


def test_half_a_claim_is_refused_as_well(place):
    """A location without the external flag, or the flag alone: readers may differ about them."""
    marked = elsewhere("../secret.bin")
    marked.ClearField("external_data")
    for tensor in (elsewhere("../secret.bin", data_location=TensorProto.DEFAULT), marked):
        write_product(place, tensor)
        with pytest.raises(BundleError, match="another file"):
            read_graph(place)


@pytest.mark.usefixtures("shut")
def test_custom_operators_are_refused(place):
    """A library's domain is refused; one of the model's own functions is accepted."""
    node = helper.make_node("Steal", ["x"], ["y"], domain="acme")
    write_product(place, None, node=node)
    with pytest.raises(BundleError, match=r"needs the custom operator acme\.Steal"):
        open_graph(place)

    own = function_with(numpy_helper.from_array(MATRIX, "w"))
    write_product(place, None, node=helper.make_node("f", [], ["y"], domain="own"), extra=own)
    assert read_graph(place)


COMPILED = helper.make_node("EPContext", ["x"], ["y"], domain="com.microsoft", ep_cache_context="../compiled.bin")


@pytest.mark.parametrize(
    "first",
    [
        COMPILED,
        helper.make_node("FusedMatMul", ["x", "w"], ["z"], domain="com.microsoft"),
        helper.make_node("Relu", ["x"], ["z"]),
    ],
)
@pytest.mark.usefixtures("shut")
def test_what_was_compiled_for_a_device_is_refused(place, first):
    """It may lie in a file beside the graph; other operators of its domain are accepted."""
    matrix = numpy_helper.from_array(MATRIX, "w")
    write_product(place, matrix, node=first, extra=lambda model: model.graph.node.append(COMPILED))
    with pytest.raises(BundleError, match=r"needs the custom operator com\.microsoft\.EPContext"):
        open_graph(place)

    write_product(place, matrix, node=helper.make_node("FusedMatMul", ["x", "w"], ["y"], domain="com.microsoft"))
    assert read_graph(place)


def test_a_file_of_another_kind_is_refused(place):
    """Cut off, of another format, or with an ambiguous tag."""
    write_graph(place)
    whole = place.read_bytes()
    strange_tag = bytes([0xBA, 0x80, 0x80, 0x80, 0x40, 0x00])  # field 7, and a bit beyond 32
    for content in (whole[:-5], b"\x14\x00\x00\x00ORTM" + whole, whole + strange_tag, whole + b"\x3b", whole + b"\xff"):
        place.write_bytes(content)
        with pytest.raises(BundleError, match="is not a valid graph"):
            read_graph(place)
    place.write_bytes(whole)
    assert read_graph(place) == whole


def test_what_looks_like_a_location_in_a_picture_is_none(place):
    """Raw weights are skipped: bytes in them that resemble a field are ignored."""
    field = elsewhere("../secret.bin").SerializeToString()
    raw = np.frombuffer(field.ljust(64, b"\0")[:64], np.float32).reshape(4, 4)
    write_product(place, numpy_helper.from_array(raw, "w"))

    assert open_graph(place).get_inputs()


@pytest.mark.parametrize(
    "opens",
    [
        lambda path: FaceClassifier(path, LABELS, size_px=SIZE_PX, channels=1),
        lambda path: TextEncoder(path, path.with_name("tokenizer.json")),
    ],
)
@pytest.mark.usefixtures("shut")
def test_the_commands_give_the_reason(place, opens):
    """The reason is not lost in the callers."""
    from tests.support.scenes import write_tokenizer  # noqa: PLC0415  # only for the encoder

    write_tokenizer(place.with_name("tokenizer.json"))
    write_product(place, elsewhere("../secret.bin"))

    with pytest.raises(BundleError, match="keeps its weights in another file"):
        opens(place)


def test_there_is_one_door():
    """The wheel opens graphs in one place only."""
    found = set()
    for path in Path(rushes.__file__).parent.rglob("*.py"):
        names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        found |= (
            {path.name} if names & {"InferenceSession", "readNetFromONNX", "register_custom_ops_library"} else set()
        )

    assert found == {"session.py"}
