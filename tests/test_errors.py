"""Errors are of one tree, and what could hide a bug is caught nowhere."""

import ast
import importlib
from pathlib import Path

import pytest

from rushes.errors import RushesError

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "rushes", "common", "curation", "models", "training", "compression", "registry", "report", "steps", "flows",
)  # fmt: skip
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
# Never seen by a user: caught where they are raised, and turned into one of the tree or into another try.
INTERNAL = {
    "rushes.pull.http_retry.ServerBusyError",
    "rushes.pull.http_guard.TooSlowError",
    "rushes.inference.graph_guard._MalformedError",
    "rushes.capture.loop._LeftError",
}
# Parsers of ours over files of others: what a library raises in the middle of them means that the file is damaged.
PARSERS = {
    "rushes/screenplay_files/read_fdx.py",
    "rushes/tracking/head_pose.py",
    "rushes/inference/tflite_network.py",
    "curation/synthetic_faces/head.py",
}


def module_of(path: Path) -> str:
    """The module of a file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def exceptions() -> list[str]:
    """Every class of ours that has Error or Exception among its bases, by module."""
    found = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            bases = [ast.unparse(base) for base in node.bases] if isinstance(node, ast.ClassDef) else []
            if any(base.endswith(("Error", "Exception")) for base in bases):
                found.append(f"{module_of(path)}.{node.name}")
    return found


@pytest.mark.parametrize("name", [one for one in exceptions() if one not in INTERNAL])
def test_every_error_is_of_the_tree(name):
    """A class beside the tree would be shown as a bug."""
    module, _, kind = name.rpartition(".")

    assert issubclass(getattr(importlib.import_module(module), kind), RushesError)


def own_names(tree: ast.Module) -> set[str]:
    """Names that stand for code of ours in a module: what it defines, and what it imports from our packages."""
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def hides_bugs(source: str) -> list[int]:
    """Lines of handlers that catch ValueError around a call of our own code."""
    tree = ast.parse(source)
    ours = own_names(tree)
    found = []
    for node in (node for node in ast.walk(tree) if isinstance(node, ast.Try)):
        calls = [call.func for part in node.body for call in ast.walk(part) if isinstance(call, ast.Call)]
        own = [call for call in calls if ast.unparse(call).split(".")[0] in ours | {"self", "cls"}]
        found += [
            handler.lineno
            for handler in node.handlers
            if own
            and handler.type is not None
            and "ValueError" in {one.id for one in ast.walk(handler.type) if isinstance(one, ast.Name)}
        ]
    return found


def test_no_handler_hides_a_bug():
    """A ValueError of our own code is a bug: no handler takes it for a fault of what a library was given."""
    found = [f"{path.relative_to(ROOT)}:{line}" for path in FILES for line in hides_bugs(path.read_text("utf-8"))]

    assert {line.partition(":")[0] for line in found} == PARSERS, "\n".join(found)


def test_a_planted_handler_is_found():
    """Around a function of the module; not around int."""
    planted = "def ours(): ...\ntry:\n    ours()\nexcept (KeyError, ValueError):\n    pass\n"

    assert hides_bugs(planted) == [4]
    assert hides_bugs(planted.replace("    ours()", "    int('7')")) == []


def test_no_error_is_asked_for_its_attributes():
    """Remedy and exit status are typed: nobody looks for them by name."""
    asked = ('getattr(error, "', 'hasattr(error, "')
    found = [
        str(path.relative_to(ROOT))
        for path in FILES
        for one in asked
        for name in ("remedy", "exit_status", "kind", "transient", "unfit")
        if f'{one}{name}"' in path.read_text(encoding="utf-8")
    ]

    assert found == []
