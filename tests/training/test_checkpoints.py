"""Checkpoints: with damaged files, a training ends with an undisturbed one's weights, and logs the damage."""

from __future__ import annotations

import io
import shutil

import numpy as np
import pytest
import torch

from models.expression.definition import family
from models.expression.params import TrainParams
from tests.support.sets import small_set
from tests.training.test_fit import CPU, SMALL, DieAt, KilledError, same, weights
from training import checkpoints
from training.checkpoints import BEST, LAST, PREVIOUS, DamagedCheckpointError, SealedCheckpointIO, read, sealed
from training.fit import fit

PARAMS = TrainParams(**SMALL | {"epochs": 5})


def flip(content: bytes, count: int = 64) -> bytes:
    """The content with flipped bits in the middle, among the weights."""
    changed, chance = bytearray(content), np.random.default_rng(0)
    for _ in range(count):
        changed[chance.integers(len(content) // 3, 2 * len(content) // 3)] ^= 1 << int(chance.integers(8))
    return bytes(changed)


def other_widths(content: bytes) -> bytes:
    """An intact checkpoint of a network of other widths."""
    loaded = torch.load(io.BytesIO(content), weights_only=True)
    return sealed(loaded | {"state_dict": {name: value.flatten()[:1] for name, value in loaded["state_dict"].items()}})


DAMAGES = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda _: b"",
    "zeroed": lambda content: bytes(len(content)),
    "bits flipped": flip,
    "one bit flipped": lambda content: flip(content, 1),
    "of other widths": other_widths,
    "not a training": lambda _: sealed({"epoch": 4}),
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The set, the weights of a whole training, and the checkpoints of one that died in its fourth epoch."""
    folder = tmp_path_factory.mktemp("training")
    samples = small_set(folder / "set", {"train": 48, "validation": 16})
    whole = fit(family, PARAMS, samples, folder / "whole", devices=CPU)
    with pytest.raises(KilledError):
        fit(family, PARAMS, samples, folder / "broken", devices=CPU, callbacks=[DieAt(3)])
    return samples, weights(whole), folder / "broken"


def goes_on(undisturbed, folder, harm):
    """Resumes from damaged files, and returns the start, once the end equals the undisturbed one's."""
    samples, whole, broken = undisturbed
    shutil.copytree(broken, folder)
    harm(folder)
    fitted = fit(family, PARAMS, samples, folder, devices=CPU)
    assert same(weights(fitted), whole)
    return fitted.resumed_at


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_last_checkpoint_is_passed_over(undisturbed, tmp_path, capsys, damage):
    """Training resumes from the one before, ends with the same weights, and the log names the file."""

    def harm(folder):
        (folder / LAST).write_bytes(damage((folder / LAST).read_bytes()))

    assert goes_on(undisturbed, tmp_path / "ck", harm) == 2
    assert f"checkpoint: {tmp_path / 'ck' / LAST} is " in capsys.readouterr().out


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_where_all_checkpoints_are_damaged_training_starts_again(undisturbed, tmp_path, damage):
    """It ends with the same weights."""

    def harm(folder):
        for name in (LAST, PREVIOUS, BEST):
            (folder / name).write_bytes(damage((folder / name).read_bytes()))

    assert goes_on(undisturbed, tmp_path / "ck", harm) == 0


def test_lost_weights_of_the_best_epoch_are_restored(undisturbed, tmp_path, capsys):
    """From another checkpoint of that epoch, if there is one, without training it twice."""

    def harm(folder):
        (folder / BEST).write_bytes(flip((folder / BEST).read_bytes()))

    assert goes_on(undisturbed, tmp_path / "ck", harm) == 3
    assert "best.ckpt is restored from previous.ckpt, which is of the same epoch" in capsys.readouterr().out


def test_lost_weights_of_the_best_epoch_are_made_again(undisturbed, tmp_path):
    """Without a checkpoint of that epoch, it is trained again; one of another epoch never replaces it."""

    def harm(folder):
        for name in (PREVIOUS, BEST):
            (folder / name).unlink()

    assert goes_on(undisturbed, tmp_path / "ck", harm) == 0


@pytest.mark.parametrize("step", range(6))
def test_killed_while_it_writes(undisturbed, tmp_path, monkeypatch, step):
    """At each change of the folder in turn: the remains are intact, and the training ends with the same weights."""
    samples, whole, _ = undisturbed
    real, calls = checkpoints.Path.replace, []

    def dies(path, target):
        calls.append(path)
        if len(calls) == 6 + step:
            raise KilledError
        return real(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Path, "replace", dies)
        with pytest.raises(KilledError):
            fit(family, PARAMS, samples, tmp_path / "ck", devices=CPU)
    for name in (LAST, PREVIOUS, BEST):
        if (tmp_path / "ck" / name).exists():
            read(tmp_path / "ck" / name)
    resumed = fit(family, PARAMS, samples, tmp_path / "ck", devices=CPU)

    assert resumed.resumed_at > 0
    assert same(weights(resumed), whole)


def test_nothing_is_written_outside_the_folder(tmp_path, monkeypatch):
    """The system's temporary folder may be on another file system, where a move is not atomic."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    SealedCheckpointIO().save_checkpoint({"epoch": 1}, tmp_path / "ck" / LAST)

    assert read(tmp_path / "ck" / LAST) == {"epoch": 1}
    assert [path.name for path in (tmp_path / "ck").iterdir()] == [LAST]


def test_a_checkpoint_of_pytorch_alone_is_not_trusted(tmp_path):
    """It has no checksum; the project's own checkpoints open with plain torch.load."""
    torch.save({"epoch": 1}, tmp_path / LAST)
    with pytest.raises(DamagedCheckpointError, match="do not match their checksum"):
        read(tmp_path / LAST)
    (tmp_path / LAST).write_bytes(sealed({"epoch": 1}))

    assert torch.load(tmp_path / LAST, weights_only=True) == {"epoch": 1}
