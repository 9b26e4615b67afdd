"""Storyboard: the scenes of a script with pictures generated from their headings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from tqdm import tqdm

from rushes.errors import MisuseError
from rushes.scene.generator import credit_line
from rushes.scene.text_encoder import place_of
from rushes.screenplay.breakdown import pages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from rushes.scene.generator import SceneGenerator
    from rushes.screenplay.breakdown import Breakdown, Chapter, SceneBreakdown

MANY = 24  # scenes above which a progress bar is shown


@dataclass(frozen=True)
class Panel:
    """Scene with its pictures, uint8 N,S,S,3 RGB, and the requested seed."""

    scene: SceneBreakdown
    pictures_nhwc: np.ndarray
    seed: int


@dataclass(frozen=True)
class Board:
    """Content of a storyboard, for HTML or PDF."""

    title: tuple[str, ...]
    byline: str
    panels: tuple[Panel, ...]
    seed: int
    model: str
    credits: tuple[str, ...]

    @property
    def eighths(self) -> int:
        """Length of all scenes, in eighths of a page."""
        return sum(panel.scene.eighths for panel in self.panels)

    @property
    def made_by(self) -> str:
        """Model and seed; together with the script they reproduce the storyboard."""
        return f"drawn by rushes {self.model}, seed {self.seed}"

    @property
    def about(self) -> str:
        """Line below the title."""
        count = len(self.panels)
        return f"{count} scene{'' if count == 1 else 's'}, {pages(self.eighths)} pages; {self.made_by}"

    @property
    def credit_line(self) -> str:
        """Credits in one line; empty if there are none."""
        return credit_line(self.credits)


@dataclass(frozen=True)
class Entry:
    """Line of the contents: a chapter with its scenes, including those of its subchapters."""

    chapter: Chapter
    scenes: tuple[SceneBreakdown, ...]

    @property
    def about(self) -> str:
        """Numbers of the first and last scene, and the length in pages."""
        first, last = self.scenes[0].number, self.scenes[-1].number
        which = f"scene {first}" if len(self.scenes) == 1 else f"scenes {first} to {last}"
        return f"{which}, {pages(sum(scene.eighths for scene in self.scenes))} pages"


def contents(board: Board) -> list[Entry]:
    """Chapters of a board in order; none if the script has no sections."""
    scenes = [panel.scene for panel in board.panels]
    return [
        Entry(chapter, _inside(chapter, scenes[place:]))
        for place, scene in enumerate(scenes)
        for chapter in scene.chapters
    ]


def _inside(chapter: Chapter, scenes: list[SceneBreakdown]) -> tuple[SceneBreakdown, ...]:
    """Scenes of a chapter that begins with the first scene, up to the next chapter of the same or a higher level."""
    first, *others = scenes
    after = takewhile(lambda scene: all(other.level > chapter.level for other in scene.chapters), others)
    return (first, *after)


def draw_board(
    script: Breakdown,
    generator: SceneGenerator,
    *,
    pictures: int,
    seed: int,
    redraw: Mapping[str, int],
    model: str,
    credits: Sequence[str],  # noqa: A002  # the builtin is the interpreter's
) -> Board:
    """Generates pictures for every scene of a script.

    The pictures of a scene depend on the seed and on its place: a place has the same appearance whenever the script
    returns to it, and adding or removing a scene changes no other scene.

    Args:
        script: The script.
        generator: Generator of the pictures.
        pictures: Number of pictures per scene.
        seed: Seed of all scenes except those in `redraw`.
        redraw: Seeds of single scenes, by their numbers.
        model: Name of the model.
        credits: Credits, one line each.
    """
    seeds = {number.upper(): other for number, other in redraw.items()}
    panels = []
    for scene in tqdm(script.scenes, unit=" scenes", leave=False, disable=None if len(script.scenes) > MANY else True):
        wanted = seeds.get(scene.number.upper(), seed)
        drawn_nhwc = generator.generate(scene.heading, pictures, place_seed(wanted, scene.heading))
        panels.append(Panel(scene, drawn_nhwc, wanted))
    return Board(script.title, script.byline, tuple(panels), seed, model, tuple(credits))


def place_seed(seed: int, heading: str) -> int:
    """Seed of a place, derived from the requested seed and the place of the heading, but not from its time of day."""
    return int.from_bytes(hashlib.sha256(f"{seed}\n{place_of(heading)}".encode()).digest()[:8], "big")


def parse_redraw(words: Sequence[str]) -> dict[str, int]:
    """Parses arguments such as `12A=9`, a scene number and its seed.

    Raises:
        MisuseError: An argument does not have this form.
    """
    seeds = {}
    for word in words:
        number, _, other = word.rpartition("=")
        if not number.strip() or not (other.isascii() and other.isdigit()):
            message = f"--redraw {word}: write SCENE=SEED, such as 12=9"
            raise MisuseError(message)
        seeds[number.strip().strip("#")] = int(other)
    return seeds


def check_redraw(script: Breakdown, redraw: Mapping[str, int]) -> None:
    """Checks before generation that the script has these scenes.

    Raises:
        MisuseError: The script does not have a scene with a number in `redraw`.
    """
    known = {scene.number.upper(): scene.number for scene in script.scenes}
    for number in redraw:
        if number.upper() not in known:
            listed = ", ".join(list(known.values())[:40]) + (", ..." if len(known) > 40 else "")  # noqa: PLR2004  # numbers that fit in the message
            message = f"--redraw {number}: the script has no scene of this number; it has {listed}"
            raise MisuseError(message)
