"""Which stages a touched file makes run again: those that can import it, and no others."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from registry.dvc.stage_key import resolve, stage_key
from tests.support.closure import PACKAGES

ROOT = Path(__file__).parents[1]
LEARNING = ("augment", "train", "compress", "evaluate")
FAMILIES = ("expression", "scene", "script", "tracking")
COLLECTIONS = {"faces": "image", "films": "film", "scenes": "image", "scripts": "script", "takes": "take"}
MEDIA = set(COLLECTIONS.values())
NODES = [("clean", collection) for collection in COLLECTIONS]
NODES += [(stage, family) for stage in LEARNING for family in FAMILIES]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the code with something in place of every data set and output."""
    folder = tmp_path_factory.mktemp("tree")
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().splitlines():
        if (name.split("/")[0] in PACKAGES or "/" not in name) and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    graph, params = (yaml.safe_load((ROOT / name).read_text()) for name in ("dvc.yaml", "params.yaml"))
    for stage, item in NODES:
        for dep in resolve(graph, params, stage, item)["deps"]:
            if not (folder / dep).exists():
                (folder / dep).mkdir(parents=True)
    return folder


def keys(tree):
    return {node: stage_key(tree, *node) for node in NODES}


@pytest.fixture(scope="module")
def untouched(tree):
    return keys(tree)


def of(*families, stages=LEARNING):
    return {(stage, family) for stage in stages for family in families}


def cleans(*media):
    return {("clean", collection) for collection, medium in COLLECTIONS.items() if medium in media}


ALL = cleans(*MEDIA) | of(*FAMILIES)
TOUCHED = {
    "models/expression/network.py": of("expression"),
    "models/scene/network.py": of("scene"),
    "models/script/network.py": of("script"),
    "models/tracking/network.py": of("tracking"),
    # Clean tracks the faces of takes; one list of deps stands for all media.
    "rushes/faces/detector.py": cleans(*MEDIA),
    "rushes/tracking/tracker.py": cleans(*MEDIA) | of("tracking"),
    "rushes/drawing.py": of(*FAMILIES),
    "curation/face_networks.py": ALL,
    "rushes/capture/drawing/overlay.py": set(),
    "rushes/scene/storyboard.py": of("scene"),
    "rushes/script/writer.py": of("script"),
    "curation/film/shot_detection.py": cleans("film"),
    "curation/script/near_duplicates.py": cleans("script"),
    "curation/take/tracking.py": cleans("take"),
    # One list of deps stands for all media.
    "rushes/screenplay_files/read_play.py": cleans(*MEDIA),
    # Frames of films are images; one list of deps stands for all media.
    "curation/image/metrics.py": cleans(*MEDIA),
    "curation/store/sample_set.py": ALL,
    "curation/quality/verdicts.py": cleans(*MEDIA),
    "curation/intake/job.py": set(),
    "common/settings.py": ALL,
    "models/components/batches.py": of(*FAMILIES),
    "training/fit.py": of(*FAMILIES, stages=("train", "compress", "evaluate")),
    "compression/methods/prune.py": of(*FAMILIES, stages=("compress",)),
    "rushes/inference/latency.py": ALL,
    # What the writer reads and writes, and one list of deps stands for all families.
    "rushes/screenplay/fountain.py": ALL,
    "rushes/pull/pull.py": set(),
    "rushes/cli/app.py": set(),
    "report/page/build.py": set(),
    "registry/promotion/rules.py": set(),
}


@pytest.mark.parametrize("file", TOUCHED)
def test_touched_file_reruns_what_can_import_it(tree, untouched, file):
    """A comment in a file changes the keys of the stages that can import it, and no others."""
    path = tree / file
    before = path.read_bytes()
    path.write_bytes(before + b"# a comment\n")
    found = keys(tree)
    path.write_bytes(before)

    assert {node for node in NODES if found[node] != untouched[node]} == TOUCHED[file]
