"""Retries for HTTP: repeats a request after a pause when the connection fails, and describes the failure."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import requests

from rushes.errors import TransientError, UserError
from rushes.pull.http_guard import LIMITS, TooSlowError

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSES_S = (0.5, 1.0, 2.0, 4.0)  # between attempts
SILENCES = 2  # maximum of attempts that time out: each takes the whole time-out, and the next mostly does too
T = TypeVar("T")
_BROKEN = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


class ServerBusyError(requests.ConnectionError):
    """Response of a server that it is busy."""


def attempts(act: Callable[[], T], where: str, log: Callable[[str], None], most: int = LIMITS.attempts) -> T:
    """Calls a function that uses the network, and repeats the call after a pause if the connection fails.

    Args:
        act: The function.
        where: Address of the server, for messages.
        log: Called with a line before each pause.
        most: Maximum number of calls.

    Raises:
        TransientError: Every attempt failed, or two timed out.
        UserError: An attempt failed in a way that a retry does not fix.
    """
    silences = 0
    for pause_s in (*PAUSES_S[: most - 1], None):
        try:
            return act()
        except requests.exceptions.SSLError as error:
            message = (
                f"{where} has a TLS certificate that is not trusted here: name it in MLFLOW_TRACKING_SERVER_CERT_PATH"
            )
            raise UserError(message) from error
        except _BROKEN as error:
            silences += isinstance(error, requests.Timeout) and not isinstance(error, requests.ConnectTimeout)
            if pause_s is None or silences == SILENCES:
                message = f"{where} cannot be reached: {_reason(error)}. Is the server up? On its machine: make up. "
                message += "Or name a folder as --registry, such as a stick"
                raise TransientError(message) from error
            log(f"{where}: {_reason(error)}; retrying in {pause_s:g} s")
            time.sleep(pause_s)
        except requests.RequestException as error:
            message = f"{where} cannot be used: {_reason(error)}"
            raise UserError(message) from error
    raise AssertionError


def _slow(error: BaseException) -> str:
    """Message for a server that is too slow; empty if it sent nothing."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TooSlowError):
            return f"it is too slow, {cause}"
        cause = cause.__cause__ or cause.__context__
    return ""


def _reason(error: BaseException) -> str:
    """Cause of a failure as the system reports it; the text of requests repeats pools, addresses and Python objects."""
    if isinstance(error, ServerBusyError):
        return str(error)
    if isinstance(error, requests.Timeout):
        return _slow(error) or "it does not respond in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return "no connection" if isinstance(error, requests.ConnectionError) else " ".join(str(error).split())[:200]
