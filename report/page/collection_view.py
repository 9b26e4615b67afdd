"""View of a collection, as plain values for the template: counts, sources, dropped samples, sheets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from curation.store.sample_set import REASONS_APART
from models.components.figures import figure_name
from report.components import Bar, attempt, note, stacked
from report.data.loaders import Collection, counts, pictures
from report.formatting import figure_text
from report.page.data_uri import EmbeddedPicture, drawn_sheet, picture

if TYPE_CHECKING:
    import pandas as pd

    from report.data.run import NightlyRun

KEPT_SHOWN = 56


@dataclass(frozen=True)
class SourceRow:
    """One source of a collection."""

    name: str
    samples: int
    kept: int
    licence: str
    starter: bool
    apart: int = 0  # that nothing speaks against

    @property
    def dropped_share(self) -> float:
        """The part that the checks dropped."""
        return 1 - (self.kept + self.apart) / self.samples if self.samples else 0.0


@dataclass
class CollectionView:
    """The data of one collection."""

    name: str
    families: list[str]
    note: str = ""
    broken: list[str] = field(default_factory=list)
    total: int = 0
    kept: int = 0
    bars: list[Bar] = field(default_factory=list)
    sources: list[SourceRow] = field(default_factory=list)
    dropped: list[Bar] = field(default_factory=list)
    findings: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    pictures: list[EmbeddedPicture] = field(default_factory=list)


def collection_view(facts: Collection, families: list[str], nightly: NightlyRun) -> CollectionView:
    """The data of a collection: counts, sources, what was dropped and why, sheets."""
    view = CollectionView(facts.name, families, note(nightly, "clean", facts.name, there=facts.table is not None))
    for part in (_sheets, _counted, _kept_sheet):
        attempt(view, part, facts)
    return view


def _sheets(view: CollectionView, facts: Collection) -> None:
    view.pictures = [p for path, caption in pictures(facts.folder) if (p := picture(path, caption))]


def _counted(view: CollectionView, facts: Collection) -> None:
    if facts.table is None:
        return
    view.total, view.kept = len(facts.table), int(facts.table["kept"].astype(bool).sum())
    view.bars = stacked({label: tuple(splits.values()) for label, splits in counts(facts.table).items()})
    view.sources = _sources(facts.table, dict(facts.sources))
    view.dropped = stacked({reason: (number,) for reason, number in facts.dropped.items()})
    found = [(figure_name(name), value) for name, value in _named(facts.info.get("findings"))]
    view.findings = [(name, figure_text(value)) for name, value in found if value]
    view.findings += [(f"left out: {name}", figure_text(value)) for name, value in _named(facts.info.get("left_out"))]
    view.remarks = [str(remark) for remark in facts.info.get("not_judged") or []]
    absent = "; ".join(name for name, value in found if not value)
    view.remarks += [f"Looked for and not found: {absent}."] if absent else []


def _sources(table: pd.DataFrame, about: dict[str, dict[str, Any]]) -> list[SourceRow]:
    rows = []
    for source, samples in table.groupby("source"):
        known = about.get(str(source), {})
        kept = int(samples["kept"].astype(bool).sum())
        licence, starter = str(known.get("licence") or ""), bool(known.get("starter"))
        apart = int(samples["reason"].isin(REASONS_APART).sum())
        rows.append(SourceRow(str(source), len(samples), kept, licence, starter, apart))
    return rows


def _named(value: object, prefix: str = "") -> list[tuple[str, Any]]:
    """Figures by their whole name: {"exact duplicate": {"across splits": 3}} is "exact duplicate, across splits"."""
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in _named(inner, f"{prefix}, {key}" if prefix else key)]
    return [(prefix, value)] if isinstance(value, int | float | str) else []


def _kept_sheet(view: CollectionView, facts: Collection) -> None:
    """As many of each label, by the order of their ids: the same data give the same sheet."""
    # Of texts and takes clean has drawn all that there is to see.
    in_pieces = facts.table is not None and "offset" in facts.table
    if facts.table is None or in_pieces or any("kept" in shown.name for shown in view.pictures):
        return
    rows = facts.samples.kept("train")
    each = max(1, KEPT_SHOWN // max(1, rows["label"].nunique()))
    rows = rows.sort_values("id").groupby("label", sort=True).head(each).sort_values(["label", "id"])
    pictures_nhwc = facts.samples.array("train")[rows["row"].to_numpy()]
    kept = drawn_sheet(list(pictures_nhwc), list(rows["label"]), "kept") if len(rows) else None
    view.pictures += [kept] if kept else []
