"""HTTP calls of registrations to a real MLflow server, by endpoint, and their time.

    python -m tests.support.register_calls
    python -m tests.support.register_calls --url http://admin:PASSWORD@127.0.0.1:5000 --rounds 5

Each round registers four bundles of a new family: the first champion, a better one, a poorer one, and the better one
again, which changes nothing. Without `--url` a server is started in a temporary folder; on a given one, the families
stay.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import statistics
import sys
import tempfile
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests

from registry.mlflow import runs
from tests.support.mlflow_server import serve
from tests.support.studio import BEST, POOR, POOREST, make_studio

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = {"first": POOR, "better": BEST, "poorer": POOREST, "nothing new": BEST}
_ARTIFACT = re.compile(r"^mlflow-artifacts/artifacts/.*")


@contextlib.contextmanager
def counted() -> Iterator[Counter[str]]:
    """Counts the requests of this process by method and endpoint while the context lasts."""
    calls: Counter[str] = Counter()
    send = requests.Session.send

    def count(self: requests.Session, request: requests.PreparedRequest, **how: object) -> requests.Response:
        path = urlsplit(str(request.url)).path.removeprefix("/api/2.0/").removeprefix("mlflow/")
        calls[f"{request.method} {_ARTIFACT.sub('mlflow-artifacts/artifacts', path)}"] += 1
        return send(self, request, **how)

    requests.Session.send = count  # type: ignore[method-assign,assignment]
    try:
        yield calls
    finally:
        requests.Session.send = send  # type: ignore[method-assign]


def play(folder: Path) -> Iterator[tuple[str, Counter[str], float]]:
    """One round: the name, the calls and the seconds of each registration."""
    folder.mkdir()
    studio = make_studio(folder, f"dots-{uuid.uuid4().hex[:8]}")
    for case, shift in CASES.items():
        studio.stages(shift, key=f"{case} {shift}")
        if case != "nothing new":  # the run that the training has logged to
            mlflow = runs.client()
            run = runs.create_run(mlflow, studio.family.name, f"{case} {shift}")
            runs.close(mlflow, run)
        with counted() as calls:
            began = time.monotonic()
            studio.register()
            yield case, calls, time.monotonic() - began


def _play_all(folder: Path, rounds: int) -> None:
    found: dict[str, list[tuple[Counter[str], float]]] = {case: [] for case in CASES}
    for i in range(rounds):
        for case, calls, taken_s in play(folder / str(i)):
            found[case].append((calls, taken_s))
    endpoints = sorted({name for each in found.values() for calls, _ in each for name in calls})
    print("endpoint", *CASES, sep="\t")
    for name in endpoints:
        print(name, *(each[-1][0][name] for each in found.values()), sep="\t")
    print("calls", *(each[-1][0].total() for each in found.values()), sep="\t")
    print("median s", *(f"{statistics.median(taken for _, taken in each):.2f}" for each in found.values()), sep="\t")


def main() -> int:
    """Prints the calls of the last round, and the median seconds of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="", help="an MLflow server; a new one if omitted")
    parser.add_argument("--rounds", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        server = Path(scratch) / "server"
        server.mkdir()
        os.environ["MLFLOW_TRACKING_URI"] = asked.url or stack.enter_context(serve(server))
        (Path(scratch) / "rounds").mkdir()
        _play_all(Path(scratch) / "rounds", asked.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
