"""Preview of an ingest: samples to be added and removed, and those that clean will keep."""

from __future__ import annotations

import shutil
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.commands import python
from common.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from common.assets import Read
    from curation.intake.job import IngestResult
    from curation.params import CollectionParams
    from curation.quality.verdicts import Examined


def foresee(
    path: Path,
    root: Path,
    name: str,
    section: CollectionParams,
    state: Path,
    **how: Any,  # noqa: ANN401  # ingest's own
) -> Iterator[str]:
    """Lines that preview what an ingest adds and replaces, and how clean will treat the collection after it.

    The data are ingested into a mirror of the collection, made of links, and checked there; the checkout is not
    changed. Films are read to their end, so for a collection of films or takes only the receiving source is checked.

    Raises:
        DataError: Nothing could be ingested.
    """
    from curation.ingest import ingest  # noqa: PLC0415  # pandas
    from curation.medium import by_name  # noqa: PLC0415  # likewise
    from curation.store.index import read_sources  # noqa: PLC0415  # likewise
    from curation.store.source_info import real_sources  # noqa: PLC0415  # likewise
    from registry.assets import asset_reader  # noqa: PLC0415  # likewise

    before, rows = read_sources(root, name), by_name(section.medium).rows
    starter = ~before["source"].isin(real_sources(root, name))
    with tempfile.TemporaryDirectory(dir=state, prefix="preview-") as scratch:
        mirror(root, Path(scratch), name)
        result = ingest(path, Path(scratch), name, section, **how)
        if result.replaced_starter:
            gone, before = before[starter], before[~starter]
            names = ", ".join(sorted(gone["source"].unique()))
            yield f"  replaces {name}: the starter, {gone['id'].nunique():,} {rows} in {names}, removed"
        yield f"  adds     {_counted(result, before, rows)}"
        if result.added and section.parent is None:
            ids = set(before["id"])
            yield from _judged(Path(scratch), result, section, ids, asset_reader(root, load_settings()))


def mirror(root: Path, scratch: Path, name: str) -> None:
    """Mirrors a collection by links below another root, with a copy of the pseudonym key file."""
    there = root / "datasets" / name
    for file in (path for path in there.rglob("*") if path.is_file()):
        link = scratch / file.relative_to(root)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file.resolve())
    keys = root / "keys" / f"{name}.csv"
    if keys.is_file():
        (scratch / "keys").mkdir(mode=0o700)
        shutil.copy(keys, scratch / "keys")


def _counted(result: IngestResult, before: pd.DataFrame, units: str) -> str:
    """`faces/day-12: 40 pictures new, 2 refused; nothing goes of the 300 in day-11`."""
    parts = [f"{result.added:,} {units.removesuffix('s') if result.added == 1 else units} new"]
    parts += [f"{result.already:,} there already"] if result.already else []
    refused = sum(result.refused.values())
    parts += [f"{refused:,} refused"] if refused else []
    there = ", ".join(sorted(before["source"].unique()))
    beside = f"; none of the {before['id'].nunique():,} in {there} is removed" if there else ""
    return f"{result.collection}/{result.source}: {', '.join(parts)}{beside}"


def _judged(
    scratch: Path, result: IngestResult, section: CollectionParams, before: set[str], read: Read
) -> Iterator[str]:
    from curation.clean import examine  # noqa: PLC0415  # as above
    from curation.medium import by_name  # noqa: PLC0415  # as above
    from curation.quality.verdicts import loss_of, stop_of  # noqa: PLC0415  # as above

    name, medium = result.collection, by_name(section.medium)
    if not any(fnmatchcase(result.source, pattern) for pattern in section.sources):
        yield f"  clean    will skip them: collections.{name}.sources is {section.sources}"
        return
    if medium.slow:
        section, before = section.model_copy(update={"sources": [result.source]}), set()
    examined = examine(scratch, name, section, read)
    new = ~examined.table["id"].isin(before)
    kept = examined.table["kept"]
    alone = f" {medium.samples} in {name}/{result.source}" if medium.slow else ""
    old = f" new, and {int(kept[~new].sum()):,} of the {int((~new).sum()):,} there" if before else ""
    yield f"  clean    will keep {int(kept[new].sum()):,} of {int(new.sum()):,}{alone}{old}"
    yield from _drops(examined, name, section, before)
    # Other sources are not read again where that takes long, and they may hold the splits that seem empty.
    error = (loss_of if medium.slow else stop_of)(examined, name, section)
    if error:
        yield f"  problem  a run will stop with: {error}"
        remedy = error.remedy.replace("look at the sheet of the dropped ones; if they", "if these")  # there is none yet
        yield f"  remedy   {remedy}; or, to restore the previous data: {python()} -m flows ingest --undo"


def _drops(examined: Examined, name: str, section: CollectionParams, before: set[str]) -> Iterator[str]:
    """Drop reasons of new samples, with the limits that apply."""
    dropped = examined.dropped
    for reason, count in dropped.loc[~dropped["id"].isin(before), "reason"].value_counts().items():
        limits = (f"collections.{name}.{path} is {section.value_of(path)}" for path in examined.params_of(str(reason)))
        yield f"           drops {count:,}: {reason} ({', '.join(limits)})"
