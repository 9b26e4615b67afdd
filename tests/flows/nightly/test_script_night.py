"""Runs of a family that writes, on a tiny copy of the project: from scripts to a scene written on set.

The tests depend on each other; each continues from the state that the previous one left.
"""

from __future__ import annotations

import itertools
import json

import pytest

from rushes.screenplay.elements import Element
from rushes.screenplay.fountain import parse
from tests.support.project import acts
from tests.support.repos import git
from tests.support.script_project import (
    GENRES,
    NEW,
    SECOND,
    held_out,
    make_script_project,
    write_documents,
    write_inbox,
)
from tests.support.scripts import NAMES
from tests.support.serving import ask, champion, end, left_behind, page_of, tags
from tests.support.written import faults

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STAGES = ("clean@scripts", "augment@script", "train@script", "compress@script", "evaluate@script")
WEAK, ASTRAY = 1e-6, 1000.0  # learning rates: too low to learn, and so high that weights become NaN
HEADING, CAST = "INT. KITCHEN - NIGHT", ("ANNA", "MARK")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The copy; processes that a test leaves there are ended."""
    project = make_script_project(tmp_path_factory.mktemp("script"))
    yield project
    end(project)


def made(project, *names):
    """A file of the family, read as JSON."""
    return json.loads(project.root.joinpath("build/script", *names).read_text())


def packed(project, folder):
    """A set."""
    from curation.store.sample_set import SampleSet  # noqa: PLC0415 - pandas, needed only here

    return SampleSet(project.root / "build" / folder)


def versions(mlflow):
    """The number of versions."""
    return len(ask(mlflow, "model-versions/search", filter="name = 'script'")["model_versions"])


def scenes(elements):
    """The scenes; each begins with its heading."""
    starts = [place for place, one in enumerate(elements) if one.kind == "heading"]
    return [elements[start:after] for start, after in itertools.pairwise([*starts, len(elements)])]


def write(project, store, out, seed):
    """Runs `rushes write` and returns the draft: its scene, and the note at its end."""
    words = ["--heading", HEADING, "--characters", ", ".join(CAST), "--length", "60w", "--seed", str(seed)]
    output = project.run("rushes.cli", "write", *words, "--out", str(out), "--model", str(store))
    assert output.returncode == 0, output.stderr
    assert out.read_text(encoding="utf-8") == output.stdout
    *scene, note = parse(output.stdout)
    return scene, note


def test_first_run(project, tmp_path):
    """A folder of scripts by genre, two in the inbox: both are trained on, and v1 meets the actual rules."""
    write_documents(tmp_path / "documents")
    taken = project.flows("ingest", "scripts", str(tmp_path / "documents"))
    assert taken.returncode == 0, taken.stderr
    write_inbox(project.root)
    output = project.flows("nightly")

    assert output.returncode == 0, output.stdout + output.stderr
    assert {acts(output)[stage] for stage in (*STAGES, "register@script", "report")} == {"ran"}
    assert "script v1 promoted" in output.stdout
    assert git(project.root, "tag").split() == ["script/v1"]
    assert "neg_bits_per_character" in " ".join(project.decision("script")["reasons"])
    assert not left_behind(project)


def test_works_stay_whole(project):
    """Test documents are not trained on, nor are other drafts of them, even if ingested later for training."""
    clean, learned = packed(project, "clean/scripts"), packed(project, "script/set")
    table, test = clean.table, clean.kept("test")
    drafts = table[table["document"] == SECOND]

    assert (table.groupby("group")["split"].nunique() == 1).all()
    assert set(test["document"]) == {f"script {seed}" for seed in held_out(project.root)}
    assert set(test["label"]) == {*GENRES, "no genre"}
    assert (set(drafts["split"]), set(drafts["reason"])) == ({"train"}, {"another draft"})
    assert set(table.loc[table["source"] == "inbox", "document"]) == {NEW, SECOND}
    assert table.loc[table["document"] == NEW, "kept"].all()
    assert not {*test["group"], *drafts["group"]} & set(learned.table["group"])


def test_what_it_made(project):
    """The graph, smaller than the reference's, and the filter that recognises the training text."""
    from rushes.script.memorization import MemorizationFilter  # noqa: PLC0415  # NumPy, needed only here

    bundle, clean = project.root / "build/script/bundle", packed(project, "clean/scripts")
    files = made(project, "bundle", "manifest.json")["files"]
    known = MemorizationFilter((bundle / "verbatim.bin").read_bytes())
    reference = project.root / "build/script/reference/script.onnx"

    assert {name: file["role"] for name, file in files.items()} == {"script.onnx": "graph", "verbatim.bin": "verbatim"}
    assert all((bundle / name).stat().st_size == file["size_bytes"] for name, file in files.items())
    assert (bundle / "script.onnx").stat().st_size < reference.stat().st_size / 2
    assert min(known.runs(text).share for text in clean.texts("train")) > 0.9
    assert max(known.runs(text).longest for text in clean.texts("test")) < 12  # words of a speech


def test_what_it_scored(project):
    """It has learned the words, compression costs next to nothing, and all drafts are scenes of the cast."""
    metrics = made(project, "scores", "metrics.json")
    written = scenes(parse((project.root / "build/script/scores/written.fountain").read_text()))
    first, second = (metrics[side]["neg_bits_per_character"] for side in ("fp32", "compressed"))

    assert metrics["objective"] == "neg_bits_per_character"
    assert -2.0 < second < 0.0  # by letter frequencies alone: 4
    assert abs(first - second) < 0.05
    assert (metrics["fp32"]["valid"], metrics["compressed"]["valid"]) == (1.0, 1.0)
    assert metrics["worst"].keys() == {*GENRES, "no genre"}
    assert 2 <= len(written) <= 4
    assert [faults(scene, NAMES) for scene in written] == [[]] * len(written)


def test_report_shows_it(project):
    """The page has the version, the written scenes, and the omissions."""
    text, captions = page_of(project), made(project, "scores", "captions.json")

    assert "script v1" in text
    assert captions.keys() == {"written.jpg"}
    assert f'alt="{captions["written.jpg"]}"' in text
    assert "another draft, across splits" in text


def test_same_again(project, mlflow):
    """Every stage is skipped, and nothing is registered."""
    output = project.flows("nightly")

    assert output.returncode == 0, output.stderr
    assert {acts(output)[stage] for stage in (*STAGES, "register@script")} == {"skipped"}
    assert "Nothing changed" in output.stdout
    assert versions(mlflow) == 1


def test_what_has_learned_nothing_stays_out(project, mlflow):
    """It is registered but not promoted; floor and gain are both reasons, in the registry and on the page."""
    project.set_train("script", learning_rate=WEAK, epochs=1)
    output = project.flows("nightly")
    decision = project.decision("script")
    below = {reason.split()[0] for reason in decision["reasons"] if "is below the floor" in reason}

    assert output.returncode == 0, output.stdout + output.stderr
    assert (decision["version"], decision["promoted"], decision["champion_after"]) == (2, False, 1)
    assert champion(mlflow, "script") == 1
    assert "neg_bits_per_character" in below, decision["reasons"]
    assert any("its lower end is not above 0.01" in reason for reason in decision["reasons"])
    assert "is below the floor" in tags(mlflow, "script", 2)["rushes.reasons"]
    assert "is below the floor" in page_of(project)


def test_a_diverged_training_is_not_registered(project, mlflow):
    """NaN weights: the run fails with a reason and a remedy, and the set is safe."""
    project.set_train("script", learning_rate=ASTRAY)
    output = project.flows("nightly")

    assert output.returncode == 1, output.stdout
    assert acts(output)["train@script"] == "failed"
    assert acts(output)["register@script"] == "not reached"
    assert "training diverged in epoch" in output.stderr
    assert "lower script.train.learning_rate" in output.stderr
    assert (versions(mlflow), champion(mlflow, "script")) == (2, 1)


def test_set_writes(project, mlflow, store, tmp_path):
    """`rushes pull` and `rushes write`, each in a separate process: the champion's scene, the same for its seed."""
    pulled = project.run("rushes.cli", "pull", "script@champion", "--registry", mlflow, "--to", str(store))
    assert pulled.returncode == 0, pulled.stderr
    scene, note = write(project, store, tmp_path / "x.fountain", seed=3)
    same, other = (write(project, store, tmp_path / f"{seed}.fountain", seed=seed)[0] for seed in (3, 4))

    assert faults(scene, CAST) == []
    assert scene[0] == Element("heading", HEADING)
    assert {one.text for one in scene if one.kind == "character"} <= set(CAST)
    assert note.kind == "note"
    assert f"script v1, digest {tags(mlflow, 'script', 1)['rushes.digest'][:12]}, seed 3, " in note.text
    assert same == scene
    assert other != scene
