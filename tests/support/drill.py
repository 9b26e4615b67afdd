"""Drill: nightly runs killed at random moments, repeated, and compared with an undisturbed run.

    python -m tests.support.drill 20 --seed 1

Each round begins in a fresh copy of a tiny project, kills its first run at a random moment (the whole process group,
the parent alone, or one child alone), repeats the same command once, and compares the end with that of an
undisturbed run. Every fourth round starts without databases, so that the kill may hit their creation.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from flows.servers.servers import free_port
from tests.support.project import LABELS, SETTINGS, Project, make_project, write_faces
from tests.support.repos import git
from tests.support.run_end import differences, end_of
from tests.support.serving import end, left_behind, server_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.run_end import End

# Float has 25,542 bytes, int8 25,688: with two passing candidates, microseconds decide, and the end would be chance.
MAX_BYTES = 25_600
TARGETS = ("group", "parent", "child")
FRESH_EVERY = 4
DEADLINE_S = 900.0  # of a run; it takes a minute on an idle machine
DONE = 0


@dataclass(frozen=True)
class Base:
    """Projects that have never run, without databases ("fresh") and with empty ones ("prepared")."""

    projects: dict[str, Project]
    seconds: dict[str, float]  # that an undisturbed run took
    end: End  # of those runs


@dataclass(frozen=True)
class Kill:
    """A moment, a target, and a base."""

    target: str  # of TARGETS, or a server: "mlflow", "prefect"
    share: float = 1.0  # of the undisturbed run's duration, 0 to 1
    base: str = "prepared"
    log: str = ""  # of a stage: the kill comes once it exists


@dataclass(frozen=True)
class Round:
    """One kill, and the result of repeating the run."""

    kill: Kill
    after_s: float
    hit: str  # the last line of the killed run, and the process that was killed
    first: int  # exit status of the killed run
    again: int  # of the repeated run
    output: str  # output of the killed run
    faults: tuple[str, ...]  # differences from the undisturbed end, remains, output of the repeated run
    seconds: float

    @property
    def passed(self) -> bool:
        """True if the repeated run ended as an undisturbed one does."""
        return self.again == DONE and not self.faults


def prepare(folder: Path, names: Sequence[str] = ("fresh", "prepared")) -> Base:
    """Makes the project, with faces in its inbox, and runs a copy of each base undisturbed."""
    fresh = make_project(folder / "origin")
    fresh.set_train(epochs=4)
    fresh.set_section("expression", "budget", {"max_bytes": MAX_BYTES})
    git(fresh.root, "commit", "--quiet", "--all", "--message", "short")
    write_faces(folder / "day", (f"{label}/actor-{n}" for label in LABELS for n in range(8)), first=0, each=3)
    taken = fresh.flows("ingest", "faces", str(folder / "day"), "--layout", "{label}/{performer}/*")
    assert taken.returncode == DONE, taken.stderr
    write_faces(fresh.root / "inbox/faces/day-2", iter(LABELS), first=500, each=3)
    projects = {name: fresh if name == "fresh" else _with_databases(fresh, folder / name) for name in names}
    runs = {name: _undisturbed(project, folder / f"undisturbed-{name}") for name, project in projects.items()}
    first, *others = [found for _, found in runs.values()]
    assert not (unlike := [differences(first, other) for other in others if other != first]), unlike
    return Base(projects, {name: seconds for name, (seconds, _) in runs.items()}, first)


def play(base: Base, folder: Path, kill: Kill, draw: random.Random) -> Round:
    """One round, in a folder of its own."""
    began = time.monotonic()
    project = _copy(base.projects[kill.base], folder)
    after_s = kill.share * base.seconds[kill.base]
    log = folder / "first.log"
    with log.open("wb") as output:
        run = _start(project, output)
        _await_moment(run, project.root / kill.log if kill.log else None, after_s)
        hit = f"{_last_line(log)} | {_strike(run, project, kill.target, draw)}"
        first = _wait(run)
    again = _nightly(project)
    faults = _faults(base, project, again)
    end(project)
    output = log.read_text(errors="replace")
    if not faults:
        shutil.rmtree(folder, ignore_errors=True)
    return Round(kill, after_s, hit, first, again.returncode, output, faults, time.monotonic() - began)


def draw_kills(count: int, draw: random.Random) -> list[Kill]:
    """Moments, uniformly over the run, and targets in rotation."""
    return [
        Kill(TARGETS[number % 3], draw.random(), "fresh" if number % FRESH_EVERY == FRESH_EVERY - 1 else "prepared")
        for number in range(count)
    ]


def _faults(base: Base, project: Project, again: subprocess.CompletedProcess[str]) -> tuple[str, ...]:
    faults = [f"left running: {' '.join(process.cmdline())[:100]}" for process in left_behind(project)]
    faults += differences(base.end, end_of(project.root))
    if again.returncode != DONE or faults:
        faults.append((again.stdout + again.stderr)[-3000:])
    return tuple(faults)


def _undisturbed(project: Project, folder: Path) -> tuple[float, End]:
    copy, began = _copy(project, folder), time.monotonic()
    done = _nightly(copy)
    seconds = time.monotonic() - began
    assert done.returncode == DONE, done.stdout + done.stderr
    found = end_of(copy.root)
    shutil.rmtree(folder)
    return seconds, found


def _with_databases(project: Project, folder: Path) -> Project:
    copy = _copy(project, folder)
    for word in ("up", "down"):
        done = copy.flows(word)
        assert done.returncode == DONE, done.stdout + done.stderr
    return copy


def _copy(project: Project, folder: Path) -> Project:
    """A copy with ports, a home and a DVC site cache of its own."""
    shutil.copytree(project.root, folder / "project", symlinks=True)
    (folder / "home").mkdir()
    (folder / "project/settings.toml").write_text(SETTINGS.format(mlflow=free_port(), prefect=free_port()))
    places = {"HOME": str(folder / "home"), "DVC_SITE_CACHE_DIR": str(folder / "dvc")}
    return replace(project, root=folder / "project", env={**project.env, **places})


def _start(project: Project, output: object) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "flows", "nightly"]
    return subprocess.Popen(
        words, cwd=project.root, env=dict(project.env), stdout=output, stderr=output, start_new_session=True
    )


def _await_moment(run: subprocess.Popen[bytes], log: Path | None, after_s: float) -> None:
    """Waits until a stage's log exists, or for so many seconds; at most until the run ends."""
    if log is None:
        with suppress(subprocess.TimeoutExpired):
            run.wait(after_s)
        return
    while run.poll() is None and not log.exists():
        time.sleep(0.01)


def _strike(run: subprocess.Popen[bytes], project: Project, target: str, draw: random.Random) -> str:
    """Kills a process and returns its description."""
    with suppress(ProcessLookupError, psutil.Error):
        if run.poll() is not None:
            return "it had ended"
        if target == "child":
            return _strike_child(run.pid, draw)
        if target == "group":
            os.killpg(run.pid, signal.SIGKILL)
        else:
            os.kill(run.pid if target == "parent" else server_record(project, target)["pid"], signal.SIGKILL)
        return target
    return "it had ended"


def _strike_child(pid: int, draw: random.Random) -> str:
    children = sorted(psutil.Process(pid).children(recursive=True), key=lambda process: process.pid)
    alive = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
    if not alive:
        return "no child"
    victim = draw.choice(alive)
    words = " ".join(Path(word).name for word in victim.cmdline()[:6])
    victim.kill()
    return words[:70]


def _wait(run: subprocess.Popen[bytes]) -> int:
    """The exit status; a hanging run is killed and returns -9."""
    try:
        return run.wait(DEADLINE_S)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        return run.wait()


def _nightly(project: Project) -> subprocess.CompletedProcess[str]:
    log = project.root.parent / "again.log"
    with log.open("wb") as output:
        status = _wait(_start(project, output))
    return subprocess.CompletedProcess("nightly", status, log.read_text(errors="replace"), "")


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").replace("\r", "\n").splitlines() if line.strip()]
    return lines[-1].strip()[:60] if lines else "no output yet"


def main() -> int:
    """Plays as many rounds, and prints a line for each; the same seed draws the same moments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int, nargs="?", default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, nargs="*", help="the numbers of rounds to play, from 1; all, if left out")
    parser.add_argument("--folder", type=Path, help="where copies lie; those of failed rounds stay there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        rounds = _play_all(asked, Path(asked.folder or scratch))
    passed = sum(one.passed for one in rounds)
    _print(f"{passed} of {len(rounds)} came to the same end")
    return DONE if passed == len(rounds) else 1


def _play_all(asked: argparse.Namespace, folder: Path) -> list[Round]:
    base, began, rounds = prepare(folder), time.monotonic(), []
    _print("undisturbed: " + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in base.seconds.items()))
    _print("round\tbase\ttarget\tmoment\tfirst\tagain\tsame end\tseconds\twhat was running | what was killed")
    kills = draw_kills(asked.kills, random.Random(asked.seed))  # noqa: S311 - moments, no secrets
    chosen = [(number, kill) for number, kill in enumerate(kills, 1) if not asked.only or number in asked.only]
    for done, (number, kill) in enumerate(chosen, 1):
        one = play(base, folder / f"round-{number}", kill, random.Random(f"{asked.seed}/{number}"))  # noqa: S311  # likewise
        rounds.append(one)
        _print(_row(number, one))
        left = (time.monotonic() - began) / done * (len(chosen) - done)
        _print(f"# {done} of {len(chosen)}, {sum(one.passed for one in rounds)} passed, about {left / 60:.0f} min left")
    return rounds


def _row(number: int, one: Round) -> str:
    words = [number, one.kill.base, one.kill.target, f"{one.after_s:.1f} s", one.first, one.again]
    words += ["yes" if one.passed else "NO", f"{one.seconds:.0f}", one.hit]
    return "\t".join(map(str, words)) + "".join(f"\n    {fault}" for fault in one.faults)


def _print(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
