"""A storyboard: the scenes of a script, each with the pictures that its heading gives."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from tqdm import tqdm

from rushes.errors import MisuseError
from rushes.scene import credit_line
from rushes.screenplay import pages
from rushes.text import place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from rushes.scene import SceneDrawer
    from rushes.screenplay import Chapter, Scene, Script

MANY = 24  # scenes, from which on a bar is worth its line


@dataclass(frozen=True)
class Card:
    """A scene with its pictures, uint8 N,S,S,3 RGB. `seed` is the one it was asked for with."""

    scene: Scene
    pictures_nhwc: np.ndarray
    seed: int


@dataclass(frozen=True)
class Board:
    """All that is printed; a page is made of it, as HTML or as PDF."""

    title: tuple[str, ...]
    byline: str
    cards: tuple[Card, ...]
    seed: int
    model: str
    credits: tuple[str, ...]

    @property
    def eighths(self) -> int:
        """The length of all scenes."""
        return sum(card.scene.eighths for card in self.cards)

    @property
    def made_by(self) -> str:
        """What drew it: with the script, all that is wanted to draw it again."""
        return f"drawn by rushes {self.model}, seed {self.seed}"

    @property
    def about(self) -> str:
        """The line under the title."""
        count = len(self.cards)
        return f"{count} scene{'' if count == 1 else 's'}, {pages(self.eighths)} pages; {self.made_by}"

    @property
    def credit_line(self) -> str:
        """Who must be named wherever a picture is shown; empty where nobody must."""
        return credit_line(self.credits)


@dataclass(frozen=True)
class Entry:
    """A line of the contents: a chapter, and its scenes with those of the chapters inside it."""

    chapter: Chapter
    scenes: tuple[Scene, ...]

    @property
    def about(self) -> str:
        """Which scenes, and how long they are."""
        first, last = self.scenes[0].number, self.scenes[-1].number
        which = f"scene {first}" if len(self.scenes) == 1 else f"scenes {first} to {last}"
        return f"{which}, {pages(sum(scene.eighths for scene in self.scenes))} pages"


def contents(board: Board) -> list[Entry]:
    """The chapters of a board as they come; none where the script has no sections."""
    scenes = [card.scene for card in board.cards]
    return [
        Entry(chapter, _inside(chapter, scenes[place:]))
        for place, scene in enumerate(scenes)
        for chapter in scene.chapters
    ]


def _inside(chapter: Chapter, scenes: list[Scene]) -> tuple[Scene, ...]:
    """Those of a chapter that begins with the first scene: up to where another of its level or above begins."""
    first, *others = scenes
    after = takewhile(lambda scene: all(other.level > chapter.level for other in scene.chapters), others)
    return (first, *after)


def draw_board(
    script: Script,
    drawer: SceneDrawer,
    *,
    pictures: int,
    seed: int,
    redraw: Mapping[str, int],
    model: str,
    credits: Sequence[str],  # noqa: A002  # the builtin is the interpreter's
) -> Board:
    """Draws every scene of a script.

    A scene's pictures hang on the seed and on where it plays: a place looks alike whenever the script comes back to
    it, and a scene that is put in or left out changes no other one.

    Args:
        script: What is drawn.
        drawer: What draws.
        pictures: How many a scene.
        seed: Of all scenes but those in `redraw`.
        redraw: The seeds of scenes that shall look otherwise, by their numbers.
        model: What people call the model.
        credits: Who must be named.
    """
    seeds = {number.upper(): other for number, other in redraw.items()}
    cards = []
    for scene in tqdm(script.scenes, unit=" scenes", leave=False, disable=None if len(script.scenes) > MANY else True):
        wanted = seeds.get(scene.number.upper(), seed)
        drawn_nhwc = drawer.draw(scene.heading, pictures, place_seed(wanted, scene.heading))
        cards.append(Card(scene, drawn_nhwc, wanted))
    return Board(script.title, script.byline, tuple(cards), seed, model, tuple(credits))


def place_seed(seed: int, heading: str) -> int:
    """The seed of a place: of the seed asked for and where the heading plays, whatever the time of day."""
    return int.from_bytes(hashlib.sha256(f"{seed}\n{place(heading)}".encode()).digest()[:8], "big")


def parse_redraw(words: Sequence[str]) -> dict[str, int]:
    """`12A=9` as the scene's number and its seed.

    Raises:
        MisuseError: It is written otherwise.
    """
    seeds = {}
    for word in words:
        number, _, other = word.rpartition("=")
        if not number.strip() or not (other.isascii() and other.isdigit()):
            message = f"--redraw {word}: write SCENE=SEED, such as 12=9"
            raise MisuseError(message)
        seeds[number.strip().strip("#")] = int(other)
    return seeds


def check_redraw(script: Script, redraw: Mapping[str, int]) -> None:
    """Finds out before anything is drawn whether the script has these scenes.

    Raises:
        MisuseError: It has no scene with a number in `redraw`.
    """
    known = {scene.number.upper(): scene.number for scene in script.scenes}
    for number in redraw:
        if number.upper() not in known:
            listed = ", ".join(list(known.values())[:40]) + (", ..." if len(known) > 40 else "")  # noqa: PLR2004  # a line holds so many
            message = f"--redraw {number}: the script has no scene of this number; it has {listed}"
            raise MisuseError(message)
