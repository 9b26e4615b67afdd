"""Addresses of programs that receive tracked faces, such as `vmc://127.0.0.1:39540?actor=1`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from rushes.errors import MisuseError, plain
from rushes.suggest import did_you_mean

if TYPE_CHECKING:
    from urllib.parse import SplitResult

# Default port of each scheme. VMC: a Marionette, which draws the character, listens on 39539 and a Performer, which
# adds other sources of motion, on 39540 (protocol.vmc.info/specification).
PORTS = {"vmc": 39539, "livelink": 11111}
OPTIONS = {"vmc": ("actor",), "livelink": ("actor", "subject")}
LAST_PORT = 65535
LONGEST_SUBJECT = 64


@dataclass(frozen=True)
class Address:
    """A receiver: its protocol, its place in the network, and what of the capture it gets."""

    text: str
    scheme: str
    host: str
    port: int
    actor: int | None = None
    subject: str = "rushes"


def is_address(text: str) -> bool:
    """True if a text is meant to be the address of a receiver, and not a file."""
    return "://" in text or text.partition(":")[0] in PORTS


def parse_address(text: str) -> Address:
    """Parses `SCHEME://HOST[:PORT][?OPTION=VALUE[&OPTION=VALUE]]`.

    Raises:
        MisuseError: The address is not valid; the message has a valid example.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _wrong(
            text, f"{plain(error)}: a port is a number from 1 to {LAST_PORT}, an IPv6 address is in brackets"
        ) from error
    if parts.scheme not in PORTS:
        known = " or ".join(f"{scheme}://HOST:PORT" for scheme in PORTS)
        raise _wrong(text, f"write {known}.{did_you_mean(parts.scheme, PORTS)}")
    if not host or any(character.isspace() or not character.isprintable() for character in text):
        raise _wrong(text, f"name the host, such as {parts.scheme}://127.0.0.1:{PORTS[parts.scheme]}")
    if host.count(":") > 0 and "[" not in parts.netloc:
        raise _wrong(text, f"write an IPv6 address in brackets, such as {parts.scheme}://[::1]:{PORTS[parts.scheme]}")
    if port == 0 or parts.path not in {"", "/"} or parts.username is not None or parts.fragment:
        raise _wrong(text, f"after the host only a port from 1 to {LAST_PORT} and ?OPTION=VALUE may follow")
    options = _options(text, parts)
    return Address(
        text=text,
        scheme=parts.scheme,
        host=host.replace("%25", "%"),  # the scope of a link-local address, as RFC 6874 has it
        port=PORTS[parts.scheme] if port is None else port,
        actor=_actor(text, options["actor"]) if "actor" in options else None,
        subject=_subject(text, options["subject"]) if "subject" in options else Address.subject,
    )


def check_actor(text: str, actors: int) -> Address:
    """Parses the address of a receiver in a capture of so many actors.

    Raises:
        MisuseError: The address is not valid, or it names an actor that is not tracked.
    """
    address = parse_address(text)
    if address.actor is not None and address.actor >= actors:
        message = f"--drive {plain(text)}: with --actors {actors} there is no actor {address.actor}, since they count "
        raise MisuseError(message + f"from 0: add --actors {address.actor + 1}")
    return address


def _options(text: str, parts: SplitResult) -> dict[str, str]:
    known = OPTIONS[parts.scheme]
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query), errors="strict")
    except ValueError as error:
        raise _wrong(text, f"write an option as ?{known[0]}=VALUE") from error
    for name, _ in pairs:
        if name not in known:
            listed = ", ".join(known)
            raise _wrong(text, f"{plain(name)!r} is not an option; there is: {listed}.{did_you_mean(name, known)}")
    if len(dict(pairs)) < len(pairs):
        raise _wrong(text, "give each option once")
    return dict(pairs)


def _actor(text: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 3):  # noqa: PLR2004  # an id of an actor, from 0
        raise _wrong(text, f"actor={plain(value)} is not the number of an actor: 0 is the first one, 1 the second")
    return int(value)


def _subject(text: str, value: str) -> str:
    # The receiver reads a subject as one byte a character.
    if not (value.isascii() and value.isprintable() and 0 < len(value.strip()) <= LONGEST_SUBJECT):
        raise _wrong(text, f"a subject has 1 to {LONGEST_SUBJECT} ASCII characters, such as subject=anna")
    return value.strip()


def _wrong(text: str, why: str) -> MisuseError:
    return MisuseError(f"{plain(text)} is not the address of a receiver: {why}")
