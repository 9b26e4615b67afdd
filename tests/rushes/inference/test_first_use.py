import json
import time

import numpy as np
import onnx
import pytest
from pydantic import ValidationError

from compression.measure.reference_outputs import references
from rushes.bundle.manifest import (
    BundledFile,
    BundleError,
    Manifest,
    References,
    read_bundle,
    sha256_file,
    write_manifest,
)
from rushes.bundle.signature import Trust
from rushes.inference import first_use, memory_watch
from rushes.inference.check import check
from rushes.inference.first_use import ChildLimits, prove, prove_once
from rushes.inference.reference_outputs import pack
from rushes.inference.session import open_graph
from rushes.loading import find_named
from rushes.store.store import use_bundle
from tests.support.certified import certify
from tests.support.hostile import HOSTILE, int8_layer
from tests.support.runtime import LABELS, SIZE_PX, write_bundle
from tests.support.tflite import network

SHORT = ChildLimits(wall_s=20, cpu_s=2, memory_bytes=1 << 29)
SMALL = ChildLimits(wall_s=60, cpu_s=60, memory_bytes=1 << 29)  # so that only memory ends the child


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    """A machine without earlier proofs or trusted keys."""
    monkeypatch.setenv("RUSHES_MACHINE_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("RUSHES_TRUST", raising=False)


def _seal(folder, **certificate):
    """A bundle of the one graph in the folder."""
    path = folder / "expression.onnx"
    file = BundledFile(role="graph", sha256=sha256_file(path), size_bytes=path.stat().st_size)
    about = {"labels": LABELS, "input": {"size_px": SIZE_PX, "channels": 1}}
    certify(
        folder, write_manifest(folder, Manifest(family="expression", files={path.name: file}, **about)), **certificate
    )
    return read_bundle(folder)


def _reference(folder, graph):
    """The reference outputs of a graph, on pictures that differ."""
    pictures = np.random.default_rng(1).integers(0, 256, (32, 48, 48, 1), np.uint8)
    np.savez(folder / "parity.npz", allow_pickle=False, **{"in:pictures": pictures})
    made = references(graph, folder)
    (folder / "parity.npz").unlink()
    return made


@pytest.fixture
def honest(tmp_path):
    """A bundle of int8 with its reference outputs."""
    folder = tmp_path / "honest"
    folder.mkdir()
    int8_layer(folder / "expression.onnx", saturating=False)
    return _seal(folder, references=_reference(folder, folder / "expression.onnx"))


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_graph_ends(tmp_path, kind):
    """A loop of 2^62, functions that double 40 times, 4 GiB: refused within the limits, and nothing is kept."""
    folder = tmp_path / kind
    folder.mkdir()
    HOSTILE[kind](folder / "expression.onnx")
    bundle, started = _seal(folder), time.monotonic()

    with pytest.raises(BundleError, match=r"its graphs|running its graphs"):
        prove_once(bundle, SHORT)
    assert time.monotonic() - started < SHORT.wall_s + 5  # CPU time ends this one first, except on a busy machine
    assert not list((tmp_path / "state").rglob("*.json"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no network", "is not a network that"),
        (network()[:200], "its graphs"),
        (network(shape=(1, 1 << 15, 1 << 15, 4))[:-40], "its graphs"),
        (bytes(8) + network()[8:], "its graphs"),
    ],
)
def test_a_tflite_network_is_read_in_the_child_first(tmp_path, content, reason):
    """Text, a torn file, a terabyte: refused by name, whatever OpenCV does with it, and nothing is kept."""
    (tmp_path / "face.tflite").write_bytes(content)
    file = BundledFile(role="detector", sha256=sha256_file(tmp_path / "face.tflite"), size_bytes=len(content))
    certify(tmp_path, write_manifest(tmp_path, Manifest(family="expression", files={"face.tflite": file})))

    with pytest.raises(BundleError, match=reason):
        prove_once(read_bundle(tmp_path))
    assert not list((tmp_path / "state").rglob("*.json"))


PICTURES, SHARES = np.zeros((4, 48, 48, 1), np.uint8), np.full((4, 3), 1 / 3, np.float32)


@pytest.mark.parametrize(
    ("inputs", "outputs", "reason"),
    [
        (PICTURES, np.full_like(SHARES, np.nan), "differs from its certificate by inf%"),
        (PICTURES, SHARES[:2], "differs from its certificate by inf%"),
        (PICTURES, SHARES.astype(str), "probabilities is empty or has no numbers"),
        (PICTURES, SHARES + 1j, "probabilities is empty or has no numbers"),
        (PICTURES[:0], SHARES[:0], "probabilities is empty or has no numbers"),
        (PICTURES.astype(str), SHARES, "pictures is empty or has no numbers"),
        (PICTURES, None, "differs from its certificate by inf%"),
    ],
)
def test_references_that_prove_nothing_are_refused(tmp_path, inputs, outputs, reason):
    """NaN, another shape, texts, complex numbers or nothing in place of the outputs: a BundleError, and no bug."""
    write_bundle(tmp_path)
    arrays = pack({"pictures": inputs}, {} if outputs is None else {"probabilities": outputs})
    tolerance = {"probabilities": {"max": 0.001, "rms": 0.001}}
    certify(
        tmp_path, sha256_file(tmp_path / "manifest.json"),
        references=References(samples=4, tolerance=tolerance, arrays=arrays),
    )  # fmt: skip

    with pytest.raises(BundleError, match=reason):
        prove(read_bundle(tmp_path))


@pytest.mark.parametrize("fields", [{"samples": 10**30}, {"tolerance": {}}])
def test_references_without_measure_are_refused(fields):
    """A number of samples beyond all measure, or no output to compare."""
    with pytest.raises(ValidationError):
        References.model_validate({"samples": 4, "tolerance": {"x": {"max": 0, "rms": 0}}} | fields)


@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_weights_that_are_none_are_refused(tmp_path, weight):
    """A graph without references outputs NaN: it is refused before it labels a face."""
    int8_layer(tmp_path / "expression.onnx", saturating=False)
    model = onnx.load(tmp_path / "expression.onnx")
    scale = next(one for one in model.graph.initializer if one.data_type == onnx.TensorProto.FLOAT)
    scale.CopyFrom(onnx.numpy_helper.from_array(np.full_like(onnx.numpy_helper.to_array(scale), weight), scale.name))
    onnx.save(model, tmp_path / "expression.onnx")

    with pytest.raises(BundleError, match=r"expression\.onnx gives NaN or infinity"):
        prove(_seal(tmp_path))


def test_memory_is_watched_where_the_system_does_not_limit_it(tmp_path, monkeypatch):
    """As on macOS and Windows: a graph of 4 GiB is ended at 1 GiB, a usual one passes."""
    monkeypatch.setattr(memory_watch, "SYSTEM_LIMITS", False)
    write_bundle(tmp_path / "honest")
    assert prove(read_bundle(tmp_path / "honest")).samples == 0
    folder = tmp_path / "large"
    folder.mkdir()
    HOSTILE["giant"](folder / "expression.onnx")

    with pytest.raises(BundleError, match="more memory than a bundle may have"):
        prove(_seal(folder), SMALL)


def test_processor_time_is_named(tmp_path):
    """A graph that computes for ever is stopped by its limit of processor time, which the message names."""
    HOSTILE["loop"](tmp_path / "expression.onnx")

    with pytest.raises(BundleError, match=r"took more than 2 s of processor time and were stopped\."):
        prove(_seal(tmp_path), ChildLimits(wall_s=60, cpu_s=2, memory_bytes=1 << 29))


def test_a_child_that_hangs_is_ended(honest):
    """On systems without limits, the time-out stops it."""
    with pytest.raises(BundleError, match=r"ran longer than 0\.01 s and were stopped.*rushes pull expression"):
        prove(honest, ChildLimits(wall_s=0.01))


def test_the_second_start_costs_nothing(honest, monkeypatch):
    """Results are kept by digest, processor and ONNX Runtime: no child starts until one of them changes."""
    first = prove_once(honest)
    monkeypatch.setattr(first_use, "prove", lambda *_: pytest.fail("proved again"))
    started = time.perf_counter()

    assert prove_once(honest) == first
    assert time.perf_counter() - started < 0.2
    monkeypatch.setattr(first_use, "processor", lambda: "another")
    with pytest.raises(pytest.fail.Exception, match="proved again"):
        prove_once(honest)


def test_this_machine_gives_what_was_certified(honest):
    """32 inputs, without drift on the certifying machine."""
    proof = prove(honest)

    assert proof.samples == 32
    assert proof.outputs[0].max <= proof.outputs[0].tolerated_max < 0.05
    assert str(proof).startswith("as certified, on 32 reference inputs")


def test_saturating_int8_is_refused(honest, tmp_path):
    """The same weights, multiplied as on a processor without VNNI: use and check refuse, and state the drift."""
    folder = tmp_path / "saturating"
    folder.mkdir()
    int8_layer(folder / "expression.onnx", saturating=True)
    bundle = _seal(folder, references=honest.certificate.references)

    for act in (
        lambda: use_bundle(find_named("expression", folder)),
        lambda: check(bundle.folder, Trust({})),
    ):
        with pytest.raises(BundleError, match=r"probabilities differs from its certificate by [\d.]+% .* is tolerated"):
            act()


def test_the_simulation_saturates_where_a_processor_would(honest, tmp_path):
    """The planted fault is arithmetic: if every pair fits 16 bits, both graphs agree to rounding."""
    int8_layer(tmp_path / "saturating.onnx", saturating=True)
    dim = np.random.default_rng(2).integers(0, 128, (4, 48, 48, 1), np.uint8)
    one, other = (
        open_graph(path).run(None, {"pictures": dim})[0]
        for path in (honest.folder / "expression.onnx", tmp_path / "saturating.onnx")
    )

    assert np.allclose(one, other, atol=1e-5)


def test_this_processor_sums_as_one_of_the_simulations(honest, tmp_path):
    """The machine sums in 32 bits with VNNI or an equivalent, else saturating."""
    int8_layer(tmp_path / "saturating.onnx", saturating=True)
    int8_layer(tmp_path / "native.onnx", saturating=False, native=True)
    bright = np.random.default_rng(3).integers(0, 256, (4, 48, 48, 1), np.uint8)
    exact, saturated, native = (
        open_graph(path).run(None, {"pictures": bright})[0]
        for path in (honest.folder / "expression.onnx", tmp_path / "saturating.onnx", tmp_path / "native.onnx")
    )

    assert not np.allclose(exact, saturated, atol=1e-3)
    assert np.allclose(native, exact, atol=1e-5) or np.allclose(native, saturated, atol=1e-5)


def test_an_older_bundle_is_used_without_comparison(tmp_path):
    """A certificate that predates references: nothing is compared, which check prints."""
    write_bundle(tmp_path / "old")
    assert use_bundle(find_named("expression", tmp_path / "old"))

    assert "older than reference outputs" in check(tmp_path / "old", Trust({})).outputs


@pytest.mark.parametrize(
    "arrays", ["", "no base64!", "aGVsbG8=", pack({"pictures": np.zeros((1 << 27, 1), np.uint8)}, {})]
)
def test_references_that_are_none(honest, arrays):
    """An empty file, a file that is not an archive, and a bomb: the bundle is refused by name."""
    broken = References(**honest.certificate.references.model_dump(), arrays=arrays)
    bundle = _seal(honest.folder, references=broken)

    with pytest.raises(BundleError, match=r"reference outputs (cannot be read|unpack to)"):
        prove(bundle)


def test_references_stand_in_the_certificate_and_nowhere_else(honest):
    """In certificate.json with their arrays; a registry's tag, which is short, has the tolerance alone."""
    document = json.loads((honest.folder / "certificate.json").read_text())

    assert document["references"]["samples"] == 32
    assert document["references"]["arrays"]
    assert len(honest.certificate.model_dump_json()) < 3000
