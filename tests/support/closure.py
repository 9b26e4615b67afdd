"""What a stage's code is made of: the modules that its step can import, as files."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
ROOMS = ("compression", "curation", "models", "registry", "report", "rushes", "steps", "training")
# The list of families imports them all; a stage depends on its own family's folder instead.
LIST_OF_FAMILIES = "models.families"


@cache
def graph() -> grimp.ImportGraph:
    """Every import between our modules, read from the sources."""
    return grimp.build_graph(*ROOMS, cache_dir=None)


def closure(stage: str, family: str | None, families: tuple[str, ...]) -> set[str]:
    """The files, and the family's folder, that `python -m steps STAGE FAMILY` can import."""
    seen: set[str] = set()
    waiting = [f"steps.{stage}", "steps.__main__"]
    while waiting:
        module = waiting.pop()
        if module in seen or module == LIST_OF_FAMILIES:
            continue
        seen.add(module)
        waiting += graph().find_modules_directly_imported_by(module)
        waiting += [f"models.{family}"] if family else []
        waiting += [module.rpartition(".")[0]] if "." in module else []  # importing a module runs its packages
    return {_path(module, families) for module in seen if not _elsewhere(module, family, families)}


def _elsewhere(module: str, family: str | None, families: tuple[str, ...]) -> bool:
    return any(f"{module}.".startswith(f"models.{other}.") for other in families if other != family)


def _path(module: str, families: tuple[str, ...]) -> str:
    for family in families:
        if f"{module}.".startswith(f"models.{family}."):
            return f"models/{family}"
    path = ROOT / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file.relative_to(ROOT).as_posix()
