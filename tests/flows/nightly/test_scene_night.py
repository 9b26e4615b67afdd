"""Runs of a family that draws, on a tiny copy of the project: from pictures and a film to a storyboard on set.

The tests depend on each other; each continues from the state that the previous one left.
"""

from __future__ import annotations

import json

import cv2
import pytest
from PIL import Image

from tests.support.drawn import LABELS, SIZE_PX
from tests.support.project import acts
from tests.support.repos import ROOT, git
from tests.support.scene_project import make_scene_project, real_rules, write_places, write_reel
from tests.support.serving import champion, end, left_behind, page_of, tags

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STAGES = (
    "clean@films",
    "clean@scenes",
    "augment@scene",
    "train@scene",
    "compress@scene",
    "evaluate@scene",
    "register@scene",
)
ASTRAY = 1000.0  # a learning rate at which all drawings are alike


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The copy; processes that a test leaves there are ended."""
    project = make_scene_project(tmp_path_factory.mktemp("scene"))
    yield project
    end(project)


def captions(project, folder):
    """Captions of the sheets that a stage has drawn, by file."""
    return json.loads((project.root / "build/scene" / folder / "captions.json").read_text())


def test_first_run(project, tmp_path):
    """Folders of places with captions, and a film in the inbox: both are trained on, and v1 is promoted."""
    write_places(tmp_path / "places")
    taken = project.flows("ingest", "scenes", str(tmp_path / "places"))
    write_reel(project.root / "inbox/films/day-1")
    output = project.flows("nightly")

    assert taken.returncode == 0, taken.stderr
    assert output.returncode == 0, output.stdout + output.stderr
    assert {acts(output)[stage] for stage in (*STAGES, "report")} == {"ran"}
    assert "scene v1 promoted" in output.stdout
    assert git(project.root, "tag").split() == ["scene/v1"]
    assert not left_behind(project)


def test_film_and_pictures_are_one_set(project):
    """Frames of the film have clusters as categories, and captions are included."""
    from curation.store.sample_set import SampleSet  # noqa: PLC0415 - pandas, needed only here

    clean = SampleSet(project.root / "build/clean/scenes")
    table = clean.table[clean.table["kept"]]
    looks = table.loc[table["source"] == "films/day-1", "label"]

    assert clean.labels[: len(LABELS)] == LABELS
    assert len(looks) > 0
    assert looks.str.startswith("look: ").all()
    assert "a photo of the forest at night" in set(table["caption"])


def test_what_it_made(project):
    """The bundle is complete; the animation has one frame per epoch, and all frames differ."""
    bundle = project.root / "build/scene/bundle"
    files = json.loads((bundle / "manifest.json").read_text())["files"]
    with Image.open(project.root / "build/scene/train/progress.webp") as moving:
        frames = moving.n_frames

    assert {file["role"] for file in files.values()} == {"graph", "text_encoder", "tokenizer"}
    assert all((bundle / name).stat().st_size == file["size_bytes"] for name, file in files.items())
    assert files.keys() >= {"scene.onnx", "minilm.onnx", "tokenizer.json"}
    assert frames == 6


def test_report_shows_it(project):
    """The page has the version, every sheet and the animation."""
    text = page_of(project)

    assert "scene v1" in text
    assert len(captions(project, "scores")) > len(LABELS)
    assert [title for title in captions(project, "scores").values() if f'alt="{title}"' not in text] == []
    assert "data:image/webp;base64," in text


def test_same_again(project):
    """Every stage is skipped."""
    output = project.flows("nightly")

    assert output.returncode == 0, output.stderr
    assert {acts(output)[stage] for stage in STAGES} == {"skipped"}
    assert "Nothing changed" in output.stdout


def test_set_draws_a_sheet(project, mlflow, store, tmp_path):
    """`rushes pull` and `rushes scene`, each in a separate process: four pictures of a heading."""
    pulled = project.run("rushes.cli", "pull", "scene@champion", "--registry", mlflow, "--to", str(store))
    words = ["--text", "EXT. FOREST - DAY", "--count", "4", "--scale", "1"]
    drawn = project.run("rushes.cli", "scene", *words, "--out", str(tmp_path / "sheet.png"), "--model", str(store))

    assert pulled.returncode == 0, pulled.stderr
    assert drawn.returncode == 0, drawn.stderr
    sheet_hwc = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet_hwc.shape[0] >= SIZE_PX
    assert sheet_hwc.std() > 1.0


def test_set_draws_a_storyboard(project, store, tmp_path):
    """Each scene of a script has a picture."""
    words = ["storyboard", str(ROOT / "tests/support/ferry.fountain"), "--out", str(tmp_path / "board.html")]
    drawn = project.run("rushes.cli", *words, "--model", str(store))

    assert drawn.returncode == 0, drawn.stderr
    board = (tmp_path / "board.html").read_text()
    assert "EXT. HARBOUR - DAWN" in board
    assert board.count("data:image/") >= 5


def test_what_cannot_draw_stays_out(project, mlflow):
    """A diverged generator, under the actual rules: registered, not promoted, with the failed floors as reasons."""
    project.set_rules(real_rules())
    project.set_train("scene", learning_rate=ASTRAY, epochs=1)
    output = project.flows("nightly")
    decision = project.decision("scene")
    below = {reason.split()[0] for reason in decision["reasons"] if "is below the floor" in reason}

    assert output.returncode == 0, output.stdout + output.stderr
    assert (decision["version"], decision["promoted"], decision["champion_after"]) == (2, False, 1)
    assert champion(mlflow, "scene") == 1
    assert below >= {"coverage", "distinct"}, decision["reasons"]
    assert "distinct" in tags(mlflow, "scene", 2)["rushes.reasons"]
