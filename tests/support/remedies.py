"""Finds every remedy that the product prints, in its source: `python -m tests.support.remedies` lists them.

A remedy is the argument `remedy` of an error or of a record that has such a field, what a function or a variable of
that name returns or holds, and what the helpers in `MAKERS` return. What only passes on another's remedy is none.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "rushes", "common", "curation", "models", "training", "compression", "registry", "report", "steps", "flows",
)  # fmt: skip
FIELD = "remedy"
MAKERS = {
    "restore", "push_command", "by_hand", "_way_back", "_way_on", "_nearest", "line_to_add", "_remedy", "_fix",
    "_ignore", "set_aside", "restore_committed", "first_version",
}  # fmt: skip
CONSTANTS = {"COPY", "CONVERT", "EXPORT", "NEW", "INGEST", "FREE_CACHE", "FULL", "TRY_AGAIN", "REMEDIES"}
OTHERS = {"registry/dvc/versions.py restore", "flows/cli/quarantine_copy.py COPY"}  # which mean something else


@dataclass(frozen=True)
class Remedy:
    """One remedy: the file, the line, and its text with the expressions in it."""

    path: str
    line: int
    text: str


def trees() -> dict[str, ast.Module]:
    """The syntax tree of each file of the product."""
    files = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in files}


def places(found: dict[str, ast.Module]) -> dict[str, int]:
    """For each class with a remedy among its arguments, the place of it; of errors that inherit __init__ too."""
    classes = {node.name: node for tree in found.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    own = {name: place for name, node in classes.items() if (place := _place(node)) is not None}
    taken = {name for name, node in classes.items() if _init(node) is not None}
    while more := {
        name: own[base]
        for name, node in classes.items()
        if name not in own and name not in taken
        for base in _bases(node)
        if base in own
    }:
        own |= more
    return own


def _bases(node: ast.ClassDef) -> list[str]:
    return [ast.unparse(base).rpartition(".")[2] for base in node.bases]


def _init(node: ast.ClassDef) -> ast.FunctionDef | None:
    return next((one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)


def _place(node: ast.ClassDef) -> int | None:
    """Place of the remedy in a call of the class: by its __init__, or by its fields."""
    if (init := _init(node)) is not None:
        names = [one.arg for one in init.args.args[1:]]
    else:
        names = [ast.unparse(one.target) for one in node.body if isinstance(one, ast.AnnAssign)]
    return names.index(FIELD) if FIELD in names else None


def remedies(found: dict[str, ast.Module] | None = None) -> list[Remedy]:
    """Every remedy of the product, by file and line; the same text in a file is one."""
    found = found or trees()
    own, texts = places(found), {}
    for path, tree in found.items():
        for node in _expressions(path, tree, own):
            for part in _parts(node):
                text = _text(part)
                if text and (path, text) not in texts:
                    texts[path, text] = Remedy(path, part.lineno, text)
    return list(texts.values())


def _expressions(path: str, tree: ast.Module, own: dict[str, int]) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _argument(node, own)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from _assigned(path, targets, node.value)
        elif isinstance(node, ast.FunctionDef) and node.name in MAKERS and f"{path} {node.name}" not in OTHERS:
            yield from (one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value is not None)
        elif isinstance(node, ast.ClassDef):
            yield from _given_to_super(node, own)


def _argument(node: ast.Call, own: dict[str, int]) -> Iterator[ast.expr]:
    name = ast.unparse(node.func).rpartition(".")[2]
    yield from (one.value for one in node.keywords if one.arg == FIELD)
    if name in own and len(node.args) > own[name] and not any(isinstance(one, ast.Starred) for one in node.args):
        yield node.args[own[name]]


def _assigned(path: str, targets: list[ast.expr], value: ast.expr) -> Iterator[ast.expr]:
    for target in targets:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs = zip(target.elts, value.elts, strict=True)
            yield from (given for name, given in pairs if ast.unparse(name) == FIELD)
            continue
        name = ast.unparse(target).rpartition(".")[2]
        if name in {FIELD, *CONSTANTS} and f"{path} {name}" not in OTHERS:
            yield from value.values if isinstance(value, ast.Dict) else [value]


def _given_to_super(node: ast.ClassDef, own: dict[str, int]) -> Iterator[ast.expr]:
    """The remedy that a class with an __init__ of its own passes to that of its base."""
    place = next((own[base] for base in _bases(node) if base in own), None)
    init = _init(node)
    for call in ast.walk(init) if init is not None and place is not None else ():
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "super().__init__" and len(call.args) > place:
            yield call.args[place]


def _parts(node: ast.expr) -> list[ast.expr]:
    """Both sides of a condition; an expression with only one is itself."""
    if isinstance(node, ast.IfExp):
        return [*_parts(node.body), *_parts(node.orelse)]
    return [node]


def _text(node: ast.expr) -> str:
    """A remedy's text; empty for what passes on another's, or is none."""
    if isinstance(node, ast.Constant):
        return str(node.value or "")
    if isinstance(node, ast.JoinedStr):
        return ast.unparse(node)[2:-1]
    text = ast.unparse(node)
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        return ""
    if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in {*MAKERS, "str", "field", "get"}:
        return text if ast.unparse(node.func) in MAKERS - {"_remedy"} else ""
    return text


def main() -> None:
    """Prints all, by file."""
    by_file = defaultdict(list)
    for one in remedies():
        by_file[one.path].append(one)
    for path, ones in by_file.items():
        print(f"{path}:")
        for one in ones:
            print(f"  {one.line}: {one.text}")


if __name__ == "__main__":
    main()
