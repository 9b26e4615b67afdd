import shutil

import pytest

from registry.mlflow import model_versions
from registry.mlflow.model_versions import Version, fetch
from registry.mlflow.runs import DIGEST, RegistryError
from rushes.bundle.manifest import read_bundle
from tests.support.runtime import write_bundle


@pytest.fixture
def registered(tmp_path):
    """The folder of a bundle that a server has, and its digest."""
    return tmp_path / "registered", write_bundle(tmp_path / "registered")


@pytest.fixture
def downloads(registered, monkeypatch):
    """Files fetched from that server, by number of version."""
    fetched = []

    def download(_, version, draft):
        fetched.append(version.number)
        return shutil.copytree(registered[0], draft / "bundle")

    monkeypatch.setattr(model_versions, "_download", download)
    return fetched


def version(digest, number=7):
    """A version with that tag."""
    return Version("expression", number, "run", "mlflow-artifacts:/1/run/artifacts/bundle", {DIGEST: digest})


def files(folder):
    """All that lies in it."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    "digest",
    ["{canary}", "..", ".", "../scene", "../../../canary", "0" * 63, "0" * 65, "A" * 64, "0" * 64 + "\n", " "],
)
def test_a_digest_that_is_none_names_no_folder(tmp_path, downloads, digest):
    """A tag can be changed by whoever reaches the server: no path out of it is looked at, written or removed."""
    state = tmp_path / "state"
    for folder in (tmp_path / "canary", state / "champions/scene/v1", state / "champions/expression/v1"):
        folder.mkdir(parents=True)
        (folder / "kept.txt").write_text("kept")
    before = files(tmp_path)

    with pytest.raises(RegistryError, match="its tag was changed") as error:
        fetch(None, version(digest.format(canary=tmp_path / "canary")), state)
    assert "flows rollback expression" in error.value.remedy
    assert (files(tmp_path), downloads) == (before, [])


def test_a_champion_is_fetched_once(tmp_path, registered, downloads):
    """It lies under its digest, and the next time it is there."""
    for _ in range(2):
        bundle = fetch(None, version(registered[1]), tmp_path / "state")

    assert downloads == [7]
    assert bundle.folder == tmp_path / "state/champions/expression" / registered[1]


def test_another_bundle_in_its_place_is_fetched_again(tmp_path, registered, downloads):
    """Whole as it is, it is not the one that is called so."""
    folder = tmp_path / "state/champions/expression" / registered[1]
    write_bundle(folder, detector=b"another")

    assert fetch(None, version(registered[1]), tmp_path / "state").digest == registered[1]
    assert read_bundle(folder).digest == registered[1]
    assert downloads == [7]


def test_a_bundle_other_than_the_registered_one_is_reported(tmp_path, downloads):
    """The server's content is compared with the tag too, and nothing of it is kept."""
    with pytest.raises(RegistryError, match="but it was registered as 000000000000"):
        fetch(None, version("0" * 64), tmp_path / "state")

    assert downloads == [7]
    assert files(tmp_path / "state/champions/expression") == []


def test_a_version_from_before_digests_were_tagged_is_kept_by_its_number(tmp_path, registered, downloads):
    """Without a tag there is nothing to compare it with."""
    bundle = fetch(None, version("", 3), tmp_path / "state")

    assert (bundle.folder.name, bundle.digest, downloads) == ("v3", registered[1], [3])
