"""Analysers with a name, and frames of a camera, for captures that follow an alias; nothing waits for real time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from rushes.capture.analysis import Analysis
from rushes.capture.frames import Frame
from rushes.expression.classifier import FaceExpression
from rushes.model_updates.choice import choose_model
from rushes.model_updates.follower import Follower
from rushes.model_updates.swapping import SwappingAnalyser
from rushes.store.store import version_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from rushes.bundle.manifest import Bundle
    from tests.support.fake_mlflow import FakeMlflow

FPS = 25.0
HAPPY = FaceExpression((10.0, 10.0, 20.0, 20.0), 0.9, ("angry", "happy"), (0.1, 0.9))


@dataclass
class Clock:
    """Time in seconds that an analyser moves on."""

    now_s: float = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


@dataclass
class Paced:
    """An analyser that takes a given time.

    Attributes:
        clock: The clock that it moves.
        took_s: Time of an analysis.
        face: True if each frame has a face.
        fails: Error that it raises.
        seen: Numbers of the frames that it was given.
    """

    clock: Clock
    took_s: float = 0.01
    face: bool = True
    fails: Exception | None = None
    seen: list[int] = field(default_factory=list)
    edges: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), int))
    note: str = ""

    def analyse(self, frame: Frame) -> Analysis:
        """See `rushes.capture.analysis.Analyser`."""
        self.seen.append(frame.number)
        self.clock.now_s += self.took_s
        if self.fails is not None:
            raise self.fails
        return Analysis(frame, [HAPPY] if self.face else ())


@dataclass
class Following:
    """A capture of `expression@champion` whose versions are analysers of a test.

    Attributes:
        registry: The registry, with version 7 as champion.
        clock: Clock of all analysers.
        analysers: By version.
        lines: Logged lines.
        prepared: Versions that were prepared.
        now_s: Time of day.
        trust: Trusted keys.
        first: Version with which the capture begins.
    """

    registry: FakeMlflow
    clock: Clock = field(default_factory=Clock)
    analysers: dict[int, Paced] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    prepared: list[int] = field(default_factory=list)
    now_s: float = 1.9e9
    trust: Sequence[Path] = ()

    def __post_init__(self) -> None:
        chosen = choose_model(
            "expression", "expression@champion", self.registry.url, trust=self.trust, log=self.lines.append
        )
        self.first = int(version_of(chosen.bundle.folder) or 0)
        self.follower = Follower(
            chosen.followed, chosen.bundle, self.prepare, self.lines.append, fault=chosen.fault, now=lambda: self.now_s
        )
        self.swapping = SwappingAnalyser(self.analyser(self.first), [self.follower], self.lines.append, self.clock)

    def move_to(self, registry: str) -> None:
        """Lets the follower ask another address from now on."""
        self.follower._followed = replace(self.follower._followed, registry=registry)

    def analyser(self, version: int) -> Paced:
        """The analyser of a version."""
        return self.analysers.setdefault(version, Paced(self.clock))

    def prepare(self, bundle: Bundle, _running: Bundle) -> Callable[[object], Paced]:
        """Stands for opening a version."""
        version = int(bundle.folder.name.partition("-")[0].removeprefix("v"))
        self.prepared.append(version)
        return lambda _: self.analyser(version)

    def promote(self, version: int) -> None:
        """Moves the alias, and lets the follower look once."""
        self.registry.aliases["champion"] = version
        self.follower.poll()

    def run(self, frames: Iterator[Frame]) -> list[tuple[int, int]]:
        """Number of each frame that is given out, and version of the model that made it."""
        found = map(self.swapping.analyse, frames)
        return [(analysis.frame.number, analysis.model.origin["version"]) for analysis in found]


def frames(start: int, stop: int, *, live: bool = True) -> Iterator[Frame]:
    """Frames of a camera, or of a film."""
    picture_bgr = np.zeros((48, 64, 3), np.uint8)
    for number in range(start, stop):
        yield Frame(number, number / FPS, picture_bgr, arrived_s=number / FPS if live else None)
