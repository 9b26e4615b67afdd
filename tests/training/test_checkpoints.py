"""Checkpoints: with damaged files, a training ends with an undisturbed one's weights, and logs the damage.

In a folder and on S3 alike.
"""

from __future__ import annotations

import io
import pathlib

import numpy as np
import pytest
import s3fs
import torch

from models.expression.definition import family
from models.expression.params import TrainParams
from tests.support.sets import small_set
from tests.training.test_fit import CPU, SMALL, DieAt, KilledError, same, weights
from training import storage
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
def undisturbed(tmp_path_factory, storage_base):
    """The set, the weights of a whole training, and the checkpoints of one that died in its fourth epoch."""
    folder = tmp_path_factory.mktemp("training")
    samples = small_set(folder / "set", {"train": 48, "validation": 16})
    whole = fit(family, PARAMS, samples, folder / "whole", devices=CPU)
    with pytest.raises(KilledError):
        fit(family, PARAMS, samples, storage_base / "broken", devices=CPU, callbacks=[DieAt(3)])
    return samples, weights(whole), storage_base / "broken"


def goes_on(undisturbed, folder, damage, names):
    """Resumes from damaged files, and returns the start, once the end equals the undisturbed one's."""
    samples, whole, broken = undisturbed
    for path in storage.files(broken, "*"):
        content = storage.read(path)
        if (content := damage(content) if path.name in names else content) is not None:
            storage.replace(folder / path.name, content)
    fitted = fit(family, PARAMS, samples, folder, devices=CPU)
    assert same(weights(fitted), whole)
    return fitted.resumed_at


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_last_checkpoint_is_passed_over(undisturbed, place, capsys, damage):
    """Training resumes from the one before, ends with the same weights, and the log names the file."""
    assert goes_on(undisturbed, place, damage, [LAST]) == 2
    assert f"checkpoint: {place / LAST} is " in capsys.readouterr().out


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_where_all_checkpoints_are_damaged_training_starts_again(undisturbed, place, damage):
    """It ends with the same weights."""
    assert goes_on(undisturbed, place, damage, [LAST, PREVIOUS, BEST]) == 0


def test_lost_weights_of_the_best_epoch_are_restored(undisturbed, place, capsys):
    """From another checkpoint of that epoch, if there is one, without training it twice."""
    assert goes_on(undisturbed, place, flip, [BEST]) == 3
    assert "best.ckpt is restored from previous.ckpt, which is of the same epoch" in capsys.readouterr().out


def test_lost_weights_of_the_best_epoch_are_made_again(undisturbed, place):
    """Without a checkpoint of that epoch, it is trained again; one of another epoch never replaces it."""
    assert goes_on(undisturbed, place, lambda _: None, [PREVIOUS, BEST]) == 0


@pytest.mark.parametrize("step", range(6))
def test_killed_while_it_writes(undisturbed, place, monkeypatch, step):
    """At each change of the folder in turn: the remains are intact, and the training ends with the same weights."""
    samples, whole, _ = undisturbed
    calls = []

    def dying(real):
        def change(self, target, *args, **options):
            if isinstance(self, pathlib.Path) or target in {"put_object", "copy_object"}:
                calls.append(target)
                if len(calls) == 6 + step:
                    raise KilledError
            return real(self, target, *args, **options)

        return change

    with monkeypatch.context() as patch:
        for kind, name in [(pathlib.Path, "replace"), (s3fs.S3FileSystem, "_call_s3")]:
            patch.setattr(kind, name, dying(getattr(kind, name)))
        with pytest.raises(KilledError):
            fit(family, PARAMS, samples, place, devices=CPU)
    for name in (LAST, PREVIOUS, BEST):
        if storage.exists(place / name):
            read(place / name)
    resumed = fit(family, PARAMS, samples, place, devices=CPU)

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
