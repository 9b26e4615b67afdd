"""Sheets of the report: the character beside the actor, and curves of units against the truth.

Colours are RGB, pictures uint8 H,W,3. Legend: T frames, K pictures of a take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from curation.store.take_fields import FIELDS, pictured_frames
from models.family import Sheet
from models.tracking.drawing.portrait import GROUND, MARGIN, SHIFT
from models.tracking.moments import COUNT, correlations, mean_r, sums_in
from rushes.drawing import TextStyle, put_text, text_width
from rushes.tracking.face import UNITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from curation.store.sample_set import SampleSet
    from models.family import Scores

CURVES, HEADS = "curves", "heads:"  # keys of Scores.arrays; the id of a take follows the colon
WIDTH_PX, HEIGHT_PX, MARGIN_PX, TICKS_PX = 860, 150, 10, 26
TITLE_PX, NAMES_PX, LEGEND_PX = 22, 40, 30  # baselines of the title and of the takes' names; height of the legend
PAPER, LINE = (250, 250, 250), (222, 222, 222)
TITLE, SMALL = TextStyle(14, (40, 40, 40), 600), TextStyle(11, (120, 120, 120), 450)
FILLED = 0  # width of a line whose area down to 0 is filled
# Name, colour and width of each line, in the order in which they are drawn.
LINES = {"truth": ((205, 207, 211), FILLED), "MediaPipe's own units": ((60, 120, 210), 1), "model": ((214, 92, 16), 2)}
GAP_PX, ROW_NAMES_PX, TIMES_PX, ROW_NAME = 4, 62, 20, TextStyle(12, (200, 204, 210), 500)
ROWS = ("actor", "model", "truth")
WORST_NAMED = 3


@dataclass(frozen=True)
class TakeCurves:
    """A unit in one take: name of the take, and values T of each of LINES; NaN where there are none."""

    name: str
    lines: tuple[np.ndarray, np.ndarray, np.ndarray]


def draw(scores: Scores, samples: SampleSet, split: str) -> list[Sheet]:
    """Takes with the character beside the actor, and the curves of the worst and of the best units."""
    return [*_strips(scores, samples, split), *_curves(scores)]


def _curves(scores: Scores) -> list[Sheet]:
    curves = list(scores.arrays.get(CURVES, ()))
    if not curves:
        return []
    title, lines = "Units over time: those that follow the actor worst, then the best", list(LINES)
    if not _has_truth(scores.rows):
        title = "Units over time, those that move most: no take has curves, so there is no truth"
        lines.remove("truth")
    pictures = [legend_picture(lines), *curves]
    return [Sheet(CURVES, title, pictures, [""] * len(pictures), columns=1, cell_px=WIDTH_PX)]


def _strips(scores: Scores, samples: SampleSet, split: str) -> list[Sheet]:
    heads = {name.removeprefix(HEADS): array for name, array in scores.arrays.items() if name.startswith(HEADS)}
    if not heads:
        return []
    kept = samples.kept(split)
    thumbnails, frames_tw = samples.thumbnails(split), samples.frames(split)
    bands, captions = [], []
    for row_id, heads_khw3 in heads.items():
        place = int(np.flatnonzero(kept["id"] == row_id)[0])
        row = kept.iloc[place]
        times_k = _times(frames_tw[row["offset"] : row["offset"] + row["length"]], frames_of(row))
        bands.append(strip_picture(thumbnails[place], heads_khw3, times_k))
        captions.append(f"{name_of(row)}\n{_figures(scores.rows[scores.rows['id'] == row_id])}")
    title = "The actor, a character as the model moves it, and as the true curves do; the last take is the worst"
    if not _has_truth(scores.rows):
        title = "The actor, and a character as the model moves it: no take has curves, so there is no truth"
    return [Sheet("strips", title, bands, captions, columns=1, cell_px=bands[0].shape[1])]


def _has_truth(rows: pd.DataFrame) -> bool:
    return bool(sums_in(rows)[COUNT].any())


def _figures(rows: pd.DataFrame) -> str:
    """Mean correlation of a take, and its worst units."""
    sums_ku = sums_in(rows)
    r_u = correlations(sums_ku)
    if np.isnan(r_u).all():
        return "no curves"
    worst = [f"{UNITS[unit]} {r_u[unit]:.2f}" for unit in np.argsort(r_u)[:WORST_NAMED] if not np.isnan(r_u[unit])]
    return f"mean correlation {mean_r(sums_ku):.2f}; worst: {', '.join(worst)}"


def name_of(row: pd.Series) -> str:
    """Name of a take for people."""
    return str(row.get("title", row["id"]))


def frames_of(row: pd.Series) -> int:
    """Number of frames that the file of a take names; `length` is the number of those that were decoded."""
    return int(row.get("frames", row["length"]))


def _times(frames_tw: np.ndarray, frames: int) -> list[str]:
    """Times of the pictures of a take, as text."""
    numbers = pictured_frames(frames_tw[:, FIELDS["presence"]][:, 0] > 0, frames)
    return ["" if number is None else f"{frames_tw[number, FIELDS['time_s']][0]:.1f} s" for number in numbers]


def strip_picture(thumbnails_khw3: np.ndarray, heads_khw3: np.ndarray, times_k: Sequence[str]) -> np.ndarray:
    """Pictures of a take with their times, and below them the heads: a row by the model, one by the truth if known."""
    side_px, count = heads_khw3.shape[1], len(thumbnails_khw3)
    cut_px = round(MARGIN * thumbnails_khw3.shape[1])
    inner_khw3 = thumbnails_khw3[:, cut_px:-cut_px, cut_px:-cut_px]
    actor = [cv2.resize(picture_hw3, (side_px, side_px), interpolation=cv2.INTER_CUBIC) for picture_hw3 in inner_khw3]
    rows = [np.stack(actor), *np.split(heads_khw3, len(heads_khw3) // count)]
    step_px = side_px + GAP_PX
    size_px = TIMES_PX + len(rows) * step_px - GAP_PX, ROW_NAMES_PX + count * step_px - GAP_PX
    canvas_hw3 = np.full((*size_px, 3), GROUND, np.uint8)
    for column, time in enumerate(times_k):
        put_text(canvas_hw3, time, (ROW_NAMES_PX + column * step_px + 2, TIMES_PX - 5), ROW_NAME)
    for row, (name, pictures) in enumerate(zip(ROWS, rows, strict=False)):
        top = TIMES_PX + row * step_px
        put_text(canvas_hw3, name, (MARGIN_PX, top + side_px // 2), ROW_NAME)
        for column, picture_hw3 in enumerate(pictures):
            left = ROW_NAMES_PX + column * step_px
            canvas_hw3[top : top + side_px, left : left + side_px] = picture_hw3
    return canvas_hw3


def legend_picture(lines: Sequence[str]) -> np.ndarray:
    """Names and colours of some of LINES."""
    canvas_hw3 = np.full((LEGEND_PX, WIDTH_PX, 3), PAPER, np.uint8)
    left, middle = MARGIN_PX, LEGEND_PX // 2
    for name in lines:
        colour, width = LINES[name]
        off_px = 5 if width == FILLED else width // 2
        cv2.rectangle(canvas_hw3, (left, middle - off_px), (left + 24, middle + off_px), colour, cv2.FILLED)
        put_text(canvas_hw3, name, (left + 32, middle + 4), SMALL)
        left += 32 + text_width(name, SMALL) + 28
    return canvas_hw3


def curves_picture(title: str, takes: Sequence[TakeCurves]) -> np.ndarray:
    """Curves of a unit in some takes, from 0 (below) to 1 (above); takes are named, and parted by a line."""
    canvas_hw3 = np.full((HEIGHT_PX, WIDTH_PX, 3), PAPER, np.uint8)
    put_text(canvas_hw3, title, (MARGIN_PX, TITLE_PX - 4), TITLE)
    top, under = NAMES_PX + 8, HEIGHT_PX - MARGIN_PX
    for tick, y in (("1", top), ("0", under)):
        put_text(canvas_hw3, tick, (MARGIN_PX, y + 4), SMALL)
        cv2.line(canvas_hw3, (TICKS_PX, y), (WIDTH_PX - MARGIN_PX, y), LINE)
    share = (WIDTH_PX - TICKS_PX - MARGIN_PX) / max(1, len(takes))
    for number, take in enumerate(takes):
        left, right = TICKS_PX + number * share, TICKS_PX + (number + 1) * share
        if number:
            cv2.line(canvas_hw3, (round(left), NAMES_PX - 10), (round(left), under), LINE, 2)
        put_text(canvas_hw3, _cut(take.name, share - 16), (round(left) + 6, NAMES_PX), SMALL)
        for line_t, (colour, width) in zip(take.lines, LINES.values(), strict=True):
            _draw_line(canvas_hw3, line_t, (left + 5, right - 5), (under, top), colour, width)
    return canvas_hw3


def _draw_line(
    canvas_hw3: np.ndarray,
    line_t: np.ndarray,
    across: tuple[float, float],
    up: tuple[float, float],
    colour: tuple[int, int, int],
    width: int,
) -> None:
    points_t2 = np.column_stack([np.linspace(*across, len(line_t)), up[0] + np.clip(line_t, 0, 1) * (up[1] - up[0])])
    known_t = ~np.isnan(line_t)
    # A line ends where nothing is known, and another one begins behind it.
    for run in np.split(np.arange(len(line_t)), np.flatnonzero(np.diff(known_t)) + 1):
        if len(run) and known_t[run[0]]:
            points_n2 = points_t2[run]
            if width == FILLED:
                points_n2 = np.concatenate([[[points_n2[0, 0], up[0]]], points_n2, [[points_n2[-1, 0], up[0]]]])
            fixed_n2 = (points_n2 * (1 << SHIFT)).round().astype(np.int32)
            if width == FILLED:
                cv2.fillPoly(canvas_hw3, [fixed_n2], colour, cv2.LINE_AA, SHIFT)
            else:
                cv2.polylines(canvas_hw3, [fixed_n2], False, colour, width, cv2.LINE_AA, SHIFT)


def _cut(name: str, width_px: float) -> str:
    if text_width(name, SMALL) <= width_px:
        return name
    while name and text_width(name + "…", SMALL) > width_px:
        name = name[:-1]
    return name + "…"
