"""UDP sender that never blocks and never fails: what does not arrive is counted and logged once."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from rushes.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rushes.drive.address import Address

Found = tuple[socket.AddressFamily, "tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]"]


class UdpSender:
    """Non-blocking socket, connected to a receiver whose name is resolved once.

    A connected socket reports an absent receiver (ICMP port unreachable) at the next send. That report takes the place
    of the send, which is therefore repeated once, so that a receiver that starts late gets its first packet at once.
    After any other failure the next packet gets a socket of its own: one that is connected keeps the address of this
    machine, which changes with the network.

    Args:
        address: The receiver.
        log: Called with one line at the first packet that does not arrive, and at the end if there are any.
    """

    def __init__(self, address: Address, log: Callable[[str], None]) -> None:
        self._address, self._log = address, log
        self._family, self._place = _resolved(address)
        self._socket: socket.socket | None = None
        self.sent = self.lost = 0

    def send(self, packet: bytes) -> None:
        """Sends a packet if it can be sent at once."""
        try:
            self._send(packet)
            self.sent += 1
        except OSError as error:
            self._count(error)
            self._disconnect()

    def _send(self, packet: bytes) -> None:
        if self._socket is None:
            self._socket = self._connected()
        try:
            self._socket.send(packet)
        except (ConnectionRefusedError, ConnectionResetError) as error:  # about the packet before; Windows: reset
            self.sent -= 1
            self._count(error)
            self._socket.send(packet)

    def _count(self, error: OSError) -> None:
        self.lost += 1
        if self.lost == 1:
            self._log(f"{self._address.text}: {_why(error)}; packets are still sent")

    def _connected(self) -> socket.socket:
        connected = socket.socket(self._family, socket.SOCK_DGRAM)
        try:
            connected.setblocking(False)
            connected.connect(self._place)  # without a network it fails now and is tried again at the next packet
        except OSError:
            connected.close()
            raise
        return connected

    def _disconnect(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
        self._socket = None

    def close(self) -> None:
        """Closes the socket and logs how many packets did not arrive."""
        self._disconnect()
        if self.lost:
            self._log(f"{self._address.text}: {self.lost} of {self.lost + self.sent} packets did not arrive")
        self.sent = self.lost = 0


def _resolved(address: Address) -> Found:
    """Family and place of the receiver. IPv4 first: programs that draw characters listen there for `localhost`."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not a valid name"
        message = (
            f"{address.text}: the host {address.host} is not known ({reason}): check the name, or give its IP address"
        )
        raise UserError(message) from error
    family, _, _, _, place = min(found, key=lambda one: one[0] != socket.AF_INET)
    return family, place


def _why(error: OSError) -> str:
    if isinstance(error, BlockingIOError):
        return "the network takes no more packets for the moment"
    if isinstance(error, (ConnectionRefusedError, ConnectionResetError)):
        return "no program listens there yet"
    return f"cannot be reached ({error.strerror})"
