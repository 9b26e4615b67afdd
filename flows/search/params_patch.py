"""Patch of params.yaml: only the values that change; comments, order and the rest of the text stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from common.yaml_numbers import read_yaml
from flows.nightly import params
from models.params_file import NAME
from registry.subprocesses import git

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LONG = 10_000  # columns, so that a list stays on its line


def write_patch(tree: Path, text: str, changes: Mapping[str, Any], out: Path) -> str:
    """Writes the diff from a params.yaml to one with changed values, in the format of `git apply`.

    Args:
        tree: A worktree whose HEAD has `text` as its params.yaml.
        text: Text of params.yaml.
        changes: Values by path.
        out: File of the patch.

    Returns:
        The patch.
    """
    (tree / NAME).write_bytes(edited(text, changes).encode())
    plain = ("-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false", "-c", "core.autocrlf=false")
    patch = git(tree, *plain, "diff", "--no-color", "--no-ext-diff", "--no-textconv", "HEAD", "--", NAME).stdout
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(patch)
    return patch.decode()


def edited(text: str, changes: Mapping[str, Any]) -> str:
    """The text with changed values; if its structure does not allow that, all of it is written again."""
    wanted = params.merged(read_yaml(text), params.nested(changes))
    result = text
    for path, value in changes.items():
        result = _with_value(result, path.split("."), value)
    return result if _reads_as(result, wanted) else params.dump(wanted)


def _reads_as(text: str, wanted: Mapping[str, Any]) -> bool:
    """False where an alias, or another rare form, does not allow single values to be replaced."""
    try:
        return bool(read_yaml(text) == wanted)
    except yaml.YAMLError:
        return False


def _with_value(text: str, names: Sequence[str], value: Any) -> str:  # noqa: ANN401 - a YAML value
    """The text with the value at a path replaced, or added to the nearest section that exists."""
    node: Any = yaml.compose(text, yaml.SafeLoader)
    for depth, name in enumerate(names):
        entries = {key.value: (key, inner) for key, inner in node.value}
        if name not in entries:
            return _added(text, node, {name: _nested(names[depth + 1 :], value)})
        key, node = entries[name]
        if not isinstance(node, yaml.MappingNode):
            new = _flow(_nested(names[depth + 1 :], value))
            return f"{text[: key.end_mark.index]}: {new}{text[_end(node) :]}"
    return text


def _nested(names: Sequence[str], value: Any) -> Any:  # noqa: ANN401 - a YAML value
    return params.nested({".".join(names): value}) if names else value


def _added(text: str, section: yaml.MappingNode, entry: dict[str, Any]) -> str:
    """The text with an entry at the end of a section."""
    new, end = _flow(entry)[1:-1], _end(section)
    if section.flow_style:
        return f"{text[: end - 1].rstrip()}{', ' * bool(section.value)}{new}{text[end - 1 :]}"
    line_end = text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end
    newline = "\r\n" if text[:line_end].endswith("\r") else "\n"
    at = line_end - (newline == "\r\n")
    return f"{text[:at]}{newline}{' ' * section.start_mark.column}{new}{text[at:]}"


def _end(node: yaml.Node) -> int:
    """Index behind a node's last character; that of PyYAML for a block is where the next token begins."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _end(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _end(node.value[-1])
    return int(node.end_mark.index)


def _flow(value: Any) -> str:  # noqa: ANN401 - a YAML value
    """The value on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=LONG, allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")
