"""Reads the bytes of a graph, and refuses graphs that need other files or libraries before ONNX Runtime loads them.

A graph may refer to another file for its weights (external data: `../secret.bin`) and to custom operators of a library.
Graphs in bundles do neither: each is one file, whose hash is in the manifest. Newer versions of ONNX Runtime refuse
names outside the folder; all versions load a file inside it that no hash covers (inside the working folder, for a graph
given as bytes), and no option prevents it. The file is therefore parsed here as protobuf
(https://protobuf.dev/programming-guides/encoding, onnx.proto of ONNX 1.18), without `onnx`: only messages that can
contain a tensor or a node are parsed, and weights are skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rushes.bundle.manifest import MAX_BUNDLE_BYTES, BundleError
from rushes.bundle.regular_files import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Domains of the operators built into ONNX Runtime for the CPU; com.microsoft has the quantised operators.
KNOWN_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
COMPILED = ("com.microsoft", "EPContext")  # compiled for a device, possibly in a separate file
MAX_DEPTH = 64  # of nested messages
# Message -> field number -> message in that field: all paths to a tensor or a node in onnx.proto.
_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_OPERATOR, _NODE_DOMAIN, _FUNCTION_DOMAIN = 4, 7, 10
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_VARINT_BYTES = 10


class _MalformedError(Exception):
    """Malformed protobuf message, or one that no exporter writes."""


def read_graph(path: Path) -> bytes:
    """Bytes of a graph that needs no other file or library; pass these bytes to ONNX Runtime.

    Raises:
        BundleError: The file is not a graph, refers to data in another file, or needs custom operators.
    """
    content = _content(path)
    own: set[str] = set()
    wanted: set[tuple[str, str]] = set()
    try:
        _look(memoryview(content), "model", path, own, wanted, 0)
    except _MalformedError as error:
        message = f"{path} is not a valid graph ({error}): fetch the bundle again"
        raise BundleError(message) from error
    strange = sorted(pair for pair in wanted if pair[0] not in KNOWN_DOMAINS | own or pair == COMPILED)
    if strange:
        message = (
            f"{path} needs the custom operator {'.'.join(strange[0])}, and a bundle may not bring a library: "
            "export it with the operators of ONNX"
        )
        raise BundleError(message)
    return content


def _content(path: Path) -> bytes:
    try:
        return read_regular(path, MAX_BUNDLE_BYTES)
    except FileNotFoundError as error:
        message = f"{path} is missing: fetch the bundle again"
        raise BundleError(message) from error


def _look(message: memoryview, kind: str, path: Path, own: set[str], wanted: set[tuple[str, str]], depth: int) -> None:
    """Traverses a message; adds the domains of its functions to `own` and those of its nodes to `wanted`."""
    if depth > MAX_DEPTH:
        reason = f"more than {MAX_DEPTH} graphs within one another"
        raise _MalformedError(reason)
    domain = operator = ""
    for number, value in _fields(message):
        inside = _INSIDE[kind].get(number)
        if kind == "tensor" and _is_elsewhere(number, value):
            raise _external(path, value)
        if inside and isinstance(value, memoryview):
            _look(value, inside, path, own, wanted, depth + 1)
        elif kind == "node" and number in {_NODE_DOMAIN, _OPERATOR}:
            domain, operator = (_text(value), operator) if number == _NODE_DOMAIN else (domain, _text(value))
        elif kind == "function" and number == _FUNCTION_DOMAIN:
            own.add(_text(value))
    if kind == "node":
        wanted.add((domain, operator))


def _is_elsewhere(number: int, value: int | memoryview) -> bool:
    return number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0)


def _external(path: Path, value: int | memoryview) -> BundleError:
    texts = [_text(inner) for _, inner in _fields(value)] if isinstance(value, memoryview) else []
    named = f" ({texts[1]})" if texts[:1] == ["location"] and texts[1:] else ""
    message = f"{path} keeps its weights in another file{named}, which no hash covers: export it as one file"
    return BundleError(message)


def _text(value: int | memoryview) -> str:
    return bytes(value).decode("utf-8", "replace") if isinstance(value, memoryview) else str(value)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field; fields of fixed size get the value 0."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if tag >= 1 << 32 or not number:  # parsers treat such tags differently
            reason = f"a field with the tag {tag}"
            raise _MalformedError(reason)
        value: int | memoryview = 0
        if wire == _VARINT:
            value, at = _varint(message, at)
        elif wire == _BYTES:
            size, at = _varint(message, at)
            value, at = message[at : at + size], at + size
        elif wire in {_FIXED64, _FIXED32}:
            at += 8 if wire == _FIXED64 else 4
        else:
            reason = f"a field of wire type {wire}"
            raise _MalformedError(reason)
        if at > len(message):
            reason = "it is cut off"
            raise _MalformedError(reason)
        yield number, value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Number in base 128, least significant part first, and the position after it."""
    value = 0
    for place in range(_VARINT_BYTES):
        if at + place >= len(message):
            reason = "it is cut off"
            raise _MalformedError(reason)
        byte = message[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004  # the high bit marks that more follows
            return value, at + place + 1
    reason = "a number of more than ten bytes"
    raise _MalformedError(reason)
