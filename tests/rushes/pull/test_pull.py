import json
import shutil

import pytest

from rushes.bundle.manifest import BundleError, read_bundle, sha256_file
from rushes.errors import NothingFitsError, RushesError
from rushes.pull.pull import pull
from rushes.store.store import find_model, folder_name
from tests.support.runtime import write_bundle


def _left_behind(store):
    return sorted(str(path.relative_to(store)) for path in store.rglob("*")) if store.exists() else []


def test_pull_puts_a_checked_bundle_in_the_store(mlflow, tmp_path):
    """The champion arrives under its version and digest, with its certificate, and becomes the newest."""
    pulled = pull("expression@champion", mlflow.url, tmp_path / "store")

    assert pulled.folder == tmp_path / "store/expression" / f"v7-{pulled.digest[:12]}"
    assert read_bundle(pulled.folder).certificate is not None
    assert find_model(tmp_path / "store", "expression") == pulled.folder
    assert (tmp_path / "store/expression/champion").read_text() == f"{pulled.folder.name}\n"


def test_pull_again_fetches_nothing(mlflow, tmp_path):
    """A complete bundle is checked and kept; only the manifest is requested."""
    pull("expression", mlflow.url, tmp_path / "store")
    mlflow.asked.clear()

    assert pull("expression", mlflow.url, tmp_path / "store").fetched == 0
    assert not [path for path in mlflow.asked if path.endswith((".onnx", ".tflite"))]


def test_a_broken_bundle_in_the_store_is_fetched_again(mlflow, tmp_path):
    """A file changed on the disk is fetched again."""
    folder = pull("expression", mlflow.url, tmp_path / "store").folder
    (folder / "expression.onnx").write_bytes(b"half")

    assert pull("expression", mlflow.url, tmp_path / "store").fetched == 2
    assert read_bundle(folder)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data[:-1] + b"!", "has the sha256"),
        (lambda data: data[:-1], r"has [\d,]+ bytes, not"),
        (lambda data: data + b"more", r"does not have the [\d,]+ bytes of the manifest"),
    ],
)
def test_wrong_bytes_are_refused_and_nothing_is_kept(mlflow, tmp_path, change, reason):
    """A file that changed, shrank or grew on the server never reaches the store."""
    path = mlflow.versions[7] / "expression.onnx"
    path.write_bytes(change(path.read_bytes()))

    with pytest.raises(BundleError, match=rf"expression@7 from http.* is refused.*expression\.onnx {reason}"):
        pull("expression@7", mlflow.url, tmp_path / "store")
    assert _left_behind(tmp_path / "store") == []


def test_a_refused_bundle_leaves_the_one_in_use(mlflow, tmp_path):
    """The earlier bundle stays, and is still the newest."""
    before = pull("expression", mlflow.url, tmp_path / "store").folder
    write_bundle(tmp_path / "v8", detector=b"another")
    (tmp_path / "v8/detector.tflite").write_bytes(b"planted")
    mlflow.versions[8] = tmp_path / "v8"

    with pytest.raises(BundleError, match="is refused"):
        pull("expression@8", mlflow.url, tmp_path / "store")
    assert find_model(tmp_path / "store", "expression") == before
    assert not list((tmp_path / "store/expression").glob(".v*"))


def test_a_manifest_other_than_the_registered_one_is_refused(mlflow, tmp_path):
    """If the version has its digest, a changed manifest is detected."""
    mlflow.tags = {"rushes.digest": "0" * 64}

    with pytest.raises(BundleError, match="registered with the digest 000000000000"):
        pull("expression", mlflow.url, tmp_path / "store")
    assert _left_behind(tmp_path / "store") == []


def test_a_manifest_cannot_write_outside(mlflow, tmp_path):
    """A file name with .. is refused before anything is fetched."""
    path = mlflow.versions[7] / "manifest.json"
    document = json.loads(path.read_text())
    document["files"]["../../escaped"] = document["files"].pop("detector.tflite")
    path.write_text(json.dumps(document))

    with pytest.raises(BundleError, match="lies outside the bundle"):
        pull("expression", mlflow.url, tmp_path / "store")
    assert _left_behind(tmp_path / "store") == []


def test_another_family_is_refused(mlflow, tmp_path):
    """A model registered under a wrong name is not accepted as an expression model."""
    path = mlflow.versions[7] / "manifest.json"
    path.write_text(path.read_text().replace('"family": "expression"', '"family": "scene"'))
    (mlflow.versions[7] / "certificate.json").unlink()

    with pytest.raises(BundleError, match="of the family 'scene'"):
        pull("expression", mlflow.url, tmp_path / "store")


def test_a_cut_connection_is_tried_again(mlflow, tmp_path):
    """A download that breaks off in the middle restarts by itself."""
    mlflow.cut, messages = 1, []

    assert read_bundle(pull("expression", mlflow.url, tmp_path / "store", messages.append).folder)
    assert "the connection broke off; retrying" in messages[0]


def test_a_pull_that_was_cut_off_goes_on(mlflow, tmp_path):
    """After the last attempt it fails, and nothing partial is in the store; a second call fetches only the rest."""
    mlflow.cut = 3
    with pytest.raises(RushesError, match="cannot be reached: the connection broke off"):
        pull("expression", mlflow.url, tmp_path / "store")
    # The certificate precedes all files, and then the manifest's order applies: the detector before the graph.
    gathered = [path.name for path in (tmp_path / "store/expression").glob(".v7-*/*")]
    with pytest.raises(NothingFitsError):
        find_model(tmp_path / "store", "expression")

    assert sorted(gathered) == ["certificate.json", "detector.tflite", "manifest.json"]
    assert pull("expression", mlflow.url, tmp_path / "store").fetched == 1
    assert not list((tmp_path / "store/expression").glob(".v*"))


def test_a_killed_pull_leaves_only_what_is_checked_again(mlflow, tmp_path):
    """Temporary and partial files of a killed pull do not end up in the bundle."""
    folder = pull("expression", mlflow.url, tmp_path / "first").folder
    part = tmp_path / "store/expression" / f".{folder.name}.part"
    shutil.copytree(folder, part)
    (part / "expression.onnx").write_bytes(b"half")
    (part / "expression.onnx.99.part").write_bytes(b"draft")
    pulled = pull("expression", mlflow.url, tmp_path / "store")

    assert pulled.fetched == 1
    assert {path.name for path in pulled.folder.iterdir()} == {path.name for path in folder.iterdir()}


def test_a_stick_carries_bundles_on(mlflow, tmp_path):
    """A stick filled by a pull is a registry: by alias, by version, and without either."""
    stick = pull("expression@champion", mlflow.url, tmp_path / "stick").folder
    for number, wanted in enumerate(("expression", "expression@champion", "expression@7", "expression@newest")):
        pulled = pull(wanted, str(tmp_path / "stick"), tmp_path / f"set{number}")

        assert (pulled.folder.name, pulled.version) == (stick.name, 7)


def test_the_folder_of_a_family_is_a_registry_too(mlflow, tmp_path):
    """The folder expression/ of a stick can be named as well as the stick."""
    pull("expression@champion", mlflow.url, tmp_path / "stick")

    assert pull("expression@7", str(tmp_path / "stick/expression"), tmp_path / "set").version == 7


def test_a_manifest_that_was_changed_on_the_stick_is_refused(mlflow, tmp_path):
    """The folder is named after the start of the digest, so a missing certificate is detected too."""
    folder = pull("expression", mlflow.url, tmp_path / "stick").folder
    (folder / "manifest.json").write_text((folder / "manifest.json").read_text().replace("angry", "happy!"))
    (folder / "certificate.json").unlink()

    with pytest.raises(BundleError, match=rf"with the digest {folder.name[3:]}, but its manifest has"):
        pull("expression", str(tmp_path / "stick"), tmp_path / "set")
    assert _left_behind(tmp_path / "set") == []


def test_a_stick_that_lost_a_file_is_named(mlflow, tmp_path):
    """One file cannot be read, and the earlier ones are kept for the next attempt."""
    folder = pull("expression", mlflow.url, tmp_path / "stick").folder
    (folder / "expression.onnx").unlink()

    with pytest.raises(RushesError, match=r"stick/.*/expression\.onnx cannot be read: No such file"):
        pull("expression", str(tmp_path / "stick"), tmp_path / "set")


def test_a_store_that_cannot_be_written_is_named(bundle_folder, tmp_path):
    """For a full disk, or a folder without permission, the message has the operation, the path, and a remedy."""
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(
        RushesError, match=r"was not written to .*file/store: Not a directory\. Name another folder: --to"
    ):
        pull("expression", str(bundle_folder), tmp_path / "file/store")


def test_a_stick_lists_what_it_has(mlflow, tmp_path):
    """The message for a missing version lists the available ones."""
    pull("expression@7", mlflow.url, tmp_path / "stick")

    with pytest.raises(NothingFitsError, match=r"no expression@8\. Versions of expression there: 7\. Take one"):
        pull("expression@8", str(tmp_path / "stick"), tmp_path / "set")
    with pytest.raises(NothingFitsError, match="no expression@champion"):
        pull("expression@champion", str(tmp_path / "stick"), tmp_path / "set")


def test_a_bare_bundle_is_a_registry_of_one(bundle_folder, tmp_path):
    """A bundle's own folder can be pulled from; it does not have versions."""
    pulled = pull("expression", str(bundle_folder), tmp_path / "store")

    assert pulled.folder.name == f"bundle-{pulled.digest[:12]}"
    with pytest.raises(NothingFitsError, match="single expression bundle, without a version"):
        pull("expression@7", str(bundle_folder), tmp_path / "store")


def test_a_version_without_a_bundle_is_named(mlflow, tmp_path):
    """For a run with other artifacts the message lists them."""
    (mlflow.versions[7] / "manifest.json").unlink()

    with pytest.raises(BundleError, match=r"holds no bundle: .* has certificate\.json, detector\.tflite"):
        pull("expression", mlflow.url, tmp_path / "store")


def _part(mlflow, store):
    """Folder in which the files of version 7 are collected."""
    digest = sha256_file(mlflow.versions[7] / "manifest.json")
    return store / "expression" / f".{folder_name(7, digest)}.part"


@pytest.mark.parametrize("held", ["bundle", "others"])
def test_nothing_gathers_through_a_link(mlflow, tmp_path, held):
    """A link to another folder in place of the collecting one: that folder keeps its files, and the pull succeeds."""
    canary, part = tmp_path / "canary", _part(mlflow, tmp_path / "store")
    write_bundle(canary, detector=b"mine") if held == "bundle" else canary.mkdir()
    (canary / "diary.txt").write_text("mine")
    before = {path.name: path.read_bytes() for path in canary.iterdir()}
    part.parent.mkdir(parents=True)
    part.symlink_to(canary)
    pulled = pull("expression", mlflow.url, tmp_path / "store")

    assert {path.name: path.read_bytes() for path in canary.iterdir()} == before
    assert not pulled.folder.is_symlink()
    assert find_model(tmp_path / "store", "expression") == pulled.folder


@pytest.mark.parametrize("name", ["manifest.json", "certificate.json", "expression.onnx", "stray.txt"])
@pytest.mark.parametrize("is_there", [True, False])
def test_no_file_is_written_through_a_link(mlflow, tmp_path, name, is_there):
    """A link among the collected files: its target is neither changed nor taken over."""
    mine, part = tmp_path / "mine.txt", _part(mlflow, tmp_path / "store")
    if is_there:
        mine.write_text("mine")
    part.mkdir(parents=True)
    (part / name).symlink_to(mine)
    pulled = pull("expression", mlflow.url, tmp_path / "store")

    assert (mine.read_text() if mine.exists() else None) == ("mine" if is_there else None)
    assert not [path for path in pulled.folder.iterdir() if path.is_symlink()]


def test_without_a_certificate_nothing_is_taken_unless_asked(mlflow, tmp_path):
    """It is refused, and the earlier model is still the newest; `uncertified` accepts it."""
    before = pull("expression", mlflow.url, tmp_path / "store").folder
    write_bundle(tmp_path / "v8", detector=b"another")
    (tmp_path / "v8/certificate.json").unlink()
    mlflow.versions[8] = tmp_path / "v8"

    with pytest.raises(BundleError, match=r"nothing was kept: it has no certificate\.json.*--uncertified"):
        pull("expression@8", mlflow.url, tmp_path / "store")
    assert find_model(tmp_path / "store", "expression") == before
    pulled = pull("expression@8", mlflow.url, tmp_path / "store", uncertified=True)
    assert find_model(tmp_path / "store", "expression") == pulled.folder
    assert read_bundle(pulled.folder).certificate is None


def test_a_certificate_that_came_later_is_fetched(mlflow, tmp_path):
    """A bundle taken without one does not block it."""
    certificate = (mlflow.versions[7] / "certificate.json").read_bytes()
    (mlflow.versions[7] / "certificate.json").unlink()
    folder = pull("expression", mlflow.url, tmp_path / "store", uncertified=True).folder
    with pytest.raises(BundleError, match=r"has no certificate\.json"):
        pull("expression", mlflow.url, tmp_path / "store")
    (mlflow.versions[7] / "certificate.json").write_bytes(certificate)

    assert pull("expression", mlflow.url, tmp_path / "store").folder == folder
    assert (folder / "certificate.json").read_bytes() == certificate


def test_what_is_not_certified_is_not_fetched(mlflow, tmp_path):
    """The certificate is fetched before the large files."""
    (mlflow.versions[7] / "certificate.json").unlink()
    with pytest.raises(BundleError, match=r"has no certificate\.json"):
        pull("expression", mlflow.url, tmp_path / "store")

    assert [path for path in mlflow.asked if path.endswith("manifest.json")]
    assert not [path for path in mlflow.asked if path.endswith((".onnx", ".tflite"))]
