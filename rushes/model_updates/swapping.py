"""Swaps the model of a capture between two frames, and back if the new one fails or is too slow."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from rushes.capture.analysis import RunningModel
from rushes.model_updates.follower import reason_of
from rushes.model_updates.frame_budget import FrameBudget
from rushes.store.store import model_name, origin_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from rushes.bundle.manifest import Bundle
    from rushes.capture.analysis import Analyser, Analysis
    from rushes.capture.frames import Frame
    from rushes.model_updates.follower import Candidate, Follower
    from rushes.model_updates.frame_budget import Trial


class SwappingAnalyser:
    """Analyser whose model is that of a follower. Every frame is analysed: none is left out at a swap.

    A frame on which a new model raises is analysed again by the one before.

    Args:
        analyser: Analyser of the model with which the capture begins.
        follower: Gives new versions.
        log: Called with a line at each swap.
        clock: Time in seconds, for the duration of an analysis.
    """

    def __init__(
        self,
        analyser: Analyser,
        follower: Follower,
        log: Callable[[str], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.latest: Frame | None = None  # with a picture; a new version is warmed up on it
        self._analyser, self._follower, self._log, self._clock = analyser, follower, log, clock
        self._before: tuple[Analyser, Bundle] | None = None  # that has passed its trial, and can take over again
        self._origin = origin_of(follower.running)
        self._budget = FrameBudget()
        self._trial: Trial | None = None

    @property
    def edges(self) -> np.ndarray:
        """See `Analyser`."""
        return self._analyser.edges

    @property
    def note(self) -> str:
        """Notes of the analyser and of the follower."""
        return "; ".join(filter(None, (self._analyser.note, self._follower.note)))

    def analyse(self, frame: Frame) -> Analysis:
        """See `Analyser`. The analysis names the model that made it."""
        self._budget.see(frame)
        try:
            running = self._follower.running
            if candidate := self._follower.take():
                self._swap(candidate, running, frame)
            begun_s = self._clock()
            analysis = self._named(self._analyser.analyse(frame))
            took_s = self._clock() - begun_s
        except Exception as error:
            if self._before is None:
                raise
            self._swap_back(f"frame {frame.number} failed: {reason_of(error)}")
            return self._named(self._analyser.analyse(frame))
        if frame.picture_bgr is not None:
            self.latest = frame
        if analysis.expressions:
            self._judge(took_s)
        return analysis

    def _named(self, analysis: Analysis) -> Analysis:
        return replace(analysis, model=RunningModel(self._origin, self._follower.note))

    def _swap(self, candidate: Candidate, running: Bundle, frame: Frame) -> None:
        if self._trial is None:
            self._before, before_s = (self._analyser, running), self._budget.usual_s
        else:  # the one that runs is on trial itself
            before_s = self._trial.before_s
        self._analyser = candidate.change(self._analyser)
        self._origin, self._trial = origin_of(candidate.bundle), self._budget.trial(before_s)
        self._log(f"{model_name(candidate.bundle)} is in use from frame {frame.number} on, after {model_name(running)}")

    def _judge(self, took_s: float) -> None:
        self._budget.add(took_s)
        if self._trial is None:
            return
        self._trial.add(took_s)
        if self._trial.failed:
            self._swap_back(str(self._trial))
        elif self._trial.passed:
            self._trial = None

    def _swap_back(self, reason: str) -> None:
        if self._before is not None:
            (self._analyser, bundle), self._before, self._trial = self._before, None, None
            self._origin = origin_of(bundle)
            self._budget.forget()
            self._follower.swap_back(bundle, reason)
