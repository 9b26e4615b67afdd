"""Speaking to a server: again after a pause where the connection fails, and why it failed in words."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import requests

from rushes.errors import RushesError

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSES_S = (0.5, 1.0, 2.0, 4.0)  # between attempts; one attempt more than pauses
T = TypeVar("T")
_BROKEN = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


class BusyError(requests.ConnectionError):
    """The server answered that it cannot answer now."""


def attempts(act: Callable[[], T], where: str, say: Callable[[str], None]) -> T:
    """Does something over the network, again after a pause when the connection fails.

    Raises:
        RushesError: Every attempt failed, or one failed in a way that trying again does not mend.
    """
    for pause_s in (*PAUSES_S, None):
        try:
            return act()
        except requests.exceptions.SSLError as error:
            message = f"{where} has a certificate that is not trusted here: name it in MLFLOW_TRACKING_SERVER_CERT_PATH"
            raise RushesError(message) from error
        except _BROKEN as error:
            if pause_s is None:
                message = f"{where} cannot be reached: {_reason(error)}. Is the server up? On its machine: make up. "
                message += "Or name a folder as --registry, such as a stick that was pulled onto"
                raise RushesError(message) from error
            say(f"{where}: {_reason(error)}; trying again in {pause_s:g} s")
            time.sleep(pause_s)
        except requests.RequestException as error:
            message = f"{where} cannot be asked: {_reason(error)}"
            raise RushesError(message) from error
    raise AssertionError


def _reason(error: BaseException) -> str:
    """Why, in the system's words; the text of requests repeats pools, addresses and Python objects."""
    if isinstance(error, BusyError):
        return str(error)
    if isinstance(error, requests.Timeout):
        return "it does not answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return "no connection" if isinstance(error, requests.ConnectionError) else " ".join(str(error).split())[:200]
