"""A flipped bit in DVC's cache, or beside it, reaches no stage."""

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from registry.dvc import pipeline, verify
from registry.dvc.dataset import listing_of, object_path
from registry.dvc.pipeline import StageNode
from registry.dvc.records import lock_stages, read_record
from registry.dvc.verify import DamagedError
from registry.subprocesses import dvc
from steps import __main__ as steps
from steps.runtime.failures import StageFailure, failure_path
from tests.support.repos import ROOT

CLEAN = StageNode("clean@faces", "clean", "faces", None, ())
TRAIN = StageNode("train@expression", "train", "expression", "expression", ("clean@faces",))
EVALUATE = StageNode("evaluate@expression", "evaluate", "expression", "expression", ("clean@faces", TRAIN.name))
OUT = "build/expression/train/result"


def flip(path):
    """Flips a bit; time and size stay."""
    status = path.stat()
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    path.chmod(0o444)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def kept(root, stage, name):
    """An out's object in the cache."""
    cache = root / ".dvc/cache/files/md5"
    [out] = lock_stages(root)[stage]["outs"]
    return object_path(cache, listing_of(cache, out["md5"])[name])


def repair(error, root):
    """Runs the remedy as far as `make nightly`."""
    remedy, _, rest = error.value.remedy.rpartition(" && ")
    assert rest == "make nightly"
    subprocess.run(remedy, shell=True, check=True, cwd=root)  # noqa: S602 - as a person pastes


def test_flipped_bit_in_the_cache(ran, tmp_path):
    """It is restored, found, named; after the remedy the stage runs again, and later stages get the right file."""
    right = (ran / OUT).read_bytes()
    shutil.rmtree(ran / "build/expression/train")
    flip(kept(ran, TRAIN.name, "result"))
    with pytest.raises(DamagedError, match=OUT) as damaged:
        pipeline.reproduce(ran, TRAIN, os.environ, tmp_path / "log")
    repair(damaged, ran)

    assert pipeline.reproduce(ran, TRAIN, os.environ, tmp_path / "log") == 0
    assert not pipeline.is_from_cache(tmp_path / "log")
    assert (ran / OUT).read_bytes() == right


def test_flipped_bit_that_was_laid_out_by_hand(ran, tmp_path):
    """`dvc repro` by hand has brought it back with status 0; the next stage does not read it."""
    shutil.rmtree(ran / "build/expression/train")
    flip(kept(ran, TRAIN.name, "result"))
    brought = dvc(ran, "repro", "--single-item", TRAIN.name).returncode
    (ran / "steps/evaluate.py").write_text("# other\n")
    with pytest.raises(DamagedError, match=OUT):
        pipeline.reproduce(ran, EVALUATE, os.environ, tmp_path / "log")

    assert brought == 0
    assert not (tmp_path / "log").exists()


def test_a_stage_that_dvc_runs_by_hand_checks_what_it_reads(ran, monkeypatch):
    """After a plain `dvc repro` has restored a flipped bit, the next stage fails by name; its remedy helps."""
    evaluated = []
    monkeypatch.setitem(sys.modules, "steps.evaluate", SimpleNamespace(run=evaluated.append))
    monkeypatch.chdir(ran)
    shutil.rmtree(ran / "build/expression/train")
    flip(kept(ran, TRAIN.name, "result"))
    assert dvc(ran, "repro", "--single-item", TRAIN.name).returncode == 0
    status = steps.main(["evaluate", "expression"])
    failure = StageFailure.model_validate_json(failure_path(ran, "evaluate", "expression").read_text())

    assert (status, failure.kind, evaluated) == (1, "user", [])
    assert OUT in failure.message
    subprocess.run(failure.remedy.removesuffix(" && make nightly"), shell=True, check=True)  # noqa: S602 - as pasted
    assert dvc(ran, "repro", "--single-item", TRAIN.name).returncode == 0
    assert (steps.main(["evaluate", "expression"]), evaluated) == (0, ["expression"])


@pytest.mark.parametrize(
    ("stage", "item", "upstream"),
    [
        ("clean", "faces", []),
        ("clean", "scenes", ["clean@films"]),
        ("augment", "scene", ["clean@scenes"]),
        ("compress", "scene", ["clean@scenes", "augment@scene", "train@scene"]),
    ],
)
def test_upstream_is_that_of_the_graph(stage, item, upstream):
    """The stages before one, from params.yaml as it is shipped."""
    assert verify._upstream(read_record(ROOT, "params.yaml"), stage, item) == upstream


@pytest.mark.parametrize("lock", [None, "stages: [", "stages: {train@expression: {outs: []}}"])
def test_nothing_recorded_is_nothing_compared(tmp_path, lock):
    """Before the first run, or where DVC itself will refuse the record."""
    if lock is not None:
        (tmp_path / "dvc.lock").write_text(lock)
    verify.verify_inputs(tmp_path, "evaluate", "expression")


def test_data_that_dvc_believes(ran, tmp_path):
    """A damaged object of datasets/ that `dvc checkout` has laid out stops the first stage that reads it."""
    listing = listing_of(ran / ".dvc/cache/files/md5", verify.read_version(ran).md5)
    flip(object_path(ran / ".dvc/cache/files/md5", listing["faces/studio/shard-000000.tar"]))
    shutil.rmtree(ran / "datasets")
    assert dvc(ran, "checkout", "datasets.dvc").returncode == 0
    with pytest.raises(DamagedError, match=r"datasets/faces/studio/shard-000000\.tar") as damaged:
        pipeline.reproduce(ran, CLEAN, os.environ, tmp_path / "log")

    shard = (ran / "datasets/faces/studio/shard-000000.tar").read_bytes()
    repair(damaged, ran)
    assert (ran / ".state/damaged/datasets/faces/studio/shard-000000.tar").read_bytes() == shard
    assert not object_path(ran / ".dvc/cache/files/md5", listing["faces/studio/shard-000000.tar"]).exists()


def test_every_file_is_read_once(ran, monkeypatch):
    """A file that looks unchanged is not read again; a rewritten one is."""
    lock, read = lock_stages(ran), []
    real = verify.md5_of
    monkeypatch.setattr(verify, "md5_of", lambda path: read.append(path.name) or real(path))
    for _ in range(2):
        verify.verify_outs(ran, lock, [TRAIN.name])
    verify.verify_outs(ran, lock, [TRAIN.name], reread=True)

    assert read == ["result", "result"]
    assert list(json.loads((ran / verify.SEEN).read_text())) == [OUT]
