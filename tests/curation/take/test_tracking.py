"""Takes of rendered heads, tracked with the real networks."""

import cv2
import numpy as np
import pytest

from curation.ingest import ingest
from curation.quality.verdicts import pack_kept
from curation.store.sample_set import SPLITS
from curation.store.take_fields import FIELDS
from curation.take import clean, medium, tracking
from registry.assets import AssetReader
from tests.support.filmed_heads import fetch_heads, film_head
from tests.support.filmed_takes import speech, take_params, write_csv, write_pictures
from tests.support.repos import ROOT

PARAMS = take_params()


@pytest.mark.slow
def test_rendered_heads_with_the_real_networks(root, tmp_path):
    """The jaw of the curves is the jaw that is seen; one process and two give the same bytes."""
    wheel = fetch_heads(tmp_path)
    levels = np.linspace(0, 1, 5)
    poses = [film_head(wheel, units={"jawOpen": level}, turn_deg=(15 * level, 0, 0)).picture_bgr for level in levels]
    folder = tmp_path / "day"
    for seed, name in enumerate("abc"):
        chosen = [round(4 * value) for value in speech(40, seed=seed)]
        light = [cv2.convertScaleAbs(poses[pose], alpha=1 - 0.2 * seed) for pose in chosen]
        write_pictures(folder / name / f"{name}.mkv", light)
        yaw = np.radians([15 * levels[pose] for pose in chosen])
        write_csv(folder / name / f"{name}.csv", {"JawOpen": levels[chosen], "HeadYaw": yaw})
    ingest(folder, root, "takes", PARAMS, layout="{performer}/*")
    read = AssetReader(ROOT / "assets.txt", tmp_path / "wheels")
    sets = []
    for workers in (1, 2):
        examined = clean.examine(root, "takes", PARAMS, read, workers)
        sets.append(pack_kept("takes", examined, PARAMS, root / f"build/clean/{workers}"))
    arrays = [[one.frames(split) for split in SPLITS] for one in sets]
    frames_tw = np.concatenate(arrays[0])

    assert all(first.tobytes() == second.tobytes() for first, second in zip(*arrays, strict=True))
    assert (frames_tw[:, FIELDS["presence"]] > 0.5).all()
    assert (examined.table["fit"] > 0.9).all()
    yaws = frames_tw[:, FIELDS["fitted_head_deg"]][:, 0], frames_tw[:, FIELDS["head_deg"]][:, 0]
    assert np.corrcoef(*yaws)[0, 1] > 0.95
    assert np.abs(np.subtract(*yaws)).max() < 6


def test_other_networks_lie_in_another_folder(tmp_path):
    """A process keeps the networks that it has opened, by their folder."""
    first, again, other = (
        tracking.write_networks(medium.assets, lambda asset, made=made: f"{made} {asset.role}".encode(), tmp_path)
        for made in ("old", "old", "new")
    )

    assert first == again != other
    assert (other / "face_units").read_bytes() == b"new face_units"
