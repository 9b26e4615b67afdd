"""View of a family, as plain values for the template. Nothing here is HTML but SVG.

Nothing asks which family it is: what is drawn follows from what the files hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from common.yaml_files import read_yaml_file
from models.components.figures import figure_name
from report.components import Bar, Chart, attempt, chart, note, scalars
from report.compression.view import SearchView, fill_search, rival_name
from report.data.decisions import RecordedDecision
from report.data.loaders import Collection, FamilyFacts, counts, pictures
from report.formatting import NONE, TIMES, bytes_text, figure_text, made_from_line, part_name
from report.images import charts
from report.page.data_uri import EmbeddedPicture, picture
from report.text.messages import outcome_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from report.data.run import NightlyRun

SOURCE_FIGURES = 6


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
    """Result of augmentation on the training split."""

    note: str = ""
    beside: str = ""  # what travels along for students
    bars: list[Bar] = field(default_factory=list)
    pictures: list[EmbeddedPicture] = field(default_factory=list)


@dataclass
class FamilyView:
    """Everything about one family."""

    name: str
    version: int | None = None  # in use as the run ends
    broken: list[str] = field(default_factory=list)
    frames: list[tuple[str, str, str]] = field(default_factory=list)
    augmented: SetView = field(default_factory=SetView)
    training_note: str = ""
    training: str = ""
    curves: list[Chart] = field(default_factory=list)
    progress: list[EmbeddedPicture] = field(default_factory=list)
    owed: str = ""  # whom the pictures are owed to
    scores_note: str = ""
    charts: list[Chart] = field(default_factory=list)
    labels: list[LabelRow] = field(default_factory=list)
    parts: list[Bar] = field(default_factory=list)
    source_columns: list[str] = field(default_factory=list)
    as_given: str = ""
    sources: list[tuple[str, list[str]]] = field(default_factory=list)
    pictures: list[EmbeddedPicture] = field(default_factory=list)
    pairs_note: str = ""
    pairs: list[Pair] = field(default_factory=list)
    parity: list[tuple[str, str]] = field(default_factory=list)
    machine: str = ""
    search: SearchView = field(default_factory=SearchView)
    peak: bool = False  # whether the figure of memory has to be explained
    decision_note: str = ""
    decision_title: str = ""
    decision: RecordedDecision | None = None
    interval: Chart | None = None
    rival: str = "champion"
    rivals: list[tuple[str, str, str]] = field(default_factory=list)
    origin_note: str = ""
    origin: list[tuple[str, str]] = field(default_factory=list)
    packages: list[tuple[str, str]] = field(default_factory=list)
    licences: list[str] = field(default_factory=list)

    @property
    def links(self) -> list[tuple[str, str]]:
        """The run and the version in MLflow's pages."""
        known = self.decision or RecordedDecision()
        found = {"run": known.run_url, f"version {known.version}": known.version_url}
        return [(name, url) for name, url in found.items() if url and url.startswith(("http://", "https://"))]


def family_view(
    facts: FamilyFacts, collection: Collection, nightly: NightlyRun, decision: RecordedDecision | None
) -> FamilyView:
    """Everything about a family; each part stands alone, so that one broken file costs one part."""
    view = FamilyView(facts.name, decision=decision, version=_in_use(facts.name, nightly, decision))
    attempt(view, _augmented, facts, collection, nightly)
    for part in (_training, _scores, _classifier, _compared, _search, _decided, _origin, _frames):
        attempt(view, part, facts, nightly)
    return view


def _in_use(family: str, nightly: NightlyRun, decision: RecordedDecision | None) -> int | None:
    if nightly.champions and family in nightly.champions:
        return nightly.champions[family]
    return decision.champion_after if decision and nightly.decided(family) else None


def _augmented(view: FamilyView, facts: FamilyFacts, collection: Collection, nightly: NightlyRun) -> None:
    view.owed = made_from_line(facts.credits or collection.credits)
    view.augmented.note = note(nightly, "augment", facts.name, there=facts.table is not None)
    view.augmented.pictures = [p for path, caption in pictures(facts.folder / "set") if (p := picture(path, caption))]
    view.augmented.beside = beside_text(facts.set_info)
    if facts.table is None or collection.table is None:
        return
    before, after = counts(collection.table), counts(facts.table)
    rows = {label: (splits["train"], after.get(label, {}).get("train", 0)) for label, splits in before.items()}
    longest = max((max(pair) for pair in rows.values()), default=0) or 1
    view.augmented.bars = [
        Bar(label, (old, new), (100 * min(old, new) / longest, 100 * max(0, new - old) / longest))
        for label, (old, new) in rows.items()
    ]


def beside_text(info: Mapping[str, Any]) -> str:
    """Sentence on the unlabelled pictures that students learn from; empty where there are none."""
    taken, there = info.get("unlabelled") or 0, info.get("without_label") or 0
    if not there:
        return ""
    share = f"all {there:,}" if taken == there else f"{taken:,} of {there:,}"
    return f"Beside these, {share} pictures without a label: students learn what the trained network reads in them."


def _training(view: FamilyView, facts: FamilyFacts, nightly: NightlyRun) -> None:
    history = facts.history
    view.training_note = note(nightly, "train", facts.name, there=history is not None and len(history) > 0)
    if history is None:
        return
    view.training = _training_text(facts.summary, len(history))
    for name, series in charts.curve_panels(history).items():
        title = f"{charts.curve_name(name)} by epoch"
        view.curves.append(chart(charts.curve_figure(name, series), title))
    found = [p for path, caption in pictures(facts.folder / "train") if (p := picture(path, caption))]
    view.progress = sorted(found, key=lambda shown: not shown.moves)


def _training_text(summary: dict[str, Any], rows: int) -> str:
    epochs = summary.get("epochs", rows)
    # Training counts from 0; its log, the pager and the curves here from 1.
    best = f", the best of them {summary['best_epoch'] + 1}" if "best_epoch" in summary else ""
    early = "; stopped early, as it no longer got better" if summary.get("stopped_early") else ""
    return f"{epochs} epochs{best}{early}."


def _scores(view: FamilyView, facts: FamilyFacts, nightly: NightlyRun) -> None:
    metrics = facts.metrics
    view.scores_note = note(nightly, "evaluate", facts.name, there=bool(metrics))
    drawn = _native(facts)
    view.charts = list(drawn.values())
    found = [(path, caption) for path, caption in pictures(facts.folder / "scores") if path.stem not in drawn]
    view.pictures = [p for path, caption in found if (p := picture(path, caption))]
    worst = dict(scalars(metrics.get("worst")))
    if worst and all(isinstance(value, int | float) for value in worst.values()):
        lowest = min(worst, key=lambda part: worst[part])
        # Shares fill a bar by themselves; negated figures, such as bits, by the largest: the longer, the worse.
        whole = max(1.0, *map(abs, worst.values())) if min(worst.values()) < 0 else 1.0
        view.parts = [
            Bar(part_name(part), (), (min(1.0, abs(v) / whole) * 100, v), mark=part == lowest)
            for part, v in worst.items()
        ]
    _score_sources(view, metrics.get("sources"))
    view.as_given = _as_given_text(metrics)


def _as_given_text(metrics: dict[str, Any]) -> str:
    """The figures over the whole of the test split, where clean has dropped some of it."""
    given = dict(scalars(metrics.get("as_given")))
    number, kept = given.pop("samples", 0), metrics.get("samples", 0)
    if not isinstance(number, int) or not isinstance(kept, int) or number <= kept:
        return ""
    figures = ", ".join(f"{figure_name(name)} {figure_text(value)}" for name, value in given.items())
    return f"Over all {number:,} test samples, those {number - kept:,} too that clean dropped: {figures}."


def _score_sources(view: FamilyView, sources: object) -> None:
    if not isinstance(sources, dict):
        return
    figures = {str(name): dict(scalars(part.get("compressed", part))) for name, part in sources.items()}
    view.source_columns = list(dict.fromkeys(key for part in figures.values() for key in part))[:SOURCE_FIGURES]
    view.sources = [
        (name, [figure_text(part.get(key)) for key in view.source_columns]) for name, part in figures.items()
    ]


def _native(facts: FamilyFacts) -> dict[str, Chart]:
    """Charts that the page draws itself, sharp and in its own light; each replaces the picture of the same name."""
    drawn = {"confusion": _confusion(facts), "reliability": _reliability(facts)}
    return {name: found for name, found in drawn.items() if found}


def _confusion(facts: FamilyFacts) -> Chart | None:
    matrix, labels = facts.metrics.get("confusion"), facts.metrics.get("labels")
    if not matrix or not labels or np.shape(matrix) != (len(labels), len(labels)):
        return None
    caption = "Confusion: percent of each true label, and below it how many"
    return chart(charts.confusion_figure(matrix, [str(label) for label in labels]), "Confusion matrix", caption)


def _reliability(facts: FamilyFacts) -> Chart | None:
    rows = facts.rows
    if "confusion" not in facts.metrics or rows is None or not {"confidence", "label", "predicted"} <= set(rows):
        return None
    caption = "Calibration: how often it is right, by how sure it is"
    figure = charts.reliability_figure(rows["confidence"], rows["label"] == rows["predicted"])
    return chart(figure, "Reliability diagram", caption)


def _classifier(view: FamilyView, facts: FamilyFacts, _run_of: NightlyRun) -> None:
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


def _compared(view: FamilyView, facts: FamilyFacts, nightly: NightlyRun) -> None:
    """fp32 beside compressed: figures, bytes, latency, and how near the files are to the trained network."""
    metrics, certificate = facts.metrics, facts.certificate
    proved = certificate.get("metrics") or {}
    old, new = (dict(scalars(metrics.get(side) or proved.get(side))) for side in ("fp32", "compressed"))
    view.pairs_note = note(nightly, "evaluate", facts.name, there=bool(old or new))
    objective = certificate.get("objective")
    names = sorted(dict.fromkeys([*old, *new]), key=lambda name: name != objective)
    view.pairs = [_figure_pair(name, old.get(name), new.get(name), leads=name == objective) for name in names]
    view.pairs += _ratio_pair("size", certificate.get("size_bytes"), bytes_text, "smaller", "larger")
    view.pairs += _ratio_pair("latency", certificate.get("latency_ms"), _ms, "faster", "slower")
    view.pairs += _spread_pairs(certificate.get("percentiles_ms"))
    view.pairs += _ratio_pair("multiply-adds", certificate.get("multiply_adds"), _millions, "fewer", "more")
    view.pairs += _ratio_pair("peak memory", certificate.get("peak_bytes"), bytes_text, "less", "more")
    view.peak = any(pair.name == "peak memory" for pair in view.pairs)
    view.parity = [(figure_name(k), figure_text(v)) for k, v in scalars(certificate.get("parity"))]
    view.machine = ", ".join(f"{name} {value}" for name, value in scalars(certificate.get("machine")))


def _figure_pair(name: str, old: Any, new: Any, *, leads: bool) -> Pair:  # noqa: ANN401  any JSON
    numbers = all(isinstance(value, int | float) for value in (old, new))
    title = f"{figure_name(name)} (objective)" if leads else figure_name(name)
    change = NONE if not numbers else "0" if new == old else figure_text(new - old, signed=True)
    return Pair(title, figure_text(old), figure_text(new), change)


def _ratio_pair(name: str, values: object, text: Callable[[float], str], less: str, more: str) -> list[Pair]:
    sides = dict(scalars(values))
    old, new = sides.get("fp32"), sides.get("compressed")
    if not old or not new:
        return []
    ratio = f"{old / new:.1f}{TIMES} {less}" if new <= old else f"{new / old:.1f}{TIMES} {more}"
    return [Pair(name, text(old), text(new), ratio)]


def _spread_pairs(percentiles: Mapping[str, Any] | None) -> list[Pair]:
    """The spread of the latencies, a line for each number of threads; the change is that of the slow ones."""
    old, new = ((percentiles or {}).get(side) or {} for side in ("fp32", "compressed"))
    pairs = []
    for threads in sorted(set(old) & set(new)):
        name = f"latency on {threads} thread{'s' if threads != '1' else ''}, {' / '.join(old[threads])}"
        texts = [" / ".join(f"{ms:.2f}" for ms in side[threads].values()) + " ms" for side in (old, new)]
        p95 = {"fp32": old[threads].get("p95"), "compressed": new[threads].get("p95")}
        change = [pair.change + ", p95" for pair in _ratio_pair(name, p95, _ms, "faster", "slower")]
        pairs.append(Pair(name, *texts, *(change or [NONE])))
    return pairs


def _ms(value: float) -> str:
    return f"{value:.2f} ms"


def _millions(value: float) -> str:
    return f"{value / 1e6:,.2f} M"


def _search(view: FamilyView, facts: FamilyFacts, nightly: NightlyRun) -> None:
    fill_search(view.search, facts, nightly, view.decision)


def _decided(view: FamilyView, facts: FamilyFacts, nightly: NightlyRun) -> None:
    decision = view.decision
    if decision is None:
        view.decision_note = note(nightly, "register", facts.name, there=False)
        return
    tonight = nightly.decided(facts.name)
    view.decision_note = "" if tonight else "From an earlier run: tonight nothing was decided."
    view.decision_title = outcome_text(facts.name, decision, tonight=tonight)
    figures = decision.objective
    view.rival = rival_name(decision)
    view.rivals = [(figure_name(figures.name), figure_text(figures.challenger), figure_text(figures.champion))]
    for name, values, text in (("size", decision.size_bytes, bytes_text), ("latency", decision.latency_ms, _ms)):
        sides = {"challenger": values.get("compressed"), **values}  # a size is the same wherever it is taken
        if sides.get("challenger") and sides.get("champion"):
            view.rivals.append((name, text(sides["challenger"]), text(sides["champion"])))
    if figures.gain is not None and figures.low is not None and figures.high is not None:
        needed = _min_gain(facts.root, facts.name)
        figure = charts.interval_figure(figures.gain, figures.low, figures.high, needed)
        caption = f"Gain of {figure_name(figures.name)} over the champion, with its paired 95 % interval"
        view.interval = chart(figure, caption, caption)


def _min_gain(root: Path, family: str) -> float:
    """`min_gain` of mlflow/promotion.yaml, for this family or for all; 0 where the file cannot be read."""
    try:
        rules = read_yaml_file(root / "mlflow" / "promotion.yaml")
    except (OSError, yaml.YAMLError):
        return 0.0
    given = rules if isinstance(rules, dict) else {}
    own = (given.get("families") or {}).get(family) or {}
    gain = own.get("min_gain", given.get("min_gain"))
    return float(gain) if isinstance(gain, int | float) else 0.0


def _origin(view: FamilyView, facts: FamilyFacts, nightly: NightlyRun) -> None:
    summary, decision = facts.summary, view.decision
    params = summary.get("params")
    seed = next((value for key, value in _pairs(params) if key == "seed"), None)
    rows = [
        ("record", nightly.record),
        ("data, md5", nightly.data_md5),
        ("key of data, params and code", summary.get("key")),
        ("bundle, sha256", decision.digest if decision else facts.certificate.get("digest")),
        ("seed", seed),
    ]
    view.origin = [(name, str(value)) for name, value in rows if value not in (None, "")]
    if not nightly.decided(facts.name) and (decision or summary):
        view.origin_note = "Key, bundle and seed are of an earlier run; the record and the data are tonight's."
    view.packages = [(name, str(value)) for name, value in scalars(summary.get("packages"))]
    files = facts.manifest.get("files") or {}
    view.licences = [f"In the bundle, {name}: {f['licence']}." for name, f in files.items() if f.get("licence")]


def _pairs(value: object) -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        return []
    return [*value.items(), *(pair for inner in value.values() for pair in _pairs(inner))]


def _frames(view: FamilyView, _facts: FamilyFacts, _run_of: NightlyRun) -> None:
    """The few figures that a person asks for first."""
    decision = view.decision
    if decision and decision.objective.challenger is not None:
        champion = decision.objective.champion
        against = f"{view.rival} {figure_text(champion)}" if champion is not None else "no champion to beat"
        against = "the champion itself" if decision.is_champion else against
        name = figure_name(decision.objective.name)
        view.frames.append((name, figure_text(decision.objective.challenger), against))
    for name in ("accuracy", "size", "latency"):
        pair = next((pair for pair in view.pairs if pair.name.startswith(name)), None)
        if pair and not any(pair.name.startswith(frame[0]) for frame in view.frames):
            view.frames.append((name, pair.compressed, pair.change if TIMES in pair.change else f"fp32 {pair.fp32}"))
    if view.labels:
        worst = next(row for row in view.labels if row.worst)
        view.frames.append(("worst label", figure_text(worst.f1), worst.label))
    elif view.parts:
        lowest = next(row for row in view.parts if row.mark)
        view.frames.append(("lowest part", figure_text(lowest.parts[1]), lowest.name))
