"""Whole runs on a tiny copy of the project: real servers, real stages, the command line and its output.

The tests depend on each other; each continues from the state that the previous one left.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import time
from itertools import product

import pytest
import yaml

from tests.support.project import LABELS, acts, face, make_project, write_faces
from tests.support.repos import git
from tests.support.serving import ask, end, left_behind
from tests.support.serving import champion as champion_of
from tests.support.serving import tags as tags_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


STAGES = ("clean@faces", "augment@expression", "train@expression", "compress@expression", "evaluate@expression")
WEAK, STRONG = 1e-6, 0.05  # learning rates
DEADLINE_S = 180


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The copy; processes that a test leaves there are ended."""
    project = make_project(tmp_path_factory.mktemp("whole"))
    project.set_train(learning_rate=WEAK)
    git(project.root, "commit", "--quiet", "--all", "--message", "a network that hardly learns")
    yield project
    end(project)


def champion(mlflow):
    """The version that sets pull."""
    return champion_of(mlflow, "expression")


def tags(mlflow, version):
    """Tags of a version."""
    return tags_of(mlflow, "expression", version)


def running(mlflow):
    """Runs of any experiment that have not ended."""
    experiments = ask(mlflow, "experiments/search", max_results=100)["experiments"]
    ids = [experiment["experiment_id"] for experiment in experiments]
    found = ask(mlflow, "runs/search", experiment_ids=ids, filter="attributes.status = 'RUNNING'", max_results=100)
    return [run["info"]["run_id"] for run in found.get("runs", [])]


def wait_for(holds, what):
    """Polls until the condition is true."""
    until = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < until, f"waited for {what}"
        time.sleep(0.02)


def test_first_run(project, tmp_path):
    """From a folder of faces to a champion, with the run's own servers; git sees two files, and no process remains."""
    places = (f"{label}/actor-{actor}" for label, actor in product(LABELS, range(20)))
    write_faces(tmp_path / "day-1", places, first=0, each=5)
    taken = project.flows("ingest", "faces", str(tmp_path / "day-1"), "--layout", "{label}/{performer}/*")
    output = project.flows("nightly")

    assert taken.returncode == 0, taken.stderr
    assert output.returncode == 0, output.stdout + output.stderr
    assert {name for name, state in acts(output).items() if state == "ran"} >= {
        *STAGES,
        "register@expression",
        "report",
    }
    assert "NIGHTLY DONE" in output.stdout
    assert "expression v1 promoted" in output.stdout
    assert git(project.root, "tag").split() == ["expression/v1"]
    assert "expression v1" in (project.root / "build/report/index.html").read_text()
    assert project.changes() == {" M datasets.dvc", "?? dvc.lock"}
    assert "git add" not in (project.root / "build/expression/train.log").read_text()
    assert not left_behind(project)


def test_registry_has_it(project, mlflow):
    """One version, promoted, made from exactly the tag's content; every run has ended."""
    params = yaml.safe_load(git(project.root, "show", "expression/v1:params.yaml"))

    assert champion(mlflow) == 1
    assert tags(mlflow, 1)["rushes.record"] == git(project.root, "rev-parse", "expression/v1").strip()
    assert params["expression"]["train"]["learning_rate"] == WEAK
    assert running(mlflow) == []


def test_way_back_from_a_version(project, mlflow, tmp_path):
    """Its code, params and data are in a folder, and the printed command restores its outputs; others are refused."""
    output = project.flows("checkout", "expression@1", "--to", str(tmp_path / "v1"))
    lines = [line.split("  ")[-1] for line in output.stdout.splitlines()]
    brought = subprocess.run(lines[1], shell=True, check=False, env=dict(project.env))  # noqa: S602 - as pasted
    none = project.flows("checkout", "expression@9")

    assert output.returncode == 0, output.stderr
    assert (tmp_path / "v1/datasets/faces/day-1/index.parquet").is_file()
    assert (tmp_path / "v1/params.yaml").read_text() == git(project.root, "show", "expression/v1:params.yaml")
    assert brought.returncode == 0
    digest = hashlib.sha256((tmp_path / "v1/build/expression/bundle/manifest.json").read_bytes()).hexdigest()
    assert digest == tags(mlflow, 1)["rushes.digest"]
    subprocess.run(lines[3], shell=True, check=True, cwd=project.root)  # noqa: S602  # as pasted
    assert (none.returncode, "there are: expression/v1" in none.stderr) == (3, True)


def test_same_again(project, mlflow):
    """Every stage is skipped, nothing is registered, and the run reports that."""
    output = project.flows("nightly")

    assert output.returncode == 0, output.stderr
    assert {acts(output)[stage] for stage in (*STAGES, "register@expression")} == {"skipped"}
    assert "Nothing changed" in output.stdout
    assert "nothing was registered" in " ".join(output.stdout.split())
    assert len(ask(mlflow, "model-versions/search", filter="name = 'expression'")["model_versions"]) == 1


def test_a_budget_that_nothing_holds(project, mlflow):
    """As a trial: the run ends with the nearest candidates, nothing is registered; `candidates` lists the same."""
    refused = project.flows("nightly", "--set", "expression.budget.max_bytes=1000")
    asked = [
        project.flows("candidates", "expression", *words) for words in ((), ("--set", "expression.budget.max_bytes=9"))
    ]

    assert refused.returncode == 3
    assert acts(refused)["train@expression"] == "skipped"
    assert acts(refused)["compress@expression"] == "failed"
    output = " ".join(f"{refused.stdout} {refused.stderr}".split())
    assert "no candidate of expression holds its budget. The nearest: teacher, " in output
    assert len(ask(mlflow, "model-versions/search", filter="name = 'expression'")["model_versions"]) == 1
    assert [(one.returncode, "-> teacher" in one.stdout) for one in asked] == [(0, True), (3, False)]


def test_no_way_back_from_the_first(project, mlflow):
    """Exit status 3; the champion is unchanged and not held."""
    output = project.flows("rollback", "expression", "--reason", "reads every smile as fear")

    assert output.returncode == 3
    assert "nothing was changed" in output.stderr
    assert champion(mlflow) == 1
    assert "; on hold" not in project.flows("status").stdout


def test_trial(project, mlflow):
    """A far better network, as a trial: registered, not promoted; params.yaml is unchanged, and its tree is removed."""
    before = (project.root / "params.yaml").read_bytes()
    output = project.flows("nightly", "--set", f"expression.train.learning_rate={STRONG}")

    assert output.returncode == 0, output.stdout + output.stderr
    assert [acts(output)[stage] for stage in STAGES[:3]] == ["skipped", "skipped", "ran"]
    assert "from DVC's cache" in output.stderr
    assert (project.root / "params.yaml").read_bytes() == before
    assert champion(mlflow) == 1
    assert "would have been promoted" in tags(mlflow, 2)["rushes.reasons"]
    assert len(git(project.root, "worktree", "list").splitlines()) == 1


def test_runs_are_found_again(project, mlflow):
    """The trial is listed, compared with the preceding nightly run, and its log read, though its tree is gone."""
    del mlflow
    listed, trial = project.flows("runs", "--limit", "1"), project.flows("logs", "train", "--run", "last-trial")
    compared = json.loads(project.flows("compare", "last-nightly", "last-trial", "--json").stdout)

    assert f"expression.train.learning_rate={STRONG}" in listed.stdout
    assert trial.stdout.strip()
    assert list(compared["params"]) == ["expression.train.learning_rate"]
    assert (compared["data"], compared["code"]) == ({}, {})
    assert "expression macro_f1" in compared["metrics"]


def test_better_replaces_it(project, mlflow):
    """With these params in params.yaml the result is the same network, which is now promoted."""
    project.set_train(learning_rate=STRONG)
    output = project.flows("nightly")

    assert output.returncode == 0, output.stdout + output.stderr
    assert "expression v2 promoted" in output.stdout
    assert {acts(output)[stage] for stage in STAGES} == {"skipped"}
    assert champion(mlflow) == 2
    assert project.decision()["champion_before"] == 1
    assert "expression v2, since" in project.flows("status").stdout


def test_set_pulls_it(project, mlflow, tmp_path):
    """`rushes pull` fetches the champion, and the runtime classifies a face with it."""
    from rushes.bundle.manifest import read_bundle  # noqa: PLC0415 - heavy, and needed only here
    from rushes.expression.classifier import FaceClassifier  # noqa: PLC0415  # heavy, and needed only here

    words = ["pull", "expression@champion", "--registry", mlflow, "--to", str(tmp_path / "set")]
    output = project.run("rushes.cli", *words)
    assert output.returncode == 0, output.stderr
    bundle = read_bundle(next((tmp_path / "set/expression").glob("v2-*")))
    squares = [face(label, 7000 + i).repeat(3).reshape(48, 48, 3) for i, label in enumerate(LABELS)]
    shares = FaceClassifier.from_bundle(bundle).classify(squares)

    assert bundle.digest == tags(mlflow, 2)["rushes.digest"]
    assert [bundle.manifest.labels[best] for best in shares.argmax(1)] == list(LABELS)


def test_rollback(project, mlflow):
    """v1 is champion again and held; the next run rebuilds the rejected bundle and does not promote it."""
    output = project.flows("rollback", "expression", "--reason", "reads every smile as fear")
    again = project.flows("nightly")
    status = project.flows("status").stdout

    assert output.returncode == 0, output.stderr
    assert "expression v1 is in use again" in output.stdout
    assert again.returncode == 0, again.stderr
    assert "nothing was registered" in " ".join(again.stdout.split())
    assert champion(mlflow) == 1
    assert "; on hold" in status
    assert "reads every smile as fear" in status


def test_killed_in_training(project, tmp_path):
    """New faces, and SIGKILL during training: the next run ends all remains, resumes, and the weights agree."""
    assert project.flows("down").returncode == 0
    write_faces(project.root / "inbox/faces/day-2", iter(LABELS), first=5000, each=10)
    log = project.root / "build/expression/train.log"
    log.unlink()
    nightly = project.start("nightly")
    wait_for(lambda: nightly.poll() is not None or (log.exists() and "epoch 3 of" in log.read_text()), "epoch 3")
    assert nightly.poll() is None
    nightly.kill()
    nightly.wait()
    output = project.flows("nightly")

    assert output.returncode == 0, output.stdout + output.stderr
    assert "ended a leftover process of a killed run" in output.stderr
    assert "resumes at epoch" in output.stderr
    assert "epoch 1 of" not in log.read_text()
    assert not left_behind(project)
    assert weights(project.root) == weights(undisturbed(project, tmp_path))


def undisturbed(project, folder):
    """The same training elsewhere, from its first epoch to its last."""
    skipped = shutil.ignore_patterns(".state", ".git", ".dvc", "train")
    shutil.copytree(project.root, folder / "other", ignore=skipped)
    other = type(project)(folder / "other", project.env)
    places = {"RUSHES_STATE": str(folder / "state"), "MPLCONFIGDIR": str(folder / "matplotlib")}
    done = other.run("steps", "train", "expression", **places)
    assert done.returncode == 0, done.stderr
    assert "epoch 1 of" in done.stdout
    return other.root


def weights(root):
    """The trained network, byte by byte."""
    return (root / "build/expression/train/weights.safetensors").read_bytes()


def test_released(project, mlflow):
    """On hold the new version was only registered; after the release it is compared again and promoted."""
    held = project.decision()
    released = project.flows("release", "expression")
    output = project.flows("nightly")

    assert (held["version"], held["promoted"], held["champion_after"]) == (3, False, 1)
    assert released.returncode == 0, released.stderr
    assert output.returncode == 0, output.stdout + output.stderr
    assert "expression v3 promoted" in output.stdout
    assert {acts(output)[stage] for stage in STAGES} == {"skipped"}
    assert champion(mlflow) == 3


def test_in_the_end(project, mlflow):
    """The second version stays rejected; no run is open; after `down` no process remains, and the home is clean."""
    assert "rushes.rejected" in tags(mlflow, 2)
    assert running(mlflow) == []
    assert project.flows("down").stdout.strip() == "stopped: scheduler, Prefect, MLflow"
    assert not left_behind(project)
    assert not (project.root.parent / "home/.cache").exists()
