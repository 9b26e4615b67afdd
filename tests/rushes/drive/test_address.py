import socket

import pytest

from rushes.drive import udp
from rushes.drive.address import Address, parse_address
from rushes.drive.destinations import open_destination
from rushes.drive.livelink import LiveLinkSink
from rushes.drive.names import names_of
from rushes.drive.timecode import RATES, TakeClock
from rushes.drive.vmc import VmcSink
from rushes.errors import MisuseError, UserError


@pytest.mark.parametrize(
    ("text", "host", "port", "actor", "subject"),
    [
        ("vmc://127.0.0.1:39540", "127.0.0.1", 39540, None, "rushes"),
        ("vmc://127.0.0.1", "127.0.0.1", 39539, None, "rushes"),
        ("vmc://127.0.0.1/", "127.0.0.1", 39539, None, "rushes"),
        ("VMC://Cart.local:1", "cart.local", 1, None, "rushes"),
        ("vmc://[::1]:39540", "::1", 39540, None, "rushes"),
        ("vmc://[fe80::1%25eth0]", "fe80::1%eth0", 39539, None, "rushes"),
        ("vmc://localhost?actor=1", "localhost", 39539, 1, "rushes"),
        ("livelink://10.0.0.5", "10.0.0.5", 11111, None, "rushes"),
        ("livelink://10.0.0.5:65535?subject=anna%20b&actor=0", "10.0.0.5", 65535, 0, "anna b"),
    ],
)
def test_valid_addresses(text, host, port, actor, subject):
    """Names, IPv4, IPv6, default ports and options."""
    scheme = text.partition(":")[0].lower()

    assert parse_address(text) == Address(text, scheme, host, port, actor, subject)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "write vmc://HOST:PORT or livelink://HOST:PORT"),
        ("127.0.0.1:39540", "write vmc://HOST:PORT"),
        ("vcm://127.0.0.1", "Did you mean 'vmc'?"),
        ("http://127.0.0.1", "write vmc://HOST:PORT"),
        ("vmc:", "name the host"),
        ("vmc://", "name the host"),
        ("vmc://:39540", "name the host, such as vmc://127.0.0.1:39539"),
        ("vmc://a b:39540", "name the host"),
        ("vmc://a\x1b2J:39540", "name the host"),
        ("vmc://127.0.0.1:0", "a port from 1 to 65535"),
        ("vmc://127.0.0.1:65536", "a port is a number from 1 to 65535"),
        ("vmc://127.0.0.1:-1", "a port is a number"),
        ("vmc://127.0.0.1:abc", "a port is a number"),
        ("vmc://::1:39540", "in brackets"),
        ("vmc://fe80::1", "in brackets"),
        ("vmc://[::1:39540", "in brackets"),
        ("vmc://127.0.0.1:39540/face", "only a port"),
        ("vmc://me@127.0.0.1", "only a port"),
        ("vmc://127.0.0.1#x", "only a port"),
        ("vmc://127.0.0.1?actor", "as ?actor=VALUE"),
        ("vmc://127.0.0.1?actr=1", "Did you mean 'actor'?"),
        ("vmc://127.0.0.1?subject=anna", "'subject' is not an option; there is: actor"),
        ("vmc://127.0.0.1?actor=1&actor=2", "each option once"),
        ("vmc://127.0.0.1?actor=", "actor= is not the number of an actor"),
        ("vmc://127.0.0.1?actor=-1", "is not the number of an actor"),
        ("vmc://127.0.0.1?actor=²", "is not the number of an actor"),
        ("livelink://127.0.0.1?subject=", "1 to 64 ASCII characters"),
        ("livelink://127.0.0.1?subject=%20", "1 to 64 ASCII characters"),
        ("livelink://127.0.0.1?subject=J%C3%BCrgen", "1 to 64 ASCII characters"),
        ("livelink://127.0.0.1?subject=a%00b", "1 to 64 ASCII characters"),
        ("livelink://127.0.0.1?subject=%ff", "as ?actor=VALUE"),
        (f"livelink://127.0.0.1?subject={'x' * 65}", "1 to 64 ASCII characters"),
    ],
)
def test_invalid_addresses(text, words):
    """The message has the fault and valid values; an escape of the terminal is not repeated."""
    with pytest.raises(MisuseError, match="is not the address of a receiver") as caught:
        parse_address(text)

    assert words in caught.value.message
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(("text", "kind"), [("vmc://127.0.0.1", VmcSink), ("livelink://127.0.0.1", LiveLinkSink)])
def test_an_address_opens_its_sink(text, kind):
    """By its scheme."""
    sink = open_destination(text, names_of("arkit"), TakeClock(RATES["25"]), print)
    sink.close()

    assert isinstance(sink, kind)


def not_found(*_, **__):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize(
    ("host", "lookup"),
    [("no-such-host", not_found), ("a..b", socket.getaddrinfo), (f"{'x' * 64}.invalid", socket.getaddrinfo)],
)
def test_an_unknown_host_is_named(monkeypatch, host, lookup):
    """At the start, before the first frame; a name that cannot be one is not looked up."""
    monkeypatch.setattr(udp.socket, "getaddrinfo", lookup)
    with pytest.raises(UserError, match=f"the host {host} is not known"):
        open_destination(f"vmc://{host}", names_of("arkit"), TakeClock(RATES["25"]), print)
