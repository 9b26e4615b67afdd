import hashlib
import json

import pytest

from rushes.bundle.manifest import BundleError, read_head
from rushes.bundle.signature import Trust
from rushes.errors import NothingFitsError
from rushes.loading import find_named
from rushes.store import store as store_module
from rushes.store.store import admit, find_model, folder_name, point, pointed, quoted, stored_bundles, use_bundle
from tests.support.certified import sign, signer
from tests.support.runtime import write_bundle


def _put(store, version):
    folder = store / "expression" / folder_name(version, f"{version or 0:064x}")
    write_bundle(folder)
    return folder


def test_newest_is_the_last_pulled_not_the_highest(tmp_path):
    """After a rollback the registry gives an older version, which is then used."""
    older, _ = _put(tmp_path, 7), _put(tmp_path, 8)
    point(tmp_path / "expression", "newest", older)

    assert find_model(tmp_path, "expression") == older
    assert find_model(tmp_path / "expression", "expression") == older


def test_without_a_pointer_the_highest_version_counts(tmp_path):
    """Versions are numbers: 10 comes after 9."""
    _put(tmp_path, 9)
    highest = _put(tmp_path, 10)

    assert find_model(tmp_path, "expression") == highest


def test_a_bundle_itself_is_a_model(bundle_folder):
    """`--model` may name the bundle."""
    assert find_model(bundle_folder, "expression") == bundle_folder


def test_the_default_store_comes_from_the_environment(tmp_path, monkeypatch):
    """RUSHES_MODELS names the model store."""
    monkeypatch.setenv("RUSHES_MODELS", str(tmp_path))
    folder = _put(tmp_path, 3)

    assert find_model(None, "expression") == folder


def test_an_empty_store_names_the_command(tmp_path):
    """The error can be pasted, also for a folder with a space."""
    place = tmp_path / "my models"
    place.mkdir()

    with pytest.raises(NothingFitsError, match=r'rushes pull expression --registry http\S+ --to ".*my models"'):
        find_model(place, "expression")


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("models", "models"), ("/media/stick/a-b_1.0", "/media/stick/a-b_1.0"), ("C:\\models", "C:\\models"),
        ("my models", '"my models"'), ("day1&2", '"day1&2"'), ("take(3)", '"take(3)"'),
    ],
)  # fmt: skip
def test_a_word_of_a_hint_can_be_pasted(path, word):
    """A path that a shell would split is quoted."""
    assert quoted(path) == word


def test_unrecognised_folders_in_the_store_are_passed_over(tmp_path):
    """A partial pull, a stray folder and a dangling pointer are skipped."""
    _put(tmp_path, 1)
    for stray in (".v2-000000000002.part", "v3", "v4-00000000000g"):
        write_bundle(tmp_path / "expression" / stray)
    (tmp_path / "expression" / "champion").write_text("v9-000000000009\n")

    assert [one.version for one in stored_bundles(tmp_path / "expression")] == [1]
    assert pointed(tmp_path / "expression", "champion") is None


def test_a_link_to_another_folder_is_passed_over(tmp_path):
    """Its target lies outside, and may change; the pointer to it counts as dangling, and so does one with a path."""
    own = _put(tmp_path / "store", 1)
    elsewhere = _put(tmp_path / "elsewhere", 9)
    (tmp_path / "store/expression" / elsewhere.name).symlink_to(elsewhere)
    for named in (elsewhere.name, str(elsewhere), f"../../elsewhere/expression/{elsewhere.name}", ".."):
        (tmp_path / "store/expression/newest").write_text(named)

        assert pointed(tmp_path / "store/expression", "newest") is None
        assert find_model(tmp_path / "store", "expression") == own


@pytest.mark.parametrize("to", ["a file", "nothing"])
@pytest.mark.parametrize(
    "name", ["manifest.json", "certificate.json", "certificate.sig", "expression.onnx", "detector.tflite"]
)
def test_a_link_in_a_bundle_is_refused(bundle_folder, tmp_path, monkeypatch, name, to):
    """Whatever its target, and even if the bytes are right: it leads out of the folder."""
    monkeypatch.setattr(
        "rushes.bundle.signature.platformdirs.user_config_dir", lambda *_, **__: str(tmp_path / "config")
    )
    monkeypatch.delenv("RUSHES_TRUST", raising=False)
    sign(bundle_folder, signer())
    (bundle_folder / name).rename(tmp_path / "elsewhere")
    (bundle_folder / name).symlink_to(tmp_path / ("elsewhere" if to == "a file" else "nowhere"))

    with pytest.raises(BundleError, match="is a link"):
        admit(read_head(bundle_folder), Trust({}), uncertified=True)
    with pytest.raises((BundleError, NothingFitsError), match=r"is a link|no expression model"):
        use_bundle(find_named("expression", bundle_folder), uncertified=True)


def test_what_changes_while_it_is_read_is_not_believed(bundle_folder, monkeypatch):
    """Planted after the signature check: another certificate and manifest, and a graph that fits the latter."""
    head = read_head(bundle_folder)
    certified, graph = (bundle_folder / "certificate.json").read_bytes(), bundle_folder / "expression.onnx"

    def swap(*_given):
        content = graph.read_bytes() + b"?"
        graph.write_bytes(content)
        seen = head.manifest.files[graph.name].model_dump()
        named = seen | {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
        files = head.manifest.model_dump()["files"] | {graph.name: named}
        (bundle_folder / "manifest.json").write_text(json.dumps(head.manifest.model_dump() | {"files": files}))
        (bundle_folder / "certificate.json").write_text("{}")
        return "signed"

    monkeypatch.setattr(store_module, "verify", swap)

    with pytest.raises(BundleError, match=r"expression\.onnx has"):
        admit(head, Trust({}))
    assert head.certified == certified
