"""Clean of takes: what was seen and what is known, frame by frame; faults are dropped with a reason."""

import math
from pathlib import Path

import numpy as np
import pytest

from curation.clean import examine
from curation.errors import DataError
from curation.ingest import ingest
from curation.quality.verdicts import pack_kept
from curation.store.sample_set import SPLITS
from curation.store.take_fields import FIELDS, SIZES, WIDTH
from rushes.tracking.face import UNITS
from tests.support.filmed_takes import speech, take_params, write_jaw, write_take

pytestmark = pytest.mark.usefixtures("grey_tracker")
PARAMS = take_params()
JAW = UNITS.index("jawOpen")
NAN = math.nan


def some(folder):
    """Five performers with a take each, so that each split has one."""
    for seed, name in enumerate("abcde"):
        write_take(folder / name / f"good {seed}.mkv", speech(seed=seed))
    return folder


def cleaned(root, folder, params=PARAMS):
    ingest(folder, root, "takes", params, layout="{performer}/*")
    return examine(root, "takes", params, lambda asset: asset.name.encode())


def reasons(examined):
    return dict(zip(examined.table["title"], examined.table["reason"], strict=True))


def why(examined, title):
    return examined.table.set_index("title").loc[title, "why"]


def test_frames_have_what_is_seen_and_what_is_known(root, tmp_path):
    """The columns of the contract; NaN where there is no face and where there are no curves."""
    folder = some(tmp_path / "day")
    write_jaw(folder / "a" / "alone.mkv", [*speech(34, seed=9), *[NAN] * 6])
    examined = cleaned(root, folder)
    made = pack_kept("takes", examined, PARAMS, root / "build/clean/takes")
    rows = {split: made.kept(split) for split in ("train", "validation", "test")}

    assert reasons(examined) == dict.fromkeys([*(f"good {seed}" for seed in range(5)), "alone"], "")
    for split, kept in rows.items():
        frames_tw, thumbnails = made.frames(split), made.thumbnails(split)
        assert frames_tw.dtype == np.float32
        assert frames_tw.shape == (kept["length"].sum(), WIDTH)
        assert thumbnails.shape == (len(kept), 6, 96, 96, 3)
        for _, take in kept.iterrows():
            part = frames_tw[take["offset"] : take["offset"] + take["length"]]
            assert part[:, FIELDS["time_s"]][:, 0] == pytest.approx(np.arange(40) / 25, abs=2e-3)
            seen, known = part[:, FIELDS["network_units"]][:, JAW], part[:, FIELDS["units"]][:, JAW]
            if take["title"] == "alone":
                assert list(part[:, FIELDS["presence"]][:, 0] > 0) == [True] * 34 + [False] * 6
                assert np.isnan(seen[34:]).all()
                assert np.isnan(known).all()
                assert thumbnails[take["row"]].mean() > 60  # of the last sixth, a frame with a face
            else:
                assert np.abs(seen - known).max() < 0.02
                assert (part[:, FIELDS["fitted_head_deg"]] == [1, 2, 3]).all()
    assert made.info["width"] == WIDTH
    assert made.info["fields"] == SIZES


def test_each_fault_has_its_reason(root, tmp_path):
    """Planted: too few frames, no face, no motion in curves or picture, and one film under two containers."""
    folder = some(tmp_path / "day")
    write_take(folder / "a" / "short.mkv", speech(20, seed=20))
    write_take(folder / "a" / "empty.mkv", [*[NAN] * 30, *speech(10, seed=21)], speech(40, seed=21))
    write_jaw(folder / "b" / "still.mkv", [0.5] * 40)
    write_take(folder / "b" / "still curves.mkv", speech(seed=22), [0.5] * 40)
    write_jaw(folder / "a" / "again.mkv", speech(seed=0), fps=30)
    examined = cleaned(root, folder)

    planted = {"short": "too short", "empty": "no face", "still": "still", "still curves": "still"}
    assert {title: reasons(examined)[title] for title in planted} == planted
    assert [reasons(examined)[title] for title in ("good 0", "again")].count("exact duplicate") == 1
    assert why(examined, "short") == "20 frames, min_frames 30"
    assert "a face in 25%" in why(examined, "empty")
    assert not examined.dropped["copy_of"].dropna().empty


@pytest.mark.parametrize(("frames", "words"), [(6, "if 0.24 s earlier"), (-8, "if 0.32 s later")])
def test_curves_that_are_shifted_do_not_fit(root, tmp_path, frames, words):
    """The lag is given, so that a person can correct it."""
    folder = some(tmp_path / "day")
    jaw = speech(80, seed=30)
    write_take(folder / "a" / "shifted.mkv", jaw[20:60], jaw[20 - frames : 60 - frames])
    examined = cleaned(root, folder, take_params(take={"min_fit": 0.6}))

    assert reasons(examined)["shifted"] == "curves do not fit"
    assert words in why(examined, "shifted")
    assert sum(reason == "" for reason in reasons(examined).values()) == 5


def test_curves_of_another_take_do_not_fit(root, tmp_path):
    """Such as those of the take before, of the same length."""
    folder = some(tmp_path / "day")
    write_take(folder / "a" / "swapped.mkv", speech(60, seed=42), speech(60, seed=43))

    assert reasons(cleaned(root, folder))["swapped"] == "curves do not fit"


@pytest.mark.parametrize(("seconds", "reason"), [(12, "curves do not fit"), (6, "")])
def test_curves_of_another_film_do_not_fit_with_any_shift(root, tmp_path, seconds, reason):
    """Planted: a jaw without a rhythm. In few seconds a network that reads a face badly gives as low a correlation."""
    folder = some(tmp_path / "day")
    seen, truth = (np.random.default_rng(seed).normal(size=25 * seconds + 6) for seed in (50, 51))
    smooth = [np.clip(0.5 + 0.5 * np.convolve(one, np.full(7, 1 / 7), "valid"), 0, 1) for one in (seen, truth)]
    write_take(folder / "a" / "other film.mkv", *smooth)
    examined = cleaned(root, folder)

    assert reasons(examined)["other film"] == reason
    found = examined.table.set_index("title").loc["other film"]
    assert found["best_fit"] < 0.4
    assert why(examined, "other film") == (
        f"correlation {found['fit']:.2f}, at most {found['best_fit']:.2f} with a shift" if reason else ""
    )
    assert reasons(examined)["good 0"] == ""


def test_a_network_that_reads_a_face_badly_is_not_the_curves_fault(root, tmp_path):
    """A low correlation that no shift improves is kept: the curves are what the network has to learn."""
    folder = some(tmp_path / "day")
    noise = np.random.default_rng(0).normal(0, 1, 200)
    write_take(folder / "a" / "noisy.mkv", np.clip(0.5 + 0.1 * noise, 0, 1), 0.5 + 0.3 * (np.arange(200) % 2))
    examined = cleaned(root, folder)

    assert examined.table.set_index("title").loc["noisy", "fit"] < PARAMS.take.min_fit
    assert reasons(examined)["noisy"] == ""


def test_withheld_takes_are_not_read(root, tmp_path):
    """A take that must not be trained on is not even opened."""
    folder = some(tmp_path / "day")
    (folder / "takes.csv").write_text("path,performer,use\na/good 0.mkv,a,display\n")
    ingest(folder, root, "takes", PARAMS, layout="{performer}/*")
    rows = examine(root, "takes", PARAMS, lambda _asset: b"").table.set_index("title")
    assert rows.loc["good 0", "reason"] == "not for training"
    assert rows.loc["good 0", "motion"] == 0


@pytest.mark.parametrize("suffix", [".mkv", ".csv"])
def test_a_damaged_file_stops_the_stage(root, tmp_path, suffix):
    """Film and curves are verified by their hashes; the remedy restores them."""
    cleaned(root, some(tmp_path / "day"))
    file = next((root / "datasets/takes/day").glob(f"*{suffix}"))
    file.write_bytes(file.read_bytes() + b"0")
    with pytest.raises(DataError, match="its hash differs"):
        examine(root, "takes", PARAMS, lambda _asset: b"")
    file.unlink()
    with pytest.raises(DataError, match="is missing"):
        examine(root, "takes", PARAMS, lambda _asset: b"")


def test_few_files_stay_open_however_many_takes_there_are(root, tmp_path):
    """A process may have as few as 256 descriptors, and fails when all takes are tracked."""
    folder = some(tmp_path / "day")
    before = list(Path("/dev/fd").iterdir())
    examined = cleaned(root, folder)

    assert len(list(Path("/dev/fd").iterdir())) - len(before) <= 2
    assert len(list(examined.reader.fitted(examined.table))) == 5


def test_nothing_is_left_beside_the_set(root, tmp_path):
    """Of the scratch folder, also where two examinations overlap; the arrays live on without it."""
    examined = cleaned(root, some(tmp_path / "day"))
    again = examine(root, "takes", PARAMS, lambda _asset: b"")

    assert list((root / "build/clean").iterdir()) == []
    first, second = (
        pack_kept("takes", one, PARAMS, root / "build/clean" / name)
        for one, name in ((examined, "first"), (again, "second"))
    )
    assert all(np.array_equal(first.frames(split), second.frames(split), equal_nan=True) for split in SPLITS)
