"""Swaps the model of a capture between two frames, and back if the new one fails or is too slow."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from rushes.capture.analysis import RunningModel
from rushes.model_updates.follower import reason_of
from rushes.model_updates.frame_budget import FrameBudget
from rushes.store.store import model_name, origins_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from rushes.bundle.manifest import Bundle
    from rushes.capture.analysis import Analyser, Analysis
    from rushes.capture.frames import Frame
    from rushes.model_updates.follower import Candidate, Follower
    from rushes.model_updates.frame_budget import Trial


class SwappingAnalyser:
    """Analyser whose models are those of followers. Every frame is analysed: none is left out at a swap.

    A frame on which a new model raises is analysed again by the one before; if that raises too, the capture ends. While
    a model is on trial, those of other followers wait.

    Args:
        analyser: Analyser of the models with which the capture begins.
        followers: Give new versions, one family each.
        log: Called with a line at each swap.
        clock: Time in seconds, for the duration of an analysis.
        fixed: Other models that run, which nothing follows.

    Attributes:
        latest: Latest frame with a picture; a new version is warmed up on it.
        running: Models that run, by family.
    """

    def __init__(
        self,
        analyser: Analyser,
        followers: Sequence[Follower],
        log: Callable[[str], None],
        clock: Callable[[], float] = time.perf_counter,
        fixed: Sequence[Bundle] = (),
    ) -> None:
        self.latest: Frame | None = None
        self._analyser, self._followers, self._log, self._clock = analyser, followers, log, clock
        # What has passed its trial, and can take over again: the analyser, and the version of the follower.
        self._before: tuple[Analyser, Follower, Bundle] | None = None
        self.running = {one.manifest.family: one for one in (*fixed, *(one.running for one in followers))}
        self._budget = FrameBudget()
        self._trial: Trial | None = None

    @property
    def edges(self) -> np.ndarray:
        """See `Analyser`."""
        return self._analyser.edges

    @property
    def note(self) -> str:
        """Notes of the analyser and of the followers."""
        return "; ".join(filter(None, (self._analyser.note, self._notes)))

    @property
    def _notes(self) -> str:
        return "; ".join(filter(None, (follower.note for follower in self._followers)))

    def analyse(self, frame: Frame) -> Analysis:
        """See `Analyser`. The analysis names the models that made it."""
        self._budget.see(frame)
        try:
            for follower in self._followers:
                if self._trial is None or (self._before is not None and self._before[1] is follower):
                    running = follower.running
                    if candidate := follower.take():
                        self._swap(candidate, follower, running, frame)
            begun_s = self._clock()
            analysis = self._named(self._analyser.analyse(frame))
            took_s = self._clock() - begun_s
        except Exception as error:
            if self._before is None:
                raise
            # A frame on which the one before raises too is not the fault of the new one, which is not swapped back.
            analysis = self._before[0].analyse(frame)
            self._swap_back(f"frame {frame.number} failed: {reason_of(error)}")
            return self._named(analysis)
        if frame.picture_bgr is not None:
            self.latest = frame
        if analysis.expressions:
            self._judge(took_s)
        return analysis

    def _named(self, analysis: Analysis) -> Analysis:
        origin = origins_of(self.running["expression"], self.running.get("tracking"))
        return replace(analysis, model=RunningModel(origin, self._notes))

    def _swap(self, candidate: Candidate, follower: Follower, running: Bundle, frame: Frame) -> None:
        if self._trial is None:
            self._before, before_s = (self._analyser, follower, running), self._budget.usual_s
        else:  # the one that runs is on trial itself
            before_s = self._trial.before_s
        self._analyser = candidate.change(self._analyser)
        self.running[candidate.bundle.manifest.family] = candidate.bundle
        self._trial = self._budget.trial(before_s)
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
            (self._analyser, follower, bundle), self._before, self._trial = self._before, None, None
            self.running[bundle.manifest.family] = bundle
            self._budget.forget()
            follower.swap_back(bundle, reason)
