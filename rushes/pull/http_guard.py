"""HTTP from an untrusted server: every read is timed and every byte counted, at the socket.

`requests` has a time-out for the pause between two bytes, but none for the whole response. A server that sends one byte
a second keeps it busy for ever, in the headers as well as in the body. This module wraps the socket used by `requests`.
Reading stops if the server sends nothing, is slower than a minimum rate, or if the total time is over. Bodies are read
in chunks and counted after decompression, so a gzip bomb stops at the limit too.
"""

from __future__ import annotations

import functools
import io
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from rushes.errors import TransientError, UserError

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from _typeshed import WriteableBuffer

CHUNK_BYTES = 1 << 16
GZIP_OR_ZLIB = zlib.MAX_WBITS | 32  # zlib detects the format from the first bytes
HEADER_BYTES = 1 << 20  # of one response, with all its interim responses
RAW_PER_BYTE = 8  # received bytes for each byte of a body: chunks of one byte take six
_PACKED = {"gzip", "x-gzip", "deflate"}


@dataclass(frozen=True)
class Limits:
    """Limits of time and size for a server.

    Attributes:
        connect_s: Maximum seconds to connect.
        silence_s: Maximum seconds between two bytes.
        window_s: Seconds over which the rate is measured.
        min_bytes_per_s: Minimum rate, averaged over the window.
        download_s: Maximum seconds for all requests of one command, including pauses and retries.
        answer_bytes: Maximum bytes of one JSON response, decompressed.
        attempts: Maximum number of attempts of one request.
    """

    connect_s: float = 5.0
    silence_s: float = 15.0
    window_s: float = 30.0
    min_bytes_per_s: float = 256.0
    download_s: float = 3600.0
    answer_bytes: int = 4 << 20
    attempts: int = 5


LIMITS = Limits()


class TooLargeError(UserError):
    """Response that is larger than allowed."""


class TooSlowError(TimeoutError):
    """The server sends less than the minimum rate."""


class Meter:
    """Meter of the time of all downloads of one command and the rate of the current request."""

    def __init__(self, limits: Limits, where: str) -> None:
        self.limits, self.where = limits, where
        self._ends_at = time.monotonic() + limits.download_s
        self._since, self._got_bytes = time.monotonic(), 0
        self._allowed_bytes = HEADER_BYTES

    def start(self) -> None:
        """Starts a request.

        Raises:
            TransientError: The time for all downloads is over.
        """
        self._check_deadline()
        self._since, self._got_bytes = time.monotonic(), 0
        self._allowed_bytes = HEADER_BYTES

    def allow_body(self, max_bytes: int) -> None:
        """Allows a body of so many bytes after the headers, with the overhead of its chunks."""
        self._allowed_bytes = HEADER_BYTES + RAW_PER_BYTE * max_bytes

    def left_s(self) -> float:
        """Seconds left for all downloads."""
        return self._ends_at - time.monotonic()

    def read_into(self, sock: socket.socket, file: io.RawIOBase, buffer: WriteableBuffer) -> int:
        """Reads from a socket once, through its file; waits no longer than the limits allow.

        Raises:
            TimeoutError: The server sends nothing, or is too slow.
            TransientError: The time for all downloads is over.
            TooLargeError: The headers, or what surrounds the body, have no end.
        """
        self._check_deadline()
        self._check_rate()
        sock.settimeout(max(0.001, min(self.limits.silence_s, self.left_s())))
        try:
            count = file.readinto(buffer) or 0
        except TimeoutError:
            self._check_deadline()
            raise
        self._got_bytes += count
        self._allowed_bytes -= count
        if self._allowed_bytes < 0:
            what = f"{self.where}: a response's headers, or what surrounds its body,"
            raise _too_large(what, HEADER_BYTES)
        return count

    def _check_deadline(self) -> None:
        if self.left_s() <= 0:
            message = (
                f"{self.where} took longer than {self.limits.download_s:g} s, and the download was stopped. "
                "Run it again to resume; or pull from a folder, such as a stick"
            )
            raise TransientError(message)

    def _check_rate(self) -> None:
        taken_s = time.monotonic() - self._since
        if taken_s < self.limits.window_s:
            return
        if self._got_bytes < self.limits.min_bytes_per_s * taken_s:
            message = f"{self._got_bytes} bytes in {taken_s:.0f} s"
            raise TooSlowError(message)
        self._since, self._got_bytes = time.monotonic(), 0


class _Reader(io.RawIOBase):
    """Metered read side of a socket."""

    def __init__(self, sock: socket.socket, meter: Meter) -> None:
        # The socket's file keeps it open if http.client closes the socket before the response is read.
        self._sock, self._file, self._meter = sock, sock.makefile("rb", buffering=0), meter

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._meter.read_into(self._sock, self._file, buffer)

    def readall(self) -> bytes:
        """Refuses to read without a limit, which http.client does for a chunk of the size -1."""
        message = "a chunk of negative size"
        raise OSError(message)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Metered:
    """Socket with metered reads; all other attributes are those of the socket."""

    def __init__(self, sock: Any, meter: Meter) -> None:  # noqa: ANN401  # a socket, or one wrapped by TLS
        self._sock, self._meter = sock, meter

    def makefile(self, *_args: object, **_options: object) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._meter))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # a socket's own
        return getattr(self._sock, name)


class _HttpConnection(HTTPConnection):
    def __init__(self, *args: Any, meter: Meter, **options: Any) -> None:  # noqa: ANN401  # urllib3's
        super().__init__(*args, **options)
        self._meter = meter

    def connect(self) -> None:
        super().connect()
        self.sock = _Metered(self.sock, self._meter)


class _HttpsConnection(_HttpConnection, HTTPSConnection):
    pass


class MeteredAdapter(HTTPAdapter):
    """Transport adapter of a session with metered reads."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  # requests' own
        """Creates the connection pools for requests."""
        super().init_poolmanager(*args, **options)
        self._put_on_the_meter(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401  # requests' own
        """Creates the connection pools for a proxy."""
        manager = super().proxy_manager_for(*args, **options)
        self._put_on_the_meter(manager)
        return manager

    def _put_on_the_meter(self, manager: Any) -> None:  # noqa: ANN401  # a pool manager, or one for SOCKS
        http = functools.partial(_HttpConnection, meter=self._meter)
        https = functools.partial(_HttpsConnection, meter=self._meter)
        manager.pool_classes_by_scheme = {
            "http": type("_HttpPool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": staticmethod(http)}),
            "https": type("_HttpsPool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": staticmethod(https)}),
        }


def metered_session(meter: Meter) -> requests.Session:
    """Creates a session that requests uncompressed responses and meters its reads."""
    session = requests.Session()
    session.headers["Accept-Encoding"] = "identity"
    # The caller follows redirects. requests would also parse them, and raise ValueError for a malformed one.
    session.resolve_redirects = lambda *_, **__: iter(())  # type: ignore[method-assign]
    for scheme in ("http://", "https://"):
        session.mount(scheme, MeteredAdapter(meter))
    return session


def body(answer: requests.Response, max_bytes: int, what: str) -> Iterator[bytes]:
    """Yields the body of a response in chunks, decompressed and counted.

    Args:
        answer: A response requested with `stream`.
        max_bytes: Maximum size after decompression.
        what: Name for messages, such as `http://host: manifest.json`.

    Raises:
        TooLargeError: The body is larger, or Content-Length declares more.
        UserError: The Content-Encoding is unknown.
        TransientError: The time for all downloads is over.
        requests.RequestException: The connection broke off, timed out or was too slow.
    """
    promised_bytes = answer.raw.length_remaining  # from Content-Length, if that is a number
    if promised_bytes is not None and promised_bytes > max_bytes:
        raise _too_large(what, max_bytes)
    got_bytes = 0
    for chunk in _unpacked(answer, what):
        got_bytes += len(chunk)
        if got_bytes > max_bytes:
            raise _too_large(what, max_bytes)
        yield chunk


def _too_large(what: str, max_bytes: int) -> TooLargeError:
    return TooLargeError(f"{what} is larger than {max_bytes:,} bytes, and was stopped: is that the MLflow server?")


def _unpacked(answer: requests.Response, what: str) -> Iterator[bytes]:
    packing = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if packing in {"", "identity"}:
        yield from _wire(answer)
    elif packing in _PACKED:
        yield from _inflated(_wire(answer))
    else:
        message = f"{what} has the unrequested Content-Encoding {packing[:20]!r}: check the proxy before the server"
        raise UserError(message)


def _inflated(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Decompresses chunks into pieces of at most one chunk each, at any compression ratio."""
    unpacker = zlib.decompressobj(GZIP_OR_ZLIB)
    try:
        for packed in chunks:
            rest = packed
            while rest and not unpacker.eof:
                yield unpacker.decompress(rest, CHUNK_BYTES)
                rest = unpacker.unconsumed_tail
    except zlib.error as error:
        raise requests.exceptions.ContentDecodingError(error) from error
    if not unpacker.eof:
        message = "the packed answer ends in the middle"
        raise requests.exceptions.ChunkedEncodingError(message)


def _wire(answer: requests.Response) -> Iterator[bytes]:
    """Yields the received bytes, with urllib3's errors converted to those of requests."""
    try:
        while chunk := answer.raw.read(CHUNK_BYTES, decode_content=False):
            yield chunk
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.ReadTimeout(error) from error
    except urllib3.exceptions.SSLError as error:
        raise requests.exceptions.SSLError(error) from error
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:  # the last for a chunk of the size -5
        raise requests.exceptions.ChunkedEncodingError(error) from error
