"""Open Sound Control 1.0: encoding of messages and bundles.

Source: The Open Sound Control 1.0 Specification (opensoundcontrol.stanford.edu/spec-1_0.html). All numbers are
big-endian; strings end with a null byte and are padded with nulls to a multiple of 4 bytes.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

IMMEDIATELY = 1  # time tag of 63 zero bits and a one
_HEAD = b"#bundle\0" + struct.pack(">Q", IMMEDIATELY)
_TAGS = {int: "i", float: "f", str: "s"}


def message(address: str, *arguments: float | str) -> bytes:
    """Message with int32, float32 and string arguments, by their Python types."""
    tags = "," + "".join(_TAGS[type(argument)] for argument in arguments)
    return _string(address) + _string(tags) + b"".join(_encoded(argument) for argument in arguments)


def bundle(messages: Iterable[bytes]) -> bytes:
    """Bundle with the time tag IMMEDIATELY."""
    return _HEAD + b"".join(struct.pack(">i", len(one)) + one for one in messages)


def bundles(messages: Iterable[bytes], most_bytes: int) -> Iterator[bytes]:
    """Bundles that contain the messages in their order, each as full as `most_bytes` allows."""
    pending: list[bytes] = []
    size = len(_HEAD)
    for one in messages:
        if pending and size + 4 + len(one) > most_bytes:
            yield bundle(pending)
            pending, size = [], len(_HEAD)
        pending.append(one)
        size += 4 + len(one)
    if pending:
        yield bundle(pending)


def _encoded(argument: float | str) -> bytes:
    if isinstance(argument, str):
        return _string(argument)
    return struct.pack(">i" if isinstance(argument, int) else ">f", argument)


def _string(text: str) -> bytes:
    encoded = text.encode() + b"\0"
    return encoded + b"\0" * (-len(encoded) % 4)
