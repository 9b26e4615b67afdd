import io
import os
import shutil
import signal
import subprocess
import sys

import psutil
import pytest

from registry.dvc import pipeline
from registry.dvc.pipeline import PipelineError, StageNode
from registry.subprocesses import follow
from tests.support.processes import kill_tree
from tests.support.repos import ROOT, code_repo, git

TRAIN = StageNode("train@expression", "train", "expression", "expression", ("clean@faces",))
NODES = [
    StageNode("clean@faces", "clean", "faces", None, ()),
    TRAIN,
    StageNode("evaluate@expression", "evaluate", "expression", "expression", ("clean@faces", "train@expression")),
]


def test_stages_of_a_family(ran):
    """A family's stages come in their order, with those of its collection, without another family's."""
    assert pipeline.stages(ran, ["expression"]) == NODES


def test_nothing_changed(ran):
    """If nothing changed, every stage reports that."""
    changes = pipeline.statuses(ran, NODES)

    assert {change.text for change in changes.values()} == {"skipped: same data, params and code"}
    assert not any(change.any for change in changes.values())


def test_which_of_the_three(ran):
    """Data, params and code are distinguished, each with its changes."""
    (ran / "datasets/faces/studio/more.tar").write_text("more")
    (ran / "params.yaml").write_text((ran / "params.yaml").read_text().replace("epochs: 3", "epochs: 4"))
    (ran / "steps/evaluate.py").write_text("# other\n")
    found = pipeline.statuses(ran, NODES)

    assert {name: (one.data, one.params, one.code) for name, one in found.items()} == {
        "clean@faces": (True, False, False),
        "train@expression": (False, True, False),
        "evaluate@expression": (False, False, True),
    }
    assert [one.text for one in found.values()] == [
        "data changed: datasets/faces",
        "params changed: expression.train",
        "code changed: steps/evaluate.py",
    ]


def test_outs_that_are_gone(ran):
    """A stage whose out was removed reports that; its readers report changed data."""
    shutil.rmtree(ran / "build/expression/train")
    found = pipeline.statuses(ran, NODES)

    assert (found["train@expression"].missing, found["train@expression"].text) == (
        True,
        "build/expression/train is missing",
    )
    assert found["evaluate@expression"].data
    assert not found["clean@faces"].any


def test_outs_come_back_from_the_cache(ran, tmp_path):
    """A stage that ran before with the same data, params and code is fetched, not run, and the log has that."""
    shutil.rmtree(ran / "build/expression/train")
    (tmp_path / "other.log").write_text("ran train expression\n")
    code = pipeline.reproduce(ran, TRAIN, os.environ, tmp_path / "train.log")

    assert code == 0
    assert (ran / "build/expression/train/result").is_file()
    assert pipeline.is_from_cache(tmp_path / "train.log")
    assert not pipeline.is_from_cache(tmp_path / "other.log")


def test_first_run(ran):
    """A stage that dvc.lock does not know has its first run; a command that changed is code."""
    graph = (ran / "dvc.yaml").read_text()
    (ran / "dvc.yaml").write_text(graph.replace("steps train ", "steps train  ").replace("  evaluate:", "  prove:"))
    prove = StageNode("prove@expression", "prove", "expression", "expression", ())
    found = pipeline.statuses(ran, [TRAIN, prove])

    assert found["prove@expression"].text == "first run"
    assert found["train@expression"].text == "code changed: dvc.yaml: the command"


def test_reproduce(ran, tmp_path):
    """A changed stage runs and ends unchanged; its words are in the log, and git sees dvc.lock alone."""
    git(ran, "add", "--all")
    git(ran, "commit", "--quiet", "--message", "ran")
    (ran / "params.yaml").write_text((ran / "params.yaml").read_text().replace("epochs: 3", "epochs: 4"))
    git(ran, "commit", "--quiet", "--all", "--message", "more epochs")
    log = tmp_path / "log" / "train.log"
    code = pipeline.reproduce(ran, TRAIN, os.environ, log)

    assert code == 0
    assert "ran train expression" in log.read_text()
    assert "git add" not in log.read_text()  # what DVC would have a person type
    assert "dvc push" not in log.read_text()
    assert not pipeline.status(ran, TRAIN).any
    assert git(ran, "status", "--short") == " M dvc.lock\n"


def test_reproduce_a_stage_that_fails(ran, tmp_path):
    """The exit status comes through, and the traceback stands in the log."""
    (ran / "steps/train.py").write_text("raise RuntimeError('out of film')\n")
    code = pipeline.reproduce(ran, TRAIN, os.environ, tmp_path / "train.log")

    assert code == 255
    assert "out of film" in (tmp_path / "train.log").read_text()


def test_reproduce_knows_its_python(ran, tmp_path):
    """With no `python` on the PATH the stage runs by our interpreter, in the tree that it stands in."""
    (ran / "steps/train.py").write_text("import sys, steps; print('by', sys.executable, steps.__path__[0])\n")
    pipeline.reproduce(ran, TRAIN, {"PATH": "/usr/bin:/bin", "HOME": os.environ["HOME"]}, tmp_path / "train.log")
    output = next(line for line in (tmp_path / "train.log").read_text().splitlines() if line.startswith("by "))

    assert output == f"by {sys.executable} {ran / 'steps'}"


@pytest.mark.slow
def test_run_that_was_killed(ran, tmp_path):
    """DVC killed in the middle of a stage leaves nothing that stops the next run."""
    started = tmp_path / "started"
    os.mkfifo(started)
    (ran / "steps/train.py").write_text(f"open({str(started)!r}, 'w').write('in'); import time; time.sleep(600)\n")
    with subprocess.Popen([sys.executable, "-m", "dvc", "repro", "--single-item", TRAIN.name], cwd=ran) as run:
        started.read_text()
        kill_tree(run.pid)
    (ran / "steps/train.py").write_text("# well again\n")

    assert pipeline.reproduce(ran, TRAIN, os.environ, tmp_path / "train.log") == 0
    assert not pipeline.status(ran, TRAIN).any


def test_graph_that_does_not_resolve(ran):
    """A param that dvc.yaml names and params.yaml lacks is named."""
    (ran / "params.yaml").write_text("collections: {faces: {}}\n")
    with pytest.raises(PipelineError, match="families"):
        pipeline.stages(ran, ["expression"])


def test_unfinished_merge(ran):
    """Conflict marks in params.yaml are an error with its remedy."""
    (ran / "params.yaml").write_text("<<<<<<< HEAD\na: 1\n=======\n")
    with pytest.raises(PipelineError, match=r"params\.yaml") as refused:
        pipeline.stages(ran, ["expression"])

    assert refused.value.remedy.endswith("git checkout HEAD -- params.yaml")


def test_no_repository(home, tmp_path):  # noqa: ARG001 - for its effect
    """Without .git, DVC's refusal comes with its remedy."""
    shutil.rmtree(code_repo(tmp_path / "checkout") / ".git")
    with pytest.raises(PipelineError, match="git repository") as refused:
        pipeline.stages(tmp_path / "checkout", ["expression"])

    subprocess.run(refused.value.remedy, shell=True, check=True, cwd=tmp_path / "checkout")  # noqa: S602 - as pasted
    assert pipeline.stages(tmp_path / "checkout", ["expression"])


def test_terminal_sees_bars_and_the_log_their_end(tmp_path):
    """On a terminal a bar is drawn and seen as it grows; the log has its last state, without colours."""
    code = "import sys; assert sys.stderr.isatty(); sys.stderr.write('10 %\\r\\x1b[1m99 %\\x1b[0m\\r100 %\\nthe end')"
    echo = io.StringIO()
    with (tmp_path / "log").open("wb") as log:
        returncode = follow([sys.executable, "-c", code], tmp_path, log, env=os.environ, echo=echo)

    assert returncode == 0
    assert "10 %" in echo.getvalue()
    assert (tmp_path / "log").read_text() == "100 %\nthe end"


def test_inherits_the_lock(tmp_path):
    """Descriptors in pass_fds are open in the child."""
    ours, theirs = os.pipe()
    with (tmp_path / "log").open("wb") as log:
        words = [sys.executable, "-c", f"import os; os.write({theirs}, b'here')"]
        follow(words, tmp_path, log, env=os.environ, pass_fds=(theirs,))
    os.close(theirs)

    assert os.read(ours, 9) == b"here"


def test_interrupt_ends_what_was_started():
    """An interrupted run takes the command down, and what that had started."""
    below = (
        "import os, sys, time; os.write(int(sys.argv[1]), f'{os.getppid()} {os.getpid()}'.encode()); time.sleep(600)"
    )
    code = (
        "import os, sys; from pathlib import Path; from registry.subprocesses import follow\n"
        "words = ['sh', '-c', '\"$0\" -c \"$1\" $2; true', sys.executable, *sys.argv[1:]]\n"
        "with open(os.devnull, 'wb') as log:\n"
        "    follow(words, Path('.'), log, env=os.environ, pass_fds=(int(sys.argv[2]),))"
    )
    ours, theirs = os.pipe()
    words = [sys.executable, "-c", code, below, str(theirs)]
    with subprocess.Popen(words, cwd=ROOT, pass_fds=(theirs,), stderr=subprocess.DEVNULL) as run:
        os.close(theirs)
        started = [psutil.Process(int(pid)) for pid in os.read(ours, 100).split()]
        run.send_signal(signal.SIGINT)
    _, alive = psutil.wait_procs(started, timeout=30)

    assert run.returncode != 0
    assert alive == []
