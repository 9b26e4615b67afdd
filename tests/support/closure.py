"""The code of a stage: the modules that its step can import, as folders of the tree and single files."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
PACKAGES = ("common", "compression", "curation", "models", "registry", "report", "rushes", "steps", "training")
# It imports every family, and changes when one is added; a stage depends on its own family's packages instead.
LIST_OF_FAMILIES = "models.families"
FLAT = {"common", "training"}  # flat packages, each of one concern


@cache
def graph() -> grimp.ImportGraph:
    """Every import between the project's modules, read from the sources."""
    return grimp.build_graph(*PACKAGES, cache_dir=None)


@cache
def closure(stage: str, item: str) -> set[str]:
    """The modules that `python -m steps STAGE` can import for an item.

    Args:
        stage: A stage of dvc.yaml.
        item: Its family; for clean, the medium.
    """
    seen: set[str] = set()
    own = f"curation.{item}.clean" if stage == "clean" else f"models.{item}.definition"
    waiting = [f"steps.{stage}", "steps.__main__", own]
    while waiting:
        module = waiting.pop()
        if module in seen or module == LIST_OF_FAMILIES:
            continue
        seen.add(module)
        waiting += graph().find_modules_directly_imported_by(module)
        waiting += [module.rpartition(".")[0]] if "." in module else []  # importing a module runs its packages
    return seen


def code_deps(stage: str, item: str) -> set[str]:
    """The closure as dvc.yaml names it: a nested package by its folder, other modules by their files."""
    return {dep for module in closure(stage, item) if (dep := _dep(module))}


def _dep(module: str) -> str | None:
    path = ROOT / module.replace(".", "/")
    parts = module.split(".")
    if parts[0] in FLAT:
        return parts[0]
    if len(parts) > 1 and (ROOT / parts[0] / parts[1]).is_dir():
        return f"{parts[0]}/{parts[1]}"
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file.relative_to(ROOT).as_posix() if _has_code(file) else None


def _has_code(file: Path) -> bool:
    """True if it has more than a docstring; an empty `__init__` does not change a result."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return not (file.name == "__init__.py" and all(isinstance(node, ast.Expr) for node in body))
