"""A damaged file of datasets/ is restored by the printed command, beside data that are in no version yet."""

from __future__ import annotations

import re
import subprocess
import sys
from hashlib import sha256

import pytest

from common.settings import Settings
from curation.errors import DataError
from curation.ingest import ingest
from curation.store.index import check_stored, read_bytes, read_index
from curation.store.source_info import credits_by_source
from curation.store.splits import extend
from registry.dvc import versions
from registry.subprocesses import dvc
from tests.curation.planted import PARAMS, plant, state
from tests.support.repos import code_repo, copy_without_make, git, silence

pytestmark = pytest.mark.slow

FILM = "datasets/films/day 1/take 1.mp4"
CONTENT = b"film" * 1000
NEW = "datasets/faces/day-2"


@pytest.fixture(scope="module")
def _template(tmp_path_factory):
    """Pictures and a film in a version that is committed, and a source that was ingested since."""
    with pytest.MonkeyPatch.context() as patch:
        silence(patch, tmp_path_factory.mktemp("home"))
        base = tmp_path_factory.mktemp("template")
        root = code_repo(base / "checkout")
        (root / ".venv").symlink_to(sys.prefix)
        with (root / ".gitignore").open("a") as file:
            file.write("/.venv\n")
        ingest(plant(base / "day-1", 12), root, "faces", PARAMS)
        first = read_index(root, "faces", PARAMS)["id"][0]
        (root / "datasets/faces/corrections.csv").write_text(f"id,label\n{first},neutral\n")
        (root / FILM).parent.mkdir(parents=True)
        (root / FILM).write_bytes(CONTENT)
        assert dvc(root, "add", "datasets").returncode == 0
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", "data")
        ingest(plant(base / "day-2", seed=900), root, "faces", PARAMS)
        return root


@pytest.fixture
def root(monkeypatch, tmp_path_factory, _template, tmp_path):
    """The checkout; `make` does nothing there."""
    silence(monkeypatch, tmp_path_factory.mktemp("home"))
    return copy_without_make(monkeypatch, _template, tmp_path)


def pictures(root):
    """Reads all of them; what has no split yet gets one, as the next run does it."""
    extend(root, "faces", PARAMS)
    return len(list(read_bytes(root, "faces", read_index(root, "faces", PARAMS))))


FAULTS = {
    "datasets/faces/day-1/index.parquet": pictures,
    "datasets/faces/day-1/shard-000000.tar": pictures,
    "datasets/faces/day-1/source.json": lambda root: credits_by_source(root, "faces"),
    "datasets/faces/splits.csv": pictures,
    "datasets/faces/corrections.csv": pictures,
    FILM: lambda root: check_stored(root / FILM, sha256(CONTENT).hexdigest()),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_damaged_file_is_restored(root, name):
    """It is right again, its damaged state is kept, and the new source is as it was."""
    before, act = FAULTS[name](root), FAULTS[name]
    right, new = (root / name).read_bytes(), state(root / NEW)
    rot = right[:700].replace(right[600:604], b"rot!") if name.endswith(".tar") else b'{"\n"'
    (root / name).chmod(0o644)
    (root / name).write_bytes(rot)
    with pytest.raises(DataError) as refused:
        act(root)
    command = re.sub(r"^fix the line, or restore the file: ", "", refused.value.remedy)
    subprocess.run(["/bin/sh", "-c", command], cwd=root, check=True, stdin=subprocess.DEVNULL, capture_output=True)

    assert act(root) == before
    assert (root / ".state/damaged" / name).read_bytes() == rot
    assert state(root / NEW) == new
    if name != "datasets/faces/splits.csv":
        assert (root / name).read_bytes() == right


@pytest.mark.parametrize("name", ["datasets/faces/day-1/shard-000000.tar", FILM])
def test_a_missing_file_is_fetched_by_a_run(root, name):
    """Its first task pulls what the version has; the new source is as it was."""
    before, new = FAULTS[name](root), state(root / NEW)
    (root / name).unlink()
    with pytest.raises(DataError, match="is missing") as refused:
        FAULTS[name](root)
    versions.pull(root, Settings())

    assert refused.value.remedy.startswith("make nightly ")
    assert (FAULTS[name](root), state(root / NEW)) == (before, new)
