"""Versions, bundles and records of the first format, kept as that code wrote them, are read by today's code.

`first_format/` holds what three nightly runs left before the champions were listed in a tag of the model: every tag of
model, versions and runs, the bundles, and a repository with the record of one run.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from registry.git import snapshot
from registry.mlflow import model_versions, runs
from registry.promotion import rollback
from rushes.bundle.manifest import check_files, read_bundle
from tests.support.studio import BEST, POOREST, make_studio

FIRST = Path(__file__).parent / "first_format"
BUNDLES = sorted(FIRST.glob("v*/bundle"))


@pytest.fixture
def first(registry):
    """The server as those runs left it; version 3 is the champion."""
    client, output = runs.client(), json.loads((FIRST / "registry.json").read_text())
    client.create_registered_model("dots", output["model"]["tags"])
    experiment = client.create_experiment("dots")
    for number, version in enumerate(output["versions"], 1):
        run = client.create_run(experiment, version["run"]["tags"], f"dots {number}")
        registry.runs[run.info.run_id].data = SimpleNamespace(
            **{key: dict(version["run"][key]) for key in ("tags", "params", "metrics")}
        )
        client.set_terminated(run.info.run_id, version["run"]["status"])
        source = f"{run.info.artifact_uri}/{version['source']}"
        client.create_model_version("dots", source, run.info.run_id, version["tags"])
        shutil.copytree(FIRST / f"v{number}" / "bundle", registry.folder / run.info.run_id / version["source"])
    for alias, number in output["model"]["aliases"].items():
        client.set_registered_model_alias("dots", alias, number)
    return client


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda folder: folder.parent.name)
def test_bundle_is_read_and_checked(folder):
    """The digest is the one in the registry, and every file has its hash."""
    bundle = read_bundle(folder)
    check_files(bundle)

    output = json.loads((FIRST / "registry.json").read_text())["versions"]
    assert bundle.digest == output[int(folder.parent.name[1:]) - 1]["tags"]["rushes.digest"]
    assert bundle.certificate.metrics["compressed"] == {"accuracy": 0.9}


def test_version_is_fetched(first, tmp_path):
    """The files of the champion come out of the registry whole."""
    champion = model_versions.standing(first, "dots").champion

    assert champion.number == 3
    assert model_versions.fetch(first, champion, tmp_path).digest == champion.digest


def test_rolled_back_and_released(first, tmp_path):
    """Without a list of champions their order follows from the tags: 3, then 2, then 1."""
    back = [rollback.rollback("dots", "sees ghosts", state=tmp_path)]
    held = rollback.on_hold("dots").reason
    rollback.release("dots")
    back.append(rollback.rollback("dots", "sees ghosts, too", state=tmp_path))

    assert [(done.rejected, done.restored) for done in back] == [(3, 2), (2, 1)]
    assert (held, model_versions.standing(first, "dots").champion.number) == ("sees ghosts", 1)


def test_next_run_compares_with_its_champion(first, tmp_path):
    """A worse challenger is registered and stays one; the champion's own bundle is known by its digest."""
    studio = make_studio(tmp_path, "dots")
    worse, same = studio.nightly(POOREST + 8), studio.nightly(BEST)

    assert (worse.version, worse.promoted) == (4, False)
    assert (same.version, same.registered) == (3, False)
    assert model_versions.standing(first, "dots").champion.number == 3


def test_record_is_checked_out(tmp_path):
    """The tag leads to the exact tree of that run, with its params, data version and lock."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", FIRST / "record.gitbundle", clone], check=True)
    subprocess.run(["git", "fetch", "-q", "origin", "refs/*:refs/*", "-u"], cwd=clone, check=True)
    tree = snapshot.lay_out(clone, snapshot.tagged(clone, "dots/v3"), tmp_path / "tree")

    assert "seed: 8" in (tree / "params.yaml").read_text()
    assert {"datasets.dvc", "dvc.lock"} <= {path.name for path in tree.iterdir()}
