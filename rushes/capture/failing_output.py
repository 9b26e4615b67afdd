"""Keeps the capture of a camera going when an output fails: a full disk must not freeze a character."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

from rushes.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from rushes.capture.analysis import Analysis


class Sink(Protocol):
    """An output for frames, such as a film or a window."""

    def put(self, analysis: Analysis, drawn_bgr: np.ndarray | None) -> bool:
        """Outputs a frame; returns False to stop the loop."""
        ...


class FailingOutput:
    """An output that gets no more frames after it has failed; the others go on.

    Args:
        sink: The output.
        close: Closes it; a second call does nothing.
        log: Called with a line when it fails, and with the number of frames that it lacks at the end.
    """

    def __init__(self, sink: Sink, close: Callable[[], None], log: Callable[[str], None]) -> None:
        self._sink, self._close, self._log = sink, close, log
        self._error: UserError | None = None
        self._lost = 0

    def put(self, analysis: Analysis, drawn_bgr: np.ndarray | None) -> bool:
        """Outputs a frame, or counts it."""
        if self._error is None:
            try:
                return self._sink.put(analysis, drawn_bgr)
            except UserError as error:
                self._error = error
            self._log(f"{self._error}. Capture goes on without this output")
            with contextlib.suppress(OSError, UserError):  # the same again: what was buffered cannot be written either
                self._close()
        self._lost += analysis.frame.picture_bgr is not None
        return True

    def close(self) -> None:
        """Closes the output.

        Raises:
            UserError: It has failed: the command ends with this error.
        """
        self._close()
        if self._error is not None:
            message = f"{self._error}. The {self._lost} frames after that are not in it"
            raise UserError(message)
