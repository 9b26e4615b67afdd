"""The benchmark of the units: parts of takes, MediaPipe's surest units, clips, and its smoke run on made-up takes."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from benchmarks import tracking
from benchmarks.tracking import ReadClip, first_frames, surest_units
from curation.store.take_fields import FIELDS
from models.tracking.definition import family
from rushes.tracking.face import UNITS
from tests.support.tracked_takes import LEARNING, made_up_takes, pack_takes, read_geometry, take_frames


def test_a_share_of_each_take_is_trained_on(tmp_path):
    """Its first frames, with its picture; the test split stays whole."""
    takes = made_up_takes(tmp_path / "clean")
    part = first_frames(takes, 0.5, tmp_path / "part")
    before, after = takes.kept("train"), part.kept("train")

    assert after["length"].tolist() == (before["length"] // 2).tolist()
    for split in ("train", "test"):
        rows, parts = takes.kept(split), part.kept(split)
        for first, second in zip(rows.itertuples(), parts.itertuples(), strict=True):
            whole = takes.frames(split)[first.offset : first.offset + second.length]
            found = part.frames(split)[second.offset : second.offset + second.length]
            np.testing.assert_array_equal(found, whole)
    assert part.kept("test")["length"].tolist() == takes.kept("test")["length"].tolist()
    assert len(part.thumbnails("train")) == len(after)


def test_the_surest_units_follow_the_truth(tmp_path):
    """Those of MediaPipe's that are noise, or that nothing moves, are not among them."""
    frames_tw, random = take_frames(1, 200), np.random.default_rng(0)
    sure = [UNITS.index(name) for name in ("jawOpen", "eyeBlinkLeft", "mouthSmileRight")]
    network = FIELDS["network_units"]
    noise_tu = random.random((200, len(UNITS)))
    noise_tu[:, sure] = frames_tw[:, network][:, sure]
    noise_tu[:, UNITS.index("cheekPuff")] = 0
    frames_tw[:, network] = noise_tu
    takes = pack_takes(tmp_path, {"train": [frames_tw], "validation": [frames_tw], "test": [frames_tw]})

    assert set(surest_units(takes)[:3]) == set(sure)
    assert UNITS.index("cheekPuff") not in surest_units(takes)[:3]


def test_units_that_rest_are_not_judged():
    """Their correlation is that of noise; jitter is judged on all."""
    wave_t, random = np.sin(np.arange(50) / 5), np.random.default_rng(0)
    own_tu, network_tu = random.normal(0, 1e-3, (2, 50, len(UNITS)))
    own_tu[:, 3] += 0.5 * wave_t
    network_tu[:, 3] += wave_t
    clip = ReadClip(own_tu, network_tu)

    assert clip.correlation([3, 4, 5]) == pytest.approx(1, abs=0.01)
    assert clip.correlation([4, 5]) == 0
    assert ReadClip(2 * network_tu, network_tu).jitters()[0] == pytest.approx(2 * clip.jitters()[1])


def test_a_smoke_run_prints_each_figure(tmp_path, monkeypatch, capsys):
    """Held out, and after training on half of the frames; a second call continues."""
    takes = made_up_takes(tmp_path / "clean")
    monkeypatch.setattr(tracking, "read_asset", read_geometry)
    monkeypatch.setattr(tracking, "family", replace(family, assets=()))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(
        yaml.safe_dump({"tracking": {"augment": {"components": 48}, "train": LEARNING, "compress": {}}})
    )
    made = tracking.learned(takes, tmp_path / "first", short=True)
    words = ["--takes", str(takes.folder), "--bundle", str(made.folder), "--shares", "0.5", "--keep", "kept", "--quick"]
    status = tracking.main(words)
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines() if "\t" in line]

    assert [line[0] for line in lines] == [
        "held-out takes: mean correlation of the units", "trained on 111 frames: mean correlation"]  # fmt: skip
    assert status == (0 if all(line[-1] == "held" for line in lines) else 1)
