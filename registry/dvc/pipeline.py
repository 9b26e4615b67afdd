"""The stage graph of DVC: its stages, their changes, and the execution of one stage.

DVC is called through its command line, twice a run if nothing has changed: once for the graph, once for all changes.
Only a stage downstream of one that ran is queried again.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

from registry.dvc.config import read_config
from registry.dvc.faults import classify
from registry.dvc.records import PARAMS, VersionError, check_records, lock_stages, read_record
from registry.dvc.verify import check_lists, verify_data, verify_outs
from registry.subprocesses import Result, dvc, dvc_command, dvc_environment, follow, terminal, without_hints
from rushes.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

EDGE = re.compile(r'^"(?P<first>[^"]+)"(?: -> "(?P<then>[^"]+)")?;$', re.MULTILINE)
DATA = ("datasets", "build")  # everything else is code
CACHED = re.compile(r"^Stage '[^']+' is cached - skipping run, checking out outputs", re.MULTILINE)
SAME = "skipped: same data, params and code"
OUTS = {"deleted": "is missing", "modified": "was changed by hand"}  # DVC's word, and its meaning


class PipelineError(UserError):
    """Raised if the graph cannot be read; `remedy` is a command or an action. `transient`: worth a retry."""

    def __init__(self, message: str, remedy: str, *, transient: bool = False) -> None:
        super().__init__(message, remedy, kind="transient" if transient else "user")


@dataclass(frozen=True)
class StageNode:
    """One stage of the graph."""

    name: str  # "train@expression"
    stage: str  # "train"
    item: str  # "expression", or the collection for clean
    family: str | None  # None for a stage of a collection
    upstream: tuple[str, ...]  # names of the stages whose outs it reads


@dataclass(frozen=True)
class Change:
    """Changes of data, params and code since the stage last ran, and a line that describes them."""

    data: bool
    params: bool
    code: bool
    missing: bool  # outs are gone or edited; DVC restores them from the cache if it can
    text: str  # "skipped: same data, params and code", "params changed: expression.train", "first run"

    @property
    def any(self) -> bool:
        """True if the stage has to be reproduced."""
        return self.data or self.params or self.code or self.missing


def stages(root: Path, families: Iterable[str]) -> list[StageNode]:
    """The stages that the families need, in topological order.

    Raises:
        PipelineError: dvc.yaml or params.yaml cannot be read.
    """
    _check(root)
    graph = _graph(root)
    known = set(read_record(root, PARAMS).get("families") or {})
    wanted = {name for name in graph if name.partition("@")[2] in known & set(families)}
    while more := {before for name in wanted for before in graph[name]} - wanted:
        wanted |= more
    order = TopologicalSorter({name: graph[name] for name in graph if name in wanted}).static_order()
    return [_node(name, known, graph[name]) for name in order]


def statuses(root: Path, nodes: Sequence[StageNode]) -> dict[str, Change]:
    """Changes of each stage, by name, in one call of DVC.

    Call it once at the start. A stage downstream of one that was reproduced since must be queried again (`status`).

    Raises:
        PipelineError: DVC cannot determine them: the graph does not resolve, or another DVC holds its lock.
    """
    if not nodes:
        return {}
    _check(root)
    done = dvc(root, "status", "--json", *(node.name for node in nodes))
    if done.returncode:
        raise _refused(root, done)
    found = json.loads(done.text or "{}")
    ran = lock_stages(root)
    return {node.name: _change(found.get(node.name, []), first=node.name not in ran) for node in nodes}


def status(root: Path, node: StageNode) -> Change:
    """Changes of one stage.

    Raises:
        PipelineError: DVC cannot determine them.
    """
    return statuses(root, [node])[node.name]


def reproduce(
    root: Path,
    node: StageNode,
    env: Mapping[str, str],
    log: Path,
    pass_fds: Sequence[int] = (),
) -> int:
    """Runs one stage if it has changed (`dvc repro --single-item`), in our process group.

    Args:
        root: The tree.
        node: The stage. The stages before it are not run.
        env: The environment of the stage; our interpreter's folder is put first in its PATH.
        log: File for all output; on a terminal it is also shown, including progress bars.
        pass_fds: File descriptors that DVC inherits: the run lock.

    Returns:
        DVC's exit status; 255 for any failure of the stage.

    Raises:
        registry.dvc.verify.DamagedError: The stage's inputs, or outs that DVC restored for it, differ from the record.
        VersionError: See `registry.dvc.records.check_records`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    words = command(root, node)
    with log.open("wb") as file:
        status = follow(words, root, file, env=dvc_environment(env), echo=terminal(), pass_fds=pass_fds)
    verify_run(root, node, status, log)
    return status


def command(root: Path, node: StageNode) -> list[str]:
    """Checks the inputs of a stage; returns the command that runs it if it has changed.

    Raises:
        registry.dvc.verify.DamagedError: An input differs from the record.
        VersionError: See `registry.dvc.records.check_records`.
    """
    check_records(root)
    lock = lock_stages(root)
    check_lists(root, lock, node.name)
    verify_outs(root, lock, node.upstream)
    if node.family is None:
        verify_data(root, node.item)
    return dvc_command("repro", "--single-item", node.name)


def verify_run(root: Path, node: StageNode, status: int, log: Path) -> None:
    """Checks outs that a command of `command` has restored, and removes DVC's hints from its log.

    Raises:
        registry.dvc.verify.DamagedError: An out differs from the record.
    """
    log.write_bytes(without_hints(log.read_bytes()))
    if status == 0 and is_from_cache(log):
        verify_outs(root, lock_stages(root), [node.name], reread=True)


def is_from_cache(log: Path) -> bool:
    """True if DVC restored the outs of the stage from its cache and ran nothing, according to the log."""
    return CACHED.search(log.read_text(encoding="utf-8", errors="replace")) is not None


def _graph(root: Path) -> dict[str, list[str]]:
    """Stage -> the stages whose outs it reads, in the order of dvc.yaml; .dvc files are data, not stages."""
    done = dvc(root, "dag", "--dot")
    if done.returncode:
        raise _refused(root, done)
    graph: dict[str, list[str]] = {}
    for match in EDGE.finditer(done.text):
        if match["then"] is None and not match["first"].endswith(".dvc"):
            graph[match["first"]] = []
        elif match["then"] is not None and match["first"] in graph:
            graph[match["then"]].append(match["first"])
    return graph


def _node(name: str, families: set[str], upstream: Sequence[str]) -> StageNode:
    stage, _, item = name.partition("@")
    return StageNode(name, stage, item, item if item in families else None, tuple(sorted(upstream)))


def _change(found: Sequence[Any], *, first: bool) -> Change:
    """DVC's findings, grouped into data, params and code."""
    code = sorted({"dvc.yaml: the command" for entry in found if not isinstance(entry, dict)})
    fields = [entry for entry in found if isinstance(entry, dict)]
    deps = dict(pair for entry in fields for pair in entry.get("changed deps", {}).items())
    outs = dict(pair for entry in fields for pair in entry.get("changed outs", {}).items())
    params = list(_params(deps))
    inputs = [path for path, _ in _paths(deps) if _is_data(path)]
    code += [path for path, _ in _paths(deps) if not _is_data(path)]
    kinds = {"data": inputs, "params": params, "code": code}
    missing = [f"{path} {OUTS.get(how, f'is {how}')}" for path, how in outs.items()]
    return Change(
        data=bool(inputs),
        params=bool(params),
        code=bool(code),
        missing=bool(missing),
        text=_text(kinds, missing, first=first),
    )


def _text(kinds: Mapping[str, Sequence[str]], missing: Sequence[str], *, first: bool) -> str:
    if first:
        return "first run"
    lines = [f"{kind} changed: {', '.join(names)}" for kind, names in kinds.items() if names]
    # If the stage has to run anyway, the state of its outs does not matter.
    return "; ".join(lines or missing) or SAME


def _params(deps: Mapping[str, Any]) -> Iterator[str]:
    """Changed params: from `{"params.yaml": {"expression.train": "modified"}}`, at first `{"params.yaml": "new"}`."""
    for path, how in deps.items():
        if isinstance(how, dict):
            yield from how
        elif path == "params.yaml":
            yield path


def _paths(deps: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    return ((path, how) for path, how in deps.items() if isinstance(how, str) and path != "params.yaml")


def _is_data(path: str) -> bool:
    return path.split("/", 1)[0] in DATA


def _check(root: Path) -> None:
    try:
        check_records(root)
        read_config(root)
    except VersionError as error:
        raise PipelineError(str(error), error.remedy) from error


def _refused(root: Path, done: Result) -> PipelineError:
    if fault := classify(root, done.output):
        return PipelineError(fault.message, fault.remedy, transient=fault.transient)
    return PipelineError(f"the graph of stages cannot be read: {done.reason}", "git diff dvc.yaml params.yaml")
