import errno
import socket

import pytest

from rushes.drive import udp
from rushes.drive.address import parse_address
from rushes.drive.udp import UdpSender
from tests.support.face_streams import Receiver


@pytest.fixture
def free_port():
    """A port that nobody listens on."""
    receiver = Receiver()
    receiver.socket.close()
    return receiver.port


def test_an_absent_receiver_is_counted_and_logged_once(free_port):
    """No packet blocks or fails; the end logs how many were lost."""
    log = []
    sender = UdpSender(parse_address(f"vmc://127.0.0.1:{free_port}"), log.append)
    for _ in range(10):
        sender.send(b"x")

    assert (sender.sent, sender.lost) == (1, 9)  # the fate of the last one is not known yet
    assert log == [f"vmc://127.0.0.1:{free_port}: no program listens there yet; packets are still sent"]

    sender.close()

    assert log[1:] == [f"vmc://127.0.0.1:{free_port}: 9 of 10 packets did not arrive"]


def test_a_receiver_that_starts_late_gets_the_first_packet_after(free_port):
    """The report about the packet before takes no packet's place."""
    sender = UdpSender(parse_address(f"vmc://127.0.0.1:{free_port}"), print)
    sender.send(b"early")
    receiver = Receiver(port=free_port)
    sender.send(b"first")
    sender.send(b"second")

    assert receiver.waiting() == [b"first", b"second"]
    assert (sender.sent, sender.lost) == (2, 1)


def test_ipv6():
    """An address in brackets."""
    try:
        receiver = Receiver(socket.AF_INET6)
    except OSError:
        pytest.skip("needs IPv6 on the loopback: sysctl net.ipv6.conf.lo.disable_ipv6=0")
    sender = UdpSender(parse_address(f"vmc://[::1]:{receiver.port}"), print)
    sender.send(b"six")

    assert receiver.packets(1) == [b"six"]


def test_localhost_means_ipv4_where_there_is_both(monkeypatch):
    """Programs that draw characters listen on 127.0.0.1; the name is resolved once."""
    calls = []

    def both(host, port, **_):
        calls.append(host)
        return [
            (socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", port)),
        ]

    receiver = Receiver()
    monkeypatch.setattr(udp.socket, "getaddrinfo", both)
    sender = UdpSender(parse_address(f"vmc://localhost:{receiver.port}"), print)
    for _ in range(3):
        sender.send(b"four")

    assert receiver.packets(3) == [b"four"] * 3
    assert calls == ["localhost"]


class Failing:
    """A socket whose calls fail with the given errors in turn; None lets one through."""

    blocking = True

    def __init__(self, *errors, on="send"):
        self.errors, self.on, self.arrived = list(errors), on, []

    def __call__(self, *_):
        """Takes the place of the class socket."""
        return self

    def setblocking(self, blocking):
        """Notes it."""
        self.blocking = blocking

    def connect(self, _):
        """Connects, or fails as planted."""
        self._fail("connect")

    def send(self, packet):
        """Sends, or fails as planted."""
        self._fail("send")
        self.arrived.append(packet)

    def _fail(self, call):
        if call == self.on and self.errors and (number := self.errors.pop(0)):
            raise OSError(number, "planted")  # Python makes it the subclass of the number

    def close(self):
        """Nothing is open."""


@pytest.mark.parametrize(
    ("failing", "arrived", "words"),
    [
        (Failing(errno.EAGAIN), b"bc", "takes no more packets for the moment"),
        (Failing(errno.ENOBUFS), b"bc", "cannot be reached (planted)"),
        (Failing(errno.ENETUNREACH), b"bc", "cannot be reached"),
        (Failing(errno.EHOSTUNREACH, None, errno.EPERM), b"b", "cannot be reached"),
        (Failing(None, errno.ECONNRESET), b"abc", "no program listens there yet"),  # Windows
        (Failing(None, errno.ECONNREFUSED, errno.ECONNREFUSED), b"ac", "no program listens there yet"),
        (Failing(errno.ENETUNREACH, on="connect"), b"bc", "cannot be reached"),  # no network at the start
    ],
)
def test_faults_of_the_network_pass(monkeypatch, failing, arrived, words):
    """Each is counted, the first is logged, and the packets after it go out."""
    log = []
    monkeypatch.setattr(udp.socket, "socket", failing)
    sender = UdpSender(parse_address("vmc://127.0.0.1"), log.append)
    for packet in (b"a", b"b", b"c"):
        sender.send(packet)
    lost = sender.lost
    sender.close()

    assert b"".join(failing.arrived) == arrived
    assert not failing.blocking
    assert lost >= 1
    assert words in log[0]
    assert len(log) == 2


def test_another_network_gets_another_socket(monkeypatch):
    """A connected one keeps the address of this machine, and fails for ever once the network has given another."""
    before, after = Failing(*[errno.ENETUNREACH] * 9), Failing()
    sockets = iter([before, after])
    monkeypatch.setattr(udp.socket, "socket", lambda *_: next(sockets))
    sender = UdpSender(parse_address("vmc://127.0.0.1"), print)
    for packet in (b"a", b"b", b"c"):
        sender.send(packet)

    assert (before.arrived, after.arrived) == ([], [b"b", b"c"])
    assert (sender.sent, sender.lost) == (2, 1)
