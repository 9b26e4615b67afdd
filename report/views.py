"""What the page shows of a collection and of a family, as plain values for the template. Nothing here is HTML but SVG.

Nothing asks which family it is: what is drawn follows from what the files hold.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from markupsafe import Markup

from report import charts
from report.facts import UNREADABLE, Collection, FamilyFacts, counts, pictures
from report.pictures import Picture, drawn_sheet, picture
from report.words import NONE, TIMES, bytes_text, figure_text, metric_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from report.decisions import Decision
    from report.night import Night

logger = logging.getLogger(__name__)

KEPT_SHOWN = 48
SOURCE_FIGURES = 6


@dataclass(frozen=True)
class Bar:
    """A row of a table with a bar: parts in percent of the longest row."""

    name: str
    values: tuple[int, ...]
    parts: tuple[float, ...]
    mark: bool = False


@dataclass(frozen=True)
class Chart:
    """An SVG and what it says."""

    svg: Markup
    caption: str = ""


@dataclass(frozen=True)
class SourceRow:
    """One source of a collection."""

    name: str
    samples: int
    kept: int
    licence: str
    starter: bool

    @property
    def dropped_share(self) -> float:
        """The part that the checks dropped."""
        return 1 - self.kept / self.samples if self.samples else 0.0


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
    pictures: list[Picture] = field(default_factory=list)


@dataclass(frozen=True)
class LabelRow:
    """The scores of one label."""

    label: str
    support: int
    precision: float
    recall: float
    f1: float
    worst: bool


@dataclass(frozen=True)
class Pair:
    """One line of fp32 against compressed."""

    name: str
    fp32: str
    compressed: str
    change: str


@dataclass
class SetView:
    """What augmentation made of the training split."""

    note: str = ""
    bars: list[Bar] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)


@dataclass
class FamilyView:
    """Everything about one family."""

    name: str
    version: int | None = None  # in use as the night ends
    broken: list[str] = field(default_factory=list)
    frames: list[tuple[str, str, str]] = field(default_factory=list)
    augmented: SetView = field(default_factory=SetView)
    training_note: str = ""
    training: str = ""
    curves: list[Chart] = field(default_factory=list)
    scores_note: str = ""
    charts: list[Chart] = field(default_factory=list)
    labels: list[LabelRow] = field(default_factory=list)
    parts: list[Bar] = field(default_factory=list)
    source_columns: list[str] = field(default_factory=list)
    sources: list[tuple[str, list[str]]] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    pairs_note: str = ""
    pairs: list[Pair] = field(default_factory=list)
    parity: list[tuple[str, str]] = field(default_factory=list)
    machine: str = ""
    decision_note: str = ""
    decision: Decision | None = None
    interval: Chart | None = None
    rival: str = "champion"
    rivals: list[tuple[str, str, str]] = field(default_factory=list)
    origin: list[tuple[str, str]] = field(default_factory=list)
    packages: list[tuple[str, str]] = field(default_factory=list)
    licences: list[str] = field(default_factory=list)


def collection_view(facts: Collection, families: list[str], night: Night) -> CollectionView:
    """The data of a collection: counts, sources, what was dropped and why, sheets."""
    view = CollectionView(facts.name, families, _note(night, "clean", facts.name, there=facts.table is not None))
    for part in (_sheets, _counted, _kept_sheet):
        _attempt(view, part, facts)
    return view


def family_view(facts: FamilyFacts, collection: Collection, night: Night, decision: Decision | None) -> FamilyView:
    """Everything about a family; each part stands alone, so that one broken file costs one part."""
    view = FamilyView(facts.name, decision=decision, version=_in_use(facts.name, night, decision))
    _attempt(view, _augmented, facts, collection, night)
    for part in (_training, _scores, _classifier, _compared, _decided, _origin, _frames):
        _attempt(view, part, facts, night)
    return view


def _attempt(view: CollectionView | FamilyView, part: Callable[..., None], *values: Any) -> None:  # noqa: ANN401
    """Fills one part of a view; a part that can't be drawn is named in the page.

    Whatever goes wrong is caught: a report that died on one odd file would hide why the night went wrong.
    """
    try:
        part(view, *values)
    except Exception as error:
        name = part.__name__.strip("_").replace("_", " ")
        logger.warning("report: %s of %s can't be drawn", name, view.name, exc_info=True)
        view.broken.append(f"{name}: can't be drawn ({type(error).__name__}: {error})")


def _in_use(family: str, night: Night, decision: Decision | None) -> int | None:
    if night.champions and family in night.champions:
        return night.champions[family]
    return decision.champion_after if decision and night.decided(family) else None


def stacked(rows: dict[str, tuple[int, ...]]) -> list[Bar]:
    """Rows with bars in percent of the longest."""
    longest = max((sum(values) for values in rows.values()), default=0) or 1
    return [
        Bar(name, values, tuple(round(100 * value / longest, 2) for value in values)) for name, values in rows.items()
    ]


def _note(night: Night, stage: str, item: str, *, there: bool) -> str:
    """Why a part is empty, or that it is not tonight's."""
    state = night.state(stage, item)
    lost = state in ("failed", "not reached")
    if there:
        return f"From an earlier night: tonight {_became(stage, state)}." if lost else ""
    return f"Nothing to show: {_became(stage, state) if lost else f'{stage} has left nothing here'}."


def _became(stage: str, state: str | None) -> str:
    return f"{stage} failed" if state == "failed" else f"{stage} was not reached"


def _scalars(value: Any) -> list[tuple[str, Any]]:  # noqa: ANN401  any JSON
    return [(k, v) for k, v in value.items() if isinstance(v, int | float | str)] if isinstance(value, dict) else []


def _named(value: Any, prefix: str = "") -> list[tuple[str, Any]]:  # noqa: ANN401  any JSON
    """Figures by their whole name: {"exact duplicate": {"across splits": 3}} is "exact duplicate, across splits"."""
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in _named(inner, f"{prefix}, {key}" if prefix else key)]
    return [(prefix, value)] if isinstance(value, int | float | str) else []


def _sources(table: pd.DataFrame, about: dict[str, dict[str, Any]]) -> list[SourceRow]:
    rows = []
    for source, samples in table.groupby("source"):
        known = about.get(str(source), {})
        kept = int(samples["kept"].astype(bool).sum())
        licence, starter = str(known.get("licence") or ""), bool(known.get("starter"))
        rows.append(SourceRow(str(source), len(samples), kept, licence, starter))
    return rows


def _sheets(view: CollectionView, facts: Collection) -> None:
    view.pictures = [p for path, caption in pictures(facts.folder) if (p := picture(path, caption))]


def _counted(view: CollectionView, facts: Collection) -> None:
    if facts.table is None:
        return
    view.total, view.kept = len(facts.table), int(facts.table["kept"].astype(bool).sum())
    view.bars = stacked({label: tuple(splits.values()) for label, splits in counts(facts.table).items()})
    view.sources = _sources(facts.table, dict(facts.sources))
    view.dropped = stacked({reason: (number,) for reason, number in facts.dropped.items()})
    view.findings = [(metric_name(name), figure_text(value)) for name, value in _named(facts.info.get("findings"))]
    view.findings += [(f"left out: {name}", figure_text(value)) for name, value in _named(facts.info.get("left_out"))]
    view.remarks = [str(remark) for remark in facts.info.get("not_judged") or []]


def _kept_sheet(view: CollectionView, facts: Collection) -> None:
    """As many of each label, by the order of their ids: the same data give the same sheet."""
    if facts.table is None or any("kept" in shown.name for shown in view.pictures):
        return
    rows = facts.samples.kept("train")
    each = max(1, KEPT_SHOWN // max(1, rows["label"].nunique()))
    rows = rows.sort_values("id").groupby("label", sort=True).head(each).sort_values(["label", "id"])
    pictures_nhwc = facts.samples.array("train")[rows["row"].to_numpy()]
    kept = drawn_sheet(list(pictures_nhwc), list(rows["label"]), "kept") if len(rows) else None
    view.pictures += [kept] if kept else []


def _augmented(view: FamilyView, facts: FamilyFacts, collection: Collection, night: Night) -> None:
    view.augmented.note = _note(night, "augment", facts.name, there=facts.table is not None)
    view.augmented.pictures = [p for path, caption in pictures(facts.folder / "set") if (p := picture(path, caption))]
    if facts.table is None or collection.table is None:
        return
    before, after = counts(collection.table), counts(facts.table)
    rows = {label: (splits["train"], after.get(label, {}).get("train", 0)) for label, splits in before.items()}
    longest = max((max(pair) for pair in rows.values()), default=0) or 1
    view.augmented.bars = [
        Bar(label, (old, new), (100 * min(old, new) / longest, 100 * max(0, new - old) / longest))
        for label, (old, new) in rows.items()
    ]


def _training(view: FamilyView, facts: FamilyFacts, night: Night) -> None:
    history = facts.history
    view.training_note = _note(night, "train", facts.name, there=history is not None and len(history) > 0)
    if history is None:
        return
    view.training = _training_text(facts.summary, len(history))
    for name, series in charts.curve_panels(history).items():
        title = f"{charts.CURVE_NAMES.get(name, name)} by epoch"
        view.curves.append(_chart(charts.curve_figure(name, series), title))


def _training_text(summary: dict[str, Any], rows: int) -> str:
    epochs = summary.get("epochs", rows)
    best = f", the best of them {summary['best_epoch']}" if "best_epoch" in summary else ""
    early = "; stopped early, as it no longer got better" if summary.get("stopped_early") else ""
    return f"{epochs} epochs{best}{early}."


def _chart(figure: Any, title: str, caption: str = "") -> Chart:  # noqa: ANN401  a matplotlib figure
    return Chart(Markup(charts.inline(figure, title)), caption)  # noqa: S704  charts.inline escapes its texts


def _scores(view: FamilyView, facts: FamilyFacts, night: Night) -> None:
    metrics = facts.metrics
    view.scores_note = _note(night, "evaluate", facts.name, there=bool(metrics))
    drawn = _native(facts)
    view.charts = list(drawn.values())
    found = [(path, caption) for path, caption in pictures(facts.folder / "scores") if path.stem not in drawn]
    view.pictures = [p for path, caption in found if (p := picture(path, caption))]
    worst = dict(_scalars(metrics.get("worst")))
    if worst and all(isinstance(value, int | float) for value in worst.values()):
        lowest = min(worst, key=lambda part: worst[part])
        view.parts = [Bar(part, (), (max(0.0, min(1.0, v)) * 100, v), mark=part == lowest) for part, v in worst.items()]
    _score_sources(view, metrics.get("sources"))


def _score_sources(view: FamilyView, sources: Any) -> None:  # noqa: ANN401  any JSON
    if not isinstance(sources, dict):
        return
    figures = {str(name): dict(_scalars(part.get("compressed", part))) for name, part in sources.items()}
    view.source_columns = list(dict.fromkeys(key for part in figures.values() for key in part))[:SOURCE_FIGURES]
    view.sources = [
        (name, [figure_text(part.get(key)) for key in view.source_columns]) for name, part in figures.items()
    ]


def _native(facts: FamilyFacts) -> dict[str, Chart]:
    """Charts that the page draws itself, sharp and in its own light; each replaces the picture of the same name."""
    drawn = {"confusion": _confusion(facts), "reliability": _reliability(facts)}
    return {name: chart for name, chart in drawn.items() if chart}


def _confusion(facts: FamilyFacts) -> Chart | None:
    matrix, labels = facts.metrics.get("confusion"), facts.metrics.get("labels")
    if not matrix or not labels or np.shape(matrix) != (len(labels), len(labels)):
        return None
    caption = "Confusion: percent of each true label, and below it how many"
    return _chart(charts.confusion_figure(matrix, [str(label) for label in labels]), "Confusion matrix", caption)


def _reliability(facts: FamilyFacts) -> Chart | None:
    rows = facts.rows
    if "confusion" not in facts.metrics or rows is None or not {"confidence", "label", "predicted"} <= set(rows):
        return None
    caption = "Calibration: how often it is right, by how sure it is"
    figure = charts.reliability_figure(rows["confidence"], rows["label"] == rows["predicted"])
    return _chart(figure, "Reliability diagram", caption)


def _classifier(view: FamilyView, facts: FamilyFacts, _night: Night) -> None:
    """Precision, recall and F1 of each label, out of the confusion matrix; only where there is one."""
    if "confusion" not in facts.metrics:
        return
    counts_ll = np.asarray(facts.metrics["confusion"], float)
    right_l, truth_l, read_l = np.diag(counts_ll), counts_ll.sum(axis=1), counts_ll.sum(axis=0)
    f1_l = 2 * right_l / np.maximum(truth_l + read_l, 1)
    recall_l, precision_l = right_l / np.maximum(truth_l, 1), right_l / np.maximum(read_l, 1)
    worst = int(np.argmin(np.where(truth_l > 0, f1_l, np.inf)))
    view.labels = [
        LabelRow(str(label), int(truth_l[i]), precision_l[i], recall_l[i], f1_l[i], i == worst)
        for i, label in enumerate(facts.metrics["labels"])
    ]


def _compared(view: FamilyView, facts: FamilyFacts, night: Night) -> None:
    """fp32 beside compressed: figures, bytes, latency, and how near the files are to the trained network."""
    metrics, certificate = facts.metrics, facts.certificate
    proved = certificate.get("metrics") or {}
    old, new = (dict(_scalars(metrics.get(side) or proved.get(side))) for side in ("fp32", "compressed"))
    view.pairs_note = _note(night, "evaluate", facts.name, there=bool(old or new))
    objective = certificate.get("objective")
    names = sorted(dict.fromkeys([*old, *new]), key=lambda name: name != objective)
    view.pairs = [_figure_pair(name, old.get(name), new.get(name), leads=name == objective) for name in names]
    view.pairs += _ratio_pair("size", certificate.get("size_bytes"), bytes_text, "smaller", "larger")
    view.pairs += _ratio_pair("latency", certificate.get("latency_ms"), _ms, "faster", "slower")
    view.parity = [(metric_name(k), figure_text(v)) for k, v in _scalars(certificate.get("parity"))]
    view.machine = ", ".join(str(value) for _, value in _scalars(certificate.get("machine")))


def _figure_pair(name: str, old: Any, new: Any, *, leads: bool) -> Pair:  # noqa: ANN401  any JSON
    numbers = all(isinstance(value, int | float) for value in (old, new))
    title = f"{metric_name(name)} (objective)" if leads else metric_name(name)
    return Pair(title, figure_text(old), figure_text(new), figure_text(new - old, signed=True) if numbers else NONE)


def _ratio_pair(name: str, values: Any, text: Callable[[float], str], less: str, more: str) -> list[Pair]:  # noqa: ANN401
    sides = dict(_scalars(values))
    old, new = sides.get("fp32"), sides.get("compressed")
    if not old or not new:
        return []
    ratio = f"{old / new:.1f}{TIMES} {less}" if new <= old else f"{new / old:.1f}{TIMES} {more}"
    return [Pair(name, text(old), text(new), ratio)]


def _ms(value: float) -> str:
    return f"{value:.2f} ms"


def _decided(view: FamilyView, facts: FamilyFacts, night: Night) -> None:
    decision = view.decision
    if decision is None:
        view.decision_note = _note(night, "register", facts.name, there=False)
        return
    if not night.decided(facts.name):
        view.decision_note = "From an earlier night: tonight nothing was decided."
    figures = decision.objective
    view.rival = _rival(decision)
    view.rivals = [(metric_name(figures.name), figure_text(figures.challenger), figure_text(figures.champion))]
    for name, values, text in (("size", decision.size_bytes, bytes_text), ("latency", decision.latency_ms, _ms)):
        sides = dict(_scalars(values))
        if {"challenger", "champion"} <= set(sides):
            view.rivals.append((name, text(sides["challenger"]), text(sides["champion"])))
    if figures.gain is not None and figures.low is not None and figures.high is not None:
        needed = _min_gain(facts.root, facts.name)
        figure = charts.interval_figure(figures.gain, figures.low, figures.high, needed)
        caption = f"Gain of {metric_name(figures.name)} over the champion, with its paired 95 % interval"
        view.interval = _chart(figure, caption, caption)


def _rival(decision: Decision) -> str:
    """Whom it was measured against. A champion that came out again was judged when it was new, against the one then."""
    if decision.champion_before is None or decision.champion_before == decision.version:
        return "champion then"
    return f"champion v{decision.champion_before}"


def _min_gain(root: Path, family: str) -> float:
    """What mlflow/promotion.yaml asks of the lower end, of this family or of all; 0 if that can't be found."""
    try:
        rules = yaml.safe_load((root / "mlflow" / "promotion.yaml").read_text(encoding="utf-8"))
        own = (rules.get("families") or {}).get(family) or {}
        return float(own.get("min_gain", rules["min_gain"]))
    except UNREADABLE:
        return 0.0


def _pairs(value: Any) -> list[tuple[str, Any]]:  # noqa: ANN401  any YAML
    if not isinstance(value, dict):
        return []
    return [*value.items(), *(pair for inner in value.values() for pair in _pairs(inner))]


def _origin(view: FamilyView, facts: FamilyFacts, night: Night) -> None:
    summary, decision = facts.summary, view.decision
    params = summary.get("params")
    seed = next((value for key, value in _pairs(params) if key == "seed"), None)
    rows = [
        ("record", night.record),
        ("data, md5", night.data_md5),
        ("key of data, params and code", summary.get("key")),
        ("bundle, sha256", decision.digest if decision else facts.certificate.get("digest")),
        ("seed", seed),
    ]
    view.origin = [(name, str(value)) for name, value in rows if value not in (None, "")]
    view.packages = [(name, str(value)) for name, value in _scalars(summary.get("packages"))]
    files = facts.manifest.get("files") or {}
    view.licences = [f"In the bundle, {name}: {f['licence']}." for name, f in files.items() if f.get("licence")]


def _frames(view: FamilyView, _facts: FamilyFacts, _night: Night) -> None:
    """The few figures that a person asks for first."""
    decision = view.decision
    if decision and decision.objective.challenger is not None:
        champion = decision.objective.champion
        against = f"{view.rival} {figure_text(champion)}" if champion is not None else "no champion to beat"
        name = metric_name(decision.objective.name)
        view.frames.append((name, figure_text(decision.objective.challenger), against))
    for name in ("accuracy", "size", "latency"):
        pair = next((pair for pair in view.pairs if pair.name.startswith(name)), None)
        if pair and not any(pair.name.startswith(frame[0]) for frame in view.frames):
            view.frames.append((name, pair.compressed, pair.change if TIMES in pair.change else f"fp32 {pair.fp32}"))
    if view.labels:
        worst = next(row for row in view.labels if row.worst)
        view.frames.append(("worst label", figure_text(worst.f1), worst.label))
