"""CONTRIBUTING's steps to add a family and a medium, followed in a copy of the tree, and nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
import yaml

from curation.store.index import read_source_index
from curation.store.sample_set import SampleSet
from tests.support.project import LABELS, PARAMS, make_project
from tests.support.raw import encode, photo
from tests.support.repos import ROOT, git

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SECTION = '''\
class NoteParams(Section):
    """Thresholds of notes.

    Attributes:
        min_length: Characters of a note, at least.
    """

    min_length: int = Field(default=5, ge=0)


class CollectionParams(Section):
'''
HOUSE = ("tests/test_house.py", "-k", "code_deps or cycle or crowded or contracts or step_of_its_name")


def replace(file, old, new):
    """Edits one line, as a person does."""
    text = file.read_text()
    assert old in text, f"{file.name} has no {old!r}"
    file.write_text(text.replace(old, new, 1))


def passes(project, *words):
    """Runs tests in the copy."""
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    done = subprocess.run(words, cwd=project.root, env=project.env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_a_family(tmp_path):
    """One folder in models, one in rushes, one name, its lines in params.yaml and the contracts: a run promotes it."""
    params = {**PARAMS, "families": {"tone": "faces"}, "tone": {"augment": {}, "train": {}, "compress": {}}}
    params["tone"]["budget"] = PARAMS["expression"]["budget"]
    films = {"medium": "film", "needs": "datasets/films", "labels": ["sea"]}  # its checks are a dep of clean
    params["collections"] = {**PARAMS["collections"], "films": films}
    project = make_project(tmp_path, params)
    root = project.root
    shutil.copytree(ROOT / "tests/toys/tone", root / "models/tone", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "rushes/tone").mkdir()
    (root / "rushes/tone/__init__.py").write_text('"""The toy family on set."""\n')
    replace(root / "models/families.py", '"tracking")', '"tracking", "tone")')
    for package in ("models", "rushes"):
        replace(root / "pyproject.toml", f'"{package}.tracking"]', f'"{package}.tracking", "{package}.tone"]')
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "a family")
    for number, label in enumerate(LABELS):
        for seed in range(24):
            picture = photo(100 * number + seed).astype(float) * 0.4 + 60 * number
            path = tmp_path / "tones" / label / f"{seed}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(picture.clip(0, 255).astype("uint8")))
    taken = project.flows("ingest", "faces", str(tmp_path / "tones"))
    run = project.flows("nightly", "--families", "tone")

    assert taken.returncode == 0, taken.stderr
    assert run.returncode == 0, run.stdout + run.stderr
    assert project.decision("tone")["promoted"], run.stdout
    certificate = json.loads((root / "build/tone/bundle/certificate.json").read_text())
    assert certificate["metrics"]["compressed"]["accuracy"] > 0.9
    passes(project, *HOUSE)


def test_a_medium(tmp_path):
    """One name and its thresholds, one package, one collection: files come in, are checked, packed and shown."""
    collections = {"notes": {"medium": "note", "needs": "datasets/notes", "labels": ["glad", "sad"]}}
    collections["notes"] |= {"clean": {"max_dropped_share": 0.5}, "split": {"validation_share": 0.2, "test_share": 0.2}}
    project = make_project(tmp_path, {**PARAMS, "collections": {**PARAMS["collections"], **collections}})
    root = project.root
    shutil.copytree(ROOT / "tests/toys/note", root / "curation/note", ignore=shutil.ignore_patterns("__pycache__"))
    replace(root / "curation/params.py", '"take")', '"take", "note")')
    replace(root / "curation/params.py", "class CollectionParams(Section):\n", SECTION)
    replace(
        root / "curation/params.py",
        "    script: ScriptCheckParams = ",
        "    note: NoteParams = NoteParams()\n    script: ScriptCheckParams = ",
    )
    for number in range(40):
        path = tmp_path / "day" / ("glad", "sad")[number % 2] / f"{number}.note"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("no" if number == 7 else f"note {number}: " + "la " * (number % 9))
    taken = project.flows("ingest", "notes", str(tmp_path / "day"))
    cleaned = project.run("steps", "clean", "notes")

    assert taken.returncode == 0, taken.stderr
    assert "40 notes added" in taken.stdout
    assert cleaned.returncode == 0, cleaned.stderr
    assert read_source_index(root / "datasets/notes/day")["words"].tolist().count(1) == 1
    notes = SampleSet(root / "build/clean/notes")
    assert notes.info["counts"] == {"too short": 1}
    assert notes.info["thresholds"] == {"min_length": 5}
    assert all(text.startswith("note ") for split in ("train", "test") for text in notes.texts(split))
    assert (root / "build/clean/notes/dropped.jpg").stat().st_size > 1000
    assert yaml.safe_load((root / "dvc.yaml").read_text()) == yaml.safe_load((ROOT / "dvc.yaml").read_text())
    passes(project, *HOUSE)
