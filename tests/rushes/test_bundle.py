import json

import pytest

from rushes.bundle import BundleError, read_bundle
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
    (bundle_folder / "detector.tflite").write_bytes(b"No network")

    with pytest.raises(BundleError, match=r"detector\.tflite has the sha256"):
        read_bundle(bundle_folder)


STRANGE_NAMES = ["../x", "a/b", "a\\b", "C:x", ".hidden", "x\n", "manifest.json", "", "a."]
STRANGE_NAMES += ["Certificate.JSON", "certificate.sig"]


@pytest.mark.parametrize("name", STRANGE_NAMES)
def test_refuses_names_that_leave_the_folder(bundle_folder, name):
    """A manifest cannot name a file that lies outside, hides, or is no name on every system."""
    _change(bundle_folder, files={name: {"role": "graph", "sha256": "0", "size_bytes": 1}})

    with pytest.raises(BundleError, match="names the file"):
        read_bundle(bundle_folder)


def test_refuses_a_newer_contract(bundle_folder):
    """A bundle from the future says that rushes must be updated."""
    _change(bundle_folder, contract=2)

    with pytest.raises(BundleError, match="update rushes"):
        read_bundle(bundle_folder)


def test_a_malformed_manifest_is_one_line(bundle_folder):
    """The fault is named in one line, with its place."""
    _change(bundle_folder, labels="happy")

    with pytest.raises(BundleError, match="labels: ") as caught:
        read_bundle(bundle_folder)
    assert "\n" not in str(caught.value)


def test_an_older_certificate_still_reads(bundle_folder):
    """What came later is empty in it; and what a newer one says besides is passed over, what it must say is not."""
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
    """A certificate speaks of one digest alone."""
    path = bundle_folder / "certificate.json"
    path.write_text(path.read_text().replace('"digest": "', '"digest": "f'))

    with pytest.raises(BundleError, match="certifies f"):
        read_bundle(bundle_folder)
