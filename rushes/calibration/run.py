"""Runs sessions on a camera or clip: prompts on the terminal, and on a page if there is one."""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Self

from tqdm import tqdm

from rushes.calibration.session import Look
from rushes.capture.video_source import open_source
from rushes.errors import NothingFitsError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rushes.calibration.calibration import Calibration, Tracker
    from rushes.calibration.page import CalibrationPage
    from rushes.calibration.session import Session
    from rushes.capture.frames import FrameSource

LEAD_S = 3.0  # between the first sight of a face and the neutral face, where the page has a countdown
PATIENCE_S = 60.0  # of a camera that sees nobody, if no page shows what is missing
BLINK_S = 0.5  # shorter pauses are not shown
MISSING = {
    "viewer": "somebody who opens {url}",
    "picture": "a picture of {name}",
    "face": "a face before {name}",
}


def calibrate(
    source: str,
    tracker: Tracker,
    new_session: Callable[[float], Session],
    finish: Callable[[Session], Calibration],
    log: Callable[[str], None],
    open_page: Callable[[FrameSource], CalibrationPage] | None = None,
) -> None:
    """Runs a session on a camera or clip; with a page, as many as its viewer asks for.

    Args:
        source: A camera or clip.
        tracker: The tracker.
        new_session: Makes a session with so many seconds before its neutral face.
        finish: Measures and stores what a session has found.
        log: Called with lines for the user.
        open_page: Opens a page for the source.

    Raises:
        NothingFitsError: The face was not seen long enough.
        UserError: The source cannot be opened or read, or the performer does not look at the camera.
    """
    stored = False
    with ExitStack() as stack:
        pictures = stack.enter_context(closing(open_source(source, log)))
        page = None if open_page is None else stack.enter_context(open_page(pictures))
        looks = _look(pictures, tracker, page)
        while True:
            session = new_session(0.0 if page is None else LEAD_S)
            _run(looks, session, pictures, page)
            outcome = _outcome(session, finish)
            stored |= not isinstance(outcome, UserError)
            if page is not None and page.asks_again(looks, session, outcome):
                continue
            if isinstance(outcome, UserError) and not stored:
                raise outcome
            return


def _outcome(session: Session, finish: Callable[[Session], Calibration]) -> Calibration | UserError:
    try:
        return finish(session)
    except UserError as error:
        return error


def _look(pictures: FrameSource, tracker: Tracker, page: CalibrationPage | None) -> Iterator[Look]:
    last_s: float | None = None
    for frame in pictures.frames():
        picture_bgr, time_s = frame.picture_bgr, frame.time_s
        faces = tracker.wait(time_s) if picture_bgr is None else tracker.track(picture_bgr, time_s)
        if page is not None:
            page.put(frame, faces)
        face = next((face for face in faces if face.actor == 0 and face.state == "tracked"), None)
        yield Look(face, picture_bgr is not None, time_s, 0.0 if last_s is None else time_s - last_s)
        last_s = time_s


def _run(looks: Iterator[Look], session: Session, pictures: FrameSource, page: CalibrationPage | None) -> None:
    """Takes the faces until the session ends or the clip does. A camera's time stops while something is missing."""
    with _Terminal(session) as terminal:
        since_s: float | None = None
        for look in looks:
            missing = _missing(look, page)
            if not missing:
                since_s = None
            elif since_s is None:
                since_s = look.time_s
            waits = bool(missing) and (pictures.live or not session.begun)
            if not waits:
                session.add(look.face, look.step_s)
            paused_s = 0.0 if since_s is None else look.time_s - since_s
            shown = missing if waits and (not session.begun or paused_s > BLINK_S) else []
            if page is not None:
                page.prompt(session, shown)
            elif pictures.live and paused_s > PATIENCE_S:
                message = f"{pictures.name} sees no face: sit before the camera, with light from the front"
                raise NothingFitsError(message)
            words = [MISSING[thing].format(name=pictures.name, url=page and page.url) for thing in shown]
            terminal.show(words if pictures.live else [])
            if session.ended:
                return


def _missing(look: Look, page: CalibrationPage | None) -> list[str]:
    viewer = [] if page is None or page.viewed else ["viewer"]
    return viewer + ([] if look.face is not None else ["face" if look.has_picture else "picture"])


class _Terminal:
    """Bar of a session, with each prompt once, and again after a pause."""

    def __init__(self, session: Session) -> None:
        self._session, self._shown = session, ""

    def __enter__(self) -> Self:
        total_s = sum(length_s for _, length_s in self._session.plan)
        self._bar = tqdm(total=total_s, bar_format="{bar} {n:.0f} of {total:.0f} s", disable=None, file=sys.stderr)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, missing: list[str]) -> None:
        """Writes what is waited for, or the prompt."""
        session = self._session
        waits = f"waiting for {' and '.join(missing)}" if missing else ""
        line = waits or (session.plan[session.now()[0]][0].prompt if session.begun and not session.ended else "")
        if line and line != self._shown:
            self._shown = line
            self._bar.write(line, file=sys.stderr)
        self._bar.update((session.time_s or 0.0) - self._bar.n)
