"""Address of the page: this machine alone unless another one is named, and then with a token."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from rushes.errors import MisuseError, plain

PORT = 8765
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class WebAddress:
    """Address to listen on.

    Attributes:
        host: Name or IP address, without brackets.
        port: Port; 0 takes a free one.
    """

    host: str = LOOPBACK
    port: int = PORT

    @property
    def is_local(self) -> bool:
        """True if only this machine can connect."""
        address = ip_of(self.host)
        return self.host == "localhost" or (address is not None and address.is_loopback)


def parse_web_address(text: str) -> WebAddress:
    """Parses `PORT`, `HOST:PORT`, `[IPV6]:PORT` or `HOST`.

    Raises:
        MisuseError: It is none of these; the message has valid examples.
    """
    written = f"{LOOPBACK}:{text}" if text.isdecimal() else text
    try:
        parts = urlsplit(f"//{written}")
        host, port = parts.hostname, parts.port
    except ValueError:  # a port that is not a number up to 65535, or a bracket that is not closed
        parts, host, port = None, None, None
    # Only a host and a port: no user, path or query, and no IPv6 address without brackets.
    if (
        not host
        or parts is None
        or parts.netloc != written
        or parts.username is not None
        or (":" in host) != ("[" in text)
    ):
        message = f"--web {plain(text)} is not an address: give a port (--web {PORT}), or --web 0.0.0.0:{PORT}"
        raise MisuseError(message)
    return WebAddress(host, PORT if port is None else port)


def ip_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that a text is; None if it is a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
