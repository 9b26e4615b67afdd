"""Reads YAML that somebody else may have written: plain files only, bounded in time, memory and depth.

A few hundred bytes of YAML can stand for billions of values, by aliases of aliases; a named pipe in place of a file
blocks its reader for ever; and of two equal keys PyYAML silently takes the last, where DVC refuses the file. Each of
these is an error here, found before any value is built.
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, Any

import yaml

from rushes.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_BYTES = 4 << 20  # the project's dvc.lock has 100 kB
MAX_VALUES = 100_000  # with every alias replaced by its value; the project's dvc.lock has 8,000
MAX_DEPTH = 64
MAX_SCALAR_CHARS = 1 << 16  # PyYAML takes quadratic time for the number 1:1:1:...
_MERGE_MARK = re.compile(r"^(?:<{7}|>{7}|\|{7})(?: .*)?$", re.MULTILINE)
_BROKEN_TAG = (ValueError, OverflowError, AttributeError, LookupError, TypeError)  # !!int "x", !!timestamp "x", 99:99


class YamlFileError(UserError, yaml.YAMLError):
    """YAML that is not read, with the reason; callers add the name of the file and the remedy."""


def read_yaml_file(path: Path, loader: type[Any] = FAST) -> Any:  # noqa: ANN401  # whatever YAML can hold
    """Parses a YAML file.

    Raises:
        FileNotFoundError: There is no such file.
        yaml.YAMLError: It is not a plain file, is too large, is not UTF-8, or as for `parse_yaml`.
    """
    return parse_yaml(read_plain_text(path), loader)


def parse_yaml(text: str, loader: type[Any] = FAST) -> Any:  # noqa: ANN401  # whatever YAML can hold
    """Parses a document with a safe loader.

    Args:
        text: The document.
        loader: A subclass of PyYAML's safe loader.

    Raises:
        yaml.YAMLError: It is not valid YAML, has a key twice, contains itself, or has too many values or levels.
    """
    _check_events(text)
    parser = loader(text)
    try:
        node = parser.get_single_node()
        if node is None:
            return None
        _measure(node, {})
        return _construct(parser, node)
    finally:
        parser.dispose()


def read_plain_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """Reads a text file in UTF-8; never blocks.

    Raises:
        FileNotFoundError: There is no such file.
        YamlFileError: It is not a plain file, is too large, is not UTF-8, or may not be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        try:
            _check_plain(os.fstat(descriptor), max_bytes)
        except YamlFileError:
            os.close(descriptor)
            raise
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise YamlFileError(error.strerror or str(error)) from error
    if len(content) > max_bytes:
        raise _too_large(max_bytes)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"it is not UTF-8: line {line}"
        raise YamlFileError(message) from error


def _check_plain(status: os.stat_result, max_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        message = f"it is {'a folder' if stat.S_ISDIR(status.st_mode) else 'a pipe or a device'}, not a file"
        raise YamlFileError(message)
    if status.st_size > max_bytes:
        raise _too_large(max_bytes)


def _too_large(max_bytes: int) -> YamlFileError:
    return YamlFileError(f"it has more than {max_bytes:,} bytes")


def _check_events(text: str) -> None:
    """Bounds number, depth and length of what is written, before a tree of it is built."""
    if mark := _MERGE_MARK.search(text):
        line = text.count("\n", 0, mark.start()) + 1
        message = f"an unfinished merge: line {line}"
        raise YamlFileError(message)
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=FAST)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            message = f"nested too deeply: it has more than {MAX_DEPTH} levels"
            raise YamlFileError(message)
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > MAX_SCALAR_CHARS:
            message = f"it has a value of more than {MAX_SCALAR_CHARS:,} characters"
            raise YamlFileError(message)
        if number > MAX_VALUES:
            raise _too_many()


def _construct(parser: Any, node: yaml.Node) -> Any:  # noqa: ANN401  # a loader, and whatever YAML can hold
    try:
        return parser.construct_document(node)
    except _BROKEN_TAG as error:  # raised by PyYAML for a value that its tag does not allow
        message = f"a value does not fit its tag: {error}"
        raise YamlFileError(message) from error


def _too_many() -> YamlFileError:
    return YamlFileError(f"it has more than {MAX_VALUES:,} values, those of its aliases included")


def _measure(node: yaml.Node, known: dict[int, int]) -> int:
    """Number of values in a node with every alias replaced; also refuses equal keys. `known` has what was measured."""
    if id(node) in known:
        if not known[id(node)]:
            message = f"line {node.start_mark.line + 1}: a value contains itself"
            raise YamlFileError(message)
        return known[id(node)]
    known[id(node)] = 0  # in progress
    children = node.value if isinstance(node, yaml.SequenceNode) else []
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
        children = [child for pair in node.value for child in pair]
    total = 1 + sum(_measure(child, known) for child in children)
    if total > MAX_VALUES:
        raise _too_many()
    known[id(node)] = total
    return total


def _check_keys(node: yaml.MappingNode) -> None:
    seen: set[tuple[str, str]] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if (named := (key.tag, key.value)) in seen:
                message = f"line {key.start_mark.line + 1} has the key {key.value[:100]!r} a second time"
                raise YamlFileError(message)
            seen.add(named)
