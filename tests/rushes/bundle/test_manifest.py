import json

import pytest

from rushes.bundle.manifest import BundleError, read_bundle
from tests.support.runtime import write_bundle


def _change(folder, **changes):
    document = json.loads((folder / "manifest.json").read_text()) | changes
    (folder / "manifest.json").write_text(json.dumps(document))


def test_reads_what_was_written(bundle_folder):
    """A bundle comes back with its digest, and a file is found by its role."""
    bundle = read_bundle(bundle_folder)

    assert bundle.certificate.digest == bundle.digest
    assert bundle.path("graph") == bundle_folder / "expression.onnx"


def test_digest_is_a_function_of_content(tmp_path):
    """Two bundles of the same content have the same digest, another detector another one."""
    digests = [write_bundle(tmp_path / name, detector=name[:1].encode()) for name in ("a1", "a2", "b1")]

    assert digests[0] == digests[1] != digests[2]


def test_refuses_a_changed_file(bundle_folder):
    """One changed byte is found, and named."""
    detector = bundle_folder / "detector.tflite"
    detector.write_bytes(detector.read_bytes()[:-1] + b"x")

    with pytest.raises(BundleError, match=r"detector\.tflite has the sha256"):
        read_bundle(bundle_folder)


STRANGE_NAMES = ["../x", "a/b", "a\\b", "C:x", ".hidden", "x\n", "manifest.json", "", "a."]
STRANGE_NAMES += ["Certificate.JSON", "certificate.sig"]
STRANGE_NAMES += ["NUL", "CON", "aux.onnx", "COM1", "lpt9.tar.gz"]


@pytest.mark.parametrize("name", STRANGE_NAMES)
def test_refuses_names_that_leave_the_folder(bundle_folder, name):
    """A manifest cannot name a file that lies outside, is hidden, or is not a valid name on every system."""
    _change(bundle_folder, files={name: {"role": "graph", "sha256": "0", "size_bytes": 1}})

    with pytest.raises(BundleError, match="names the file"):
        read_bundle(bundle_folder)


@pytest.mark.parametrize("name", ["console.onnx", "auxiliary", "com10.onnx", "nul_.bin"])
def test_names_that_only_begin_like_a_device_are_names(bundle_folder, name):
    """Such a file is looked up like any other."""
    _change(bundle_folder, files={name: {"role": "graph", "sha256": "0", "size_bytes": 1}})
    (bundle_folder / "certificate.json").unlink()

    with pytest.raises(BundleError, match=f"has no {name}"):
        read_bundle(bundle_folder)


def test_refuses_names_that_differ_by_case_alone(bundle_folder):
    """On systems that ignore case, one file would overwrite the other."""
    files = json.loads((bundle_folder / "manifest.json").read_text())["files"]
    _change(bundle_folder, files=files | {"Expression.ONNX": files["expression.onnx"]})

    with pytest.raises(BundleError, match="differ only in upper and lower case"):
        read_bundle(bundle_folder)


@pytest.mark.parametrize("more", [1, -1])
def test_refuses_a_size_other_than_the_file_has(bundle_folder, more):
    """The size in the manifest is compared with the file, since sums of sizes are shown and checked."""
    files = json.loads((bundle_folder / "manifest.json").read_text())["files"]
    size_bytes = files["expression.onnx"]["size_bytes"] + more
    _change(bundle_folder, files=files | {"expression.onnx": files["expression.onnx"] | {"size_bytes": size_bytes}})
    (bundle_folder / "certificate.json").unlink()

    with pytest.raises(BundleError, match=rf"expression\.onnx has [\d,]+ bytes, not {size_bytes:,}: fetch"):
        read_bundle(bundle_folder)


def test_refuses_a_size_below_nothing(bundle_folder):
    """A negative size would make room for another file in the sum."""
    files = json.loads((bundle_folder / "manifest.json").read_text())["files"]
    _change(bundle_folder, files=files | {"expression.onnx": files["expression.onnx"] | {"size_bytes": -1}})

    with pytest.raises(BundleError, match=r"cannot be read: files\.expression\.onnx\.size_bytes"):
        read_bundle(bundle_folder)


@pytest.mark.parametrize("contract", [2, 10**30])
def test_refuses_a_newer_contract(bundle_folder, contract):
    """For a bundle of a later contract the message asks to update rushes."""
    _change(bundle_folder, contract=contract)

    with pytest.raises(BundleError, match="update rushes"):
        read_bundle(bundle_folder)


@pytest.mark.parametrize("contract", [0, -1, True, False, 1.0, "1", None])
def test_refuses_a_contract_that_is_none(bundle_folder, contract):
    """Contracts are counted from one; a smaller number does not pass for an old contract."""
    _change(bundle_folder, contract=contract)

    with pytest.raises(BundleError, match="cannot be read: contract: "):
        read_bundle(bundle_folder)


DEEP, LONG = "[" * 100_000, "9" * 5000


@pytest.mark.parametrize(
    "text", [DEEP, f'{{"settings": {DEEP}', f'{{"contract": {LONG}}}', f"[{LONG}]", "\udcff", "1", ""]
)
def test_a_manifest_made_to_break_its_reader_is_refused(bundle_folder, text):
    """Too deep for the stack, a number too long to parse, not text: it is refused, and not reported as a bug."""
    (bundle_folder / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))

    with pytest.raises(BundleError, match=r"manifest\.json cannot be read"):
        read_bundle(bundle_folder)


def test_a_malformed_manifest_is_one_line(bundle_folder):
    """The fault is named in one line, with its place."""
    _change(bundle_folder, labels="happy")

    with pytest.raises(BundleError, match="labels: ") as caught:
        read_bundle(bundle_folder)
    assert "\n" not in str(caught.value)


def test_an_older_certificate_still_reads(bundle_folder):
    """Later fields are empty, unknown fields are ignored, and a missing required field is refused."""
    path = bundle_folder / "certificate.json"
    first = {"digest", "objective", "parity", "metrics", "size_bytes", "latency_ms", "machine"}
    older = {name: value for name, value in json.loads(path.read_text()).items() if name in first}
    path.write_text(json.dumps(older | {"energy_mj": {"fp32": 1.0}}))
    certificate = read_bundle(bundle_folder).certificate

    assert (certificate.percentiles_ms, certificate.multiply_adds, certificate.budget) == ({}, {}, None)
    path.write_text(json.dumps({name: value for name, value in older.items() if name != "metrics"}))
    with pytest.raises(BundleError, match="metrics: Field required"):
        read_bundle(bundle_folder)


def test_refuses_a_certificate_of_another_bundle(bundle_folder):
    """A certificate applies to one digest alone."""
    path = bundle_folder / "certificate.json"
    path.write_text(path.read_text().replace('"digest": "', '"digest": "f'))

    with pytest.raises(BundleError, match="certifies f"):
        read_bundle(bundle_folder)


@pytest.mark.parametrize("name", ["max_objective_drop", "max_latency_ms", "max_bytes"])
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), "Infinity"])
def test_refuses_a_budget_without_an_end(bundle_folder, name, value):
    """With an infinite or NaN limit, every measurement would pass, or none."""
    path = bundle_folder / "certificate.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"budget": {name: value}}))

    with pytest.raises(BundleError, match=rf"budget\.{name}: Input should be a finite number"):
        read_bundle(bundle_folder)


@pytest.mark.parametrize(
    ("figure", "name"),
    [
        ({"parity": {"fp32_max": float("nan")}}, r"parity\.fp32_max"),
        ({"latency_ms": {"compressed": float("inf")}}, r"latency_ms\.compressed"),
        ({"metrics": {"compressed": {"macro_f1": float("nan")}}}, r"metrics\.compressed\.macro_f1"),
        ({"objective_drop": float("nan")}, "objective_drop"),
    ],
)
def test_refuses_a_certificate_whose_figures_are_none(bundle_folder, figure, name):
    """Every comparison with NaN is false, so a limit that is compared the wrong way round would pass."""
    path = bundle_folder / "certificate.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | figure))

    with pytest.raises(BundleError, match=f"{name}: NaN or infinite: the certificate is not valid"):
        read_bundle(bundle_folder)


def test_the_certificate_is_kept_as_it_was_read(bundle_folder):
    """A signature is verified over these bytes, even if the file changes later."""
    before = (bundle_folder / "certificate.json").read_bytes()
    bundle = read_bundle(bundle_folder)
    (bundle_folder / "certificate.json").write_text("{}")

    assert bundle.certified == before


def test_a_graph_is_what_plays_the_role_or_was_learned(bundle_folder):
    """A role identifies a graph whatever its name and origin; other ONNX files count unless they are only bundled."""
    files = json.loads((bundle_folder / "manifest.json").read_text())["files"]
    graph = files["expression.onnx"]
    for name, changes in {
        "graph.bin": {"licence": "MIT"},
        "second.onnx": {"role": "other"},
        "encoder.onnx": {"role": "text_encoder", "licence": "MIT"},
    }.items():
        (bundle_folder / name).write_bytes((bundle_folder / "expression.onnx").read_bytes())
        files[name] = graph | changes
    _change(bundle_folder, files=files)
    (bundle_folder / "certificate.json").unlink()

    assert sorted(read_bundle(bundle_folder).graphs) == ["expression.onnx", "graph.bin", "second.onnx"]
