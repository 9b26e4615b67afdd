"""Credits are drawn below the pictures of a training, and so stay with the files."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageSequence

from curation.store.sample_set import SampleSet
from steps.train import _owed
from training import storage
from training.monitoring.progress import FOLDER, GROUND, INK, LEAST_PX, Progress, _width_px, _wrapped, assemble

LINE = "Big Buck Bunny, (c) 2008 Blender Foundation, www.bigbuckbunny.org, CC BY 3.0"


@pytest.fixture
def checkpoints(place):
    """Checkpoints with three drawn epochs, in three shades that differ from the band's and its ink."""
    for epoch in range(3):
        trainer = SimpleNamespace(is_global_zero=True, sanity_checking=False, current_epoch=epoch)
        picture_hwc = np.full((LEAST_PX, LEAST_PX, 3), (200, 90, 40 * epoch), np.uint8)
        Progress(lambda picture_hwc: [picture_hwc], place).on_validation_epoch_end(trainer, picture_hwc)
    return place


def bands(file):
    """The area below the pictures, of each frame of a file: uint8 H,W,3."""
    with Image.open(file) as picture:
        return [np.asarray(frame.convert("RGB"))[LEAST_PX:] for frame in ImageSequence.Iterator(picture)]


def test_the_credit_stands_in_every_frame_and_in_the_strip(checkpoints, tmp_path):
    """Ink on a dark band, with no letter cut at either edge; without credits there is no band."""
    assemble(checkpoints, tmp_path, [LINE])
    moving, (strip,) = bands(tmp_path / "progress.webp"), bands(tmp_path / "progress.jpg")

    assert len(moving) == 3
    for band in (*moving, strip):
        assert np.abs(band[-4].astype(int) - GROUND).max() < 12
        assert 0.01 < (band.min(2) > INK[0] // 2).mean() < 0.3
        assert (band[:, -8:].max(2) < INK[0] // 2).all()

    assemble(checkpoints, tmp_path)
    assert [band.size for band in (*bands(tmp_path / "progress.webp"), *bands(tmp_path / "progress.jpg"))] == [0] * 4


def test_a_damaged_picture_is_left_out(checkpoints, tmp_path, capsys):
    """The log names it."""
    damaged = checkpoints / FOLDER / "00001.png"
    storage.replace(damaged, storage.read(damaged)[:40])
    assemble(checkpoints, tmp_path)

    assert len(bands(tmp_path / "progress.webp")) == 2
    assert f"progress: {damaged} is damaged" in capsys.readouterr().out


@pytest.mark.parametrize("line", [LINE, "x" * 300, "喜" * 90, " ".join([LINE] * 5)])
def test_a_credit_of_any_length_and_script_fits(line):
    """All of it is drawn, and no line is wider than the picture."""
    lines = _wrapped(line, 400, 13)

    assert "".join("".join(lines).split()) == "".join(line.split())
    assert all(_width_px(part, 13) <= 400 for part in lines)


def test_each_is_named_once(tmp_path):
    """As the set lists them; a set without credits needs none."""
    (tmp_path / "set.json").write_text('{"credits": {"films/a": "A, CC BY", "films/b": "B", "films/c": "A, CC BY"}}')
    (tmp_path / "other").mkdir()
    (tmp_path / "other/set.json").write_text("{}")

    assert _owed(SampleSet(tmp_path)) == ["A, CC BY", "B"]
    assert _owed(SampleSet(tmp_path / "other")) == []


def test_a_damaged_picture_fails_no_training(tmp_path, capsys):
    """Planted: one of three is truncated. The animation has the other two, and the log names the file."""
    folder = tmp_path / "ck" / "progress"
    folder.mkdir(parents=True)
    for number in range(3):
        Image.fromarray(np.full((8, 8, 3), 80 * number, np.uint8)).save(folder / f"{number:05d}.png")
    (folder / "00001.png").write_bytes((folder / "00001.png").read_bytes()[:40])
    assemble(tmp_path / "ck", tmp_path)

    with Image.open(tmp_path / "progress.webp") as animation:
        assert animation.n_frames == 2
    assert f"{folder / '00001.png'} is damaged" in capsys.readouterr().out
