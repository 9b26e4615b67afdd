"""Page of a calibration: that of a capture, with the prompts, the result, and the choice of another round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from rushes.calibration.calibration import ranges
from rushes.calibration.steps import hardly_read, to_repeat
from rushes.capture.analysis import Analysis
from rushes.capture.web.feed import Feed
from rushes.capture.web.server import WebSink
from rushes.errors import MisuseError, RushesError, UserError
from rushes.tracking.face import UNITS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from rushes.calibration.calibration import Calibration
    from rushes.calibration.session import Look, Session
    from rushes.capture.frames import Frame, FrameSource
    from rushes.capture.web.address import WebAddress
    from rushes.tracking.face import TrackedFace

AWAY_S = 60.0  # without a viewer, after which the result counts as accepted
LAST_S = 5.0  # for a viewer to get the last state
CHOICES = ("again", "done")


class CalibrationPage:
    """The page, and what its viewer chooses.

    Args:
        source: A camera.
        address: Address of the page.
        origin: Family, version and digest of the model.
        edges: Edges of the mesh of landmarks (N, 2).
        performer: Name of the performer.
        log: Called with the URL.

    Raises:
        MisuseError: The source is a clip, before which nobody sits.
        UserError: The address cannot be listened on.
    """

    def __init__(
        self,
        source: FrameSource,
        *,
        address: WebAddress,
        origin: Mapping[str, str | int | None],
        edges: np.ndarray,
        performer: str,
        log: Callable[[str], None],
    ) -> None:
        if not source.live:
            message = f"--web prompts whoever sits before a camera, and {source.name} is not one: leave out --web"
            raise MisuseError(message)
        self._performer, self._stored = performer, False
        self._choice: str | None = None
        self._shown: dict[str, Any] = {}
        self._show("waiting", missing=[])
        self._feed = Feed(source, origin, edges, dialogue=self)
        self._sink = WebSink(self._feed, address)
        self.url = self._sink.url
        self._log = log
        log(f"open the page: {self.url}")

    def __enter__(self) -> Self:
        """Is entered while the server runs."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ends the server once the viewer has got the outcome."""
        message = str(error) if isinstance(error, RushesError) else "" if error is None else "it was stopped"
        self._show("ended", error=message)
        self._feed.finish(LAST_S)
        self._sink.close()

    def state(self) -> dict[str, Any]:
        """See `Dialogue`."""
        return self._shown

    def answer(self, choice: str) -> bool:
        """See `Dialogue`."""
        if choice not in self._shown.get("choices", ()):
            return False
        self._choice = choice
        return True

    @property
    def viewed(self) -> bool:
        """True while somebody has the page open."""
        return self._feed.viewed

    def put(self, frame: Frame, actors: Sequence[TrackedFace]) -> None:
        """Takes a frame and the faces in it."""
        self._feed.put(Analysis(frame, actors=actors))

    def prompt(self, session: Session, missing: Sequence[str]) -> None:
        """Shows the prompt of a session, and what it waits for."""
        number, left_s = session.now()
        plan = [{"name": step.name, "prompt": step.prompt, "length_s": length_s} for step, length_s in session.plan]
        phase = "running" if session.begun else "waiting"
        self._show(phase, missing=list(missing), plan=plan, number=number, left_s=round(left_s, 2))

    def asks_again(self, looks: Iterator[Look], session: Session, outcome: Calibration | UserError) -> bool:
        """Shows the outcome of a session until a viewer chooses; returns True for another round."""
        self._stored |= not isinstance(outcome, UserError)
        self._choice = None
        found = {"error": str(outcome)} if isinstance(outcome, UserError) else _found(session, outcome)
        self._show("result", choices=CHOICES, **found)
        self._log(f"choose on the page, again or done: {self.url}")
        seen_s: float | None = None
        for look in looks:
            seen_s = look.time_s if self.viewed or seen_s is None else seen_s
            if self._choice or look.time_s - seen_s > AWAY_S:
                break
        return self._choice == "again"

    def _show(self, phase: str, **more: object) -> None:
        self._shown = {"performer": self._performer, "phase": phase, "stored": self._stored, **more}


def _found(session: Session, calibration: Calibration) -> dict[str, object]:
    neutral, top = ranges(session.at_rest, session.in_motion)
    both = np.round(np.column_stack([neutral, np.maximum(neutral, top)]), 3).tolist()
    return {
        "ranges": dict(zip(UNITS, both, strict=True)),
        "unmoved": calibration.unmoved(),
        "repeat": [{"prompt": step.prompt, "units": units} for step, units in to_repeat(calibration)],
        "hardly_read": hardly_read(calibration),
    }
