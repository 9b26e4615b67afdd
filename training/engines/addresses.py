"""Addresses of the machines of a cluster."""

from __future__ import annotations

import socket
from contextlib import suppress

CONNECT_S = 5.0


def own_ip(address: str) -> str:
    """IP address of this machine on its way to HOST:PORT; empty if there is none.

    Libraries take that of the host's name, which is another one on a machine with several networks.
    """
    host, _, port = address.rpartition(":")
    with suppress(OSError, ValueError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, int(port)))  # sends nothing
        return str(probe.getsockname()[0])
    return ""


def answers(address: str) -> bool:
    """True if something listens at HOST:PORT."""
    host, _, port = address.rpartition(":")
    with suppress(OSError), socket.create_connection((host, int(port)), CONNECT_S):
        return True
    return False
