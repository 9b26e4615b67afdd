import json
import shutil
from datetime import timedelta
from html.parser import HTMLParser

import pandas as pd
import pytest

from report.page.build import build
from tests.support.drawn_run import LABELS, OWED, with_family

VOID = {"meta", "link", "img", "br", "use"}
REFERENCES = ("src", "href", "srcset", "xlink:href", "data")


def _is_link(tag, value):
    """True for attributes that are followed on a click; nothing is fetched for them."""
    return tag == "a" and value.startswith("http")


class Page(HTMLParser):
    """Visible text, elements and references of a page; every element must be closed in turn."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.texts, self.references, self.open = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        """Opens an element."""
        self.elements.append(tag)
        self.references += [value for name, value in attrs if name in REFERENCES and not _is_link(tag, value)]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Opens and closes an element, as in SVG."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        """Closes the last opened element."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Collects text, except the style sheet's."""
        if not {"style", "title"} & set(self.open):
            self.texts.append(data)

    @property
    def text(self):
        """All text, on one line."""
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(autouse=True)
def _quick(request, monkeypatch):
    """Empties charts: they take most of the time, and most tests do not need them."""
    if "whole" not in request.node.name:
        monkeypatch.setattr(
            "report.images.charts._svg", lambda figure: f'<svg viewBox="0 0 1 1"><!-- {figure} --></svg>'
        )


@pytest.fixture
def drawn(tree, tmp_path):
    """Draws the page of a run over the tree."""
    return lambda nightly, root=tree: build(root, tmp_path / "report", nightly).read_text(encoding="utf-8")


def test_the_whole_page_stands_alone(drawn, nightly):
    """Every reference is a data URI or points into the page; there is no script; its policy forbids fetching."""
    html = drawn(nightly)
    page = Page(html)

    assert [r for r in page.references if not r.startswith(("data:", "#"))] == []
    assert not {"script", "iframe", "object", "embed", "base"} & set(page.elements)
    assert "url(http" not in html.replace('"', "").replace("'", "")
    assert "default-src 'none'" in html


def test_the_page_leads_to_run_and_version(drawn, nightly, tree):
    """Both are links to MLflow's pages; a value that is not a web address is not a link."""
    path = tree / "build/expression/decision.json"
    decision = json.loads(path.read_text())
    path.write_text(json.dumps(decision | {"version_url": "http://127.0.0.1:5000/#/models/expression/versions/12"}))
    html = drawn(nightly)
    path.write_text(json.dumps(decision | {"run_url": "javascript:alert(1)"}))

    assert f'<a href="{decision["run_url"]}"' in html
    assert '<a href="http://127.0.0.1:5000/#/models/expression/versions/12"' in html
    assert "javascript:" not in drawn(nightly)


def test_the_page_has_the_whole_run_in_order(drawn, nightly):
    """Verdict, stages, changes, data, curves, scores, compression, decision, origin, notices."""
    text = Page(drawn(nightly)).text
    parts = [
        "expression v12 promoted", "train@expression", "This is the first report", "samples are fit to learn from",
        "Dropped, and why", "Augmented for expression", "best of them 15", "By label", "By source",
        "Parity with the trained network", "Latency: median", "no label falls behind",
        "key of data, params and code", "MakeHuman",
    ]  # fmt: skip
    places = [text.find(part) for part in parts]

    assert -1 not in places
    assert places == sorted(places)


def test_every_picture_and_chart_is_there(drawn, nightly):
    """Three sheets of data, one of mistakes; four curves, confusion, reliability, the interval."""
    page = Page(drawn(nightly))

    assert page.elements.count("img") == 4
    assert page.elements.count("svg") == 7
    assert page.open == []


def test_hostile_text_stays_text_in_the_whole_page(drawn, nightly, tree):
    """A label, a reason and a message that look like HTML are shown as text."""
    evil = "<script>alert(1)</script>"
    table = pd.read_parquet(tree / "build/clean/faces/samples.parquet")
    table.loc[table["label"] == "happy", "label"] = evil
    table.to_parquet(tree / "build/clean/faces/samples.parquet")
    metrics = json.loads((tree / "build/expression/scores/metrics.json").read_text())
    metrics["labels"][3] = evil
    (tree / "build/expression/scores/metrics.json").write_text(json.dumps(metrics))
    nightly.stages[0].why = f"{evil}<img src=x onerror=alert(1)>"

    page = Page(drawn(nightly))

    assert "script" not in page.elements
    assert page.text.count(evil) >= 4
    assert "x" not in page.references


def test_a_failed_run_has_a_remedy(drawn, failed_run):
    """Remedy, log, command and the last lines; figures of an earlier run are marked."""
    text = Page(drawn(failed_run)).text

    assert "FAILED: expression: train, out of memory in epoch 12" in text
    for part in ("set a smaller expression.train.batch", "build/expression/train.log", "MemoryError", "make nightly"):
        assert part in text
    assert "From an earlier run: tonight evaluate was not reached." in text
    assert "tonight nothing was decided. expression v12 came into use in place of v11" in text
    assert "Key, bundle and seed are of an earlier run; the record and the data are tonight's." in text
    assert "v11 in use" in text


def test_an_empty_tree_still_makes_a_page(drawn, failed_run, tmp_path):
    """A run that died at once leaves nothing; the page lists the missing parts with reasons."""
    text = Page(drawn(failed_run, tmp_path / "nothing")).text

    assert "Nothing to show: train failed." in text
    assert "Nothing to show: evaluate was not reached." in text
    assert "This is the first report kept here" in text


@pytest.mark.parametrize(
    "name",
    [
        "params.yaml", "build/clean/faces/samples.parquet", "build/clean/faces/set.json", "build/clean/faces/train.npy",
        "build/clean/faces/dropped.jpg", "build/expression/set/samples.parquet", "build/expression/train/history.csv",
        "build/expression/train/summary.json", "build/expression/scores/metrics.json",
        "build/expression/scores/rows.parquet", "build/expression/scores/captions.json",
        "build/expression/bundle/certificate.json", "build/expression/decision.json", "mlflow/promotion.yaml",
    ],
)  # fmt: skip
def test_one_broken_file_costs_one_part(tree, nightly, tmp_path, name):
    """If a full disk truncated a file, the page is still made with its other parts."""
    (tree / name).write_bytes((tree / name).read_bytes()[:40])

    text = Page(build(tree, tmp_path / "report", nightly).read_text(encoding="utf-8")).text

    assert "train@expression" in text
    assert ("By label" in text) == ("metrics.json" not in name)


def test_figures_of_the_wrong_kind_cost_one_part(drawn, nightly, tree):
    """A file of another version may parse and still be invalid; the page reports it."""
    metrics = json.loads((tree / "build/expression/scores/metrics.json").read_text())
    (tree / "build/expression/scores/metrics.json").write_text(json.dumps(metrics | {"confusion": [["?"]]}))

    text = Page(drawn(nightly)).text

    assert "classifier: can't be drawn (ValueError" in text
    assert "Parity with the trained network" in text


def test_a_family_without_predictions_has_no_confusion(drawn, nightly, tree):
    """The parts of the page follow from the files, never from the family's name."""
    metrics = json.loads((tree / "build/expression/scores/metrics.json").read_text())
    metrics = {key: value for key, value in metrics.items() if key not in ("confusion", "labels")}
    (tree / "build/expression/scores/metrics.json").write_text(json.dumps(metrics))

    page = Page(drawn(nightly))

    assert "By label" not in page.text
    assert "By part" in page.text
    assert page.elements.count("svg") == 5


def test_a_chart_of_the_page_replaces_the_picture_of_its_name(drawn, nightly, tree):
    """The family's own confusion.png is not shown next to the page's sharper one."""
    scores = tree / "build/expression/scores"
    shutil.copy(scores / "mistakes.png", scores / "confusion.png")

    assert Page(drawn(nightly)).elements.count("img") == 4


def test_a_family_that_draws_is_described_as_one(drawn, nightly, drawing_tree):
    """Readable names and digits of small figures; its parts, its sheets, and its curves."""
    page = Page(drawn(with_family(nightly), drawing_tree))

    for part in (
        "\u2212KID (EfficientNet-lite0) \u22120.0339 champion v3 \u22120.0422", "lowest part 0.4820 real ones covered",
        "compressed, signal to noise in dB 36.40", "drawings that are not copies", "As it learned",
        "The same latents, epoch by epoch", "scene v4 is in use in place of v3",
        "\u2212KID (EfficientNet-lite0) -0.0339 against -0.0422 of v3",
    ):  # fmt: skip
        assert part in page.text, part
    assert "neg_kid" not in page.text
    assert page.elements.count("img") == 4 + 1 + 2 + len(LABELS) + 2


def test_parts_that_are_negated_have_bars(drawn, nightly, drawing_tree, tmp_path):
    """Bits per character are negated: the worst part fills its bar, half as many bits fill half of it."""
    tree = shutil.copytree(drawing_tree, tmp_path / "negated")
    scores = tree / "build/scene/scores/metrics.json"
    figures = json.loads(scores.read_text()) | {"worst": {"comedies": -1.2, "tragedies": -2.4}}
    scores.write_text(json.dumps(figures))
    html = drawn(with_family(nightly), tree)

    assert [html.count(f'style="width:{percent}%"') for percent in (50.0, 100.0)] == [1, 3]


def test_the_search_is_shown_with_what_was_shipped(drawn, nightly, searched):
    """The budget, a row per candidate, its misses, the marks on the pick, and the plot."""
    searched(
        [
            ("teacher, float", 0.9, 8.0, 4_000_000), ("teacher, static int8 minmax", 0.89, 3, 10**6),
            ("student 8, float", 0.5, 1.0, 90_000),
        ],
        max_objective_drop=0.02, max_latency_ms=9.0,
    )  # fmt: skip
    html = drawn(nightly)
    text = Page(html).text

    assert "The budget allows at most a drop of 0.0200 and 9 ms." in text
    figures = "0.8900 \u22120.0100 3 ms 2.7\u00d7 976.6 KB 4.0\u00d7 1 min 12 s holds"
    assert f"2 teacher, static int8 minmax shipped front {figures}" in text
    missed = "1 min 12 s misses: drop 0.4000, at most 0.0200 float: /network/head/Gemm"
    assert f"1 student 8, float front 0.5000 \u22120.4000 1 ms 8.0\u00d7 87.9 KB 44.4\u00d7 {missed}" in text
    assert text.count("shipped front") == 1
    assert "Objective of each candidate on the validation split, and its costs" in html


def test_without_a_pick_the_page_lists_the_nearest(drawn, nightly, searched):
    """In the section of the compression search, above its plot."""
    searched([("teacher, float", 0.9, 8.0, 4_000_000)], max_latency_ms=7.0)
    text = Page(drawn(nightly)).text

    line = "No candidate holds the budget, so nothing is shipped. What comes nearest:"
    assert f"{line} 1 teacher, float misses: 8 ms, at most 7 ms" in text.replace("\u2013 ", "")


def test_a_title_stands_once(drawn, nightly, drawing_tree):
    """A sheet that bears its title has an alt text and no caption; one without a title has both."""
    plain = "Sure and wrong: the 16 worst"
    titled = [f"{label}: drawn, and a row of held-out ones that it never saw" for label in LABELS]
    html = drawn(with_family(nightly), drawing_tree)
    text = Page(html).text

    assert all(f'alt="{words}"' in html for words in [plain, *titled])
    assert [text.count(words) for words in [plain, *titled]] == [1, *[0] * len(LABELS)]


def test_whom_pictures_are_owed_to_stands_wherever_one_is_shown(drawn, nightly, drawing_tree):
    """Credits stand below the data, the progress and the sheets of models trained on it, and nowhere else."""
    text = Page(drawn(with_family(nightly), drawing_tree)).text

    assert text.count(OWED) == 3
    assert OWED not in Page(drawn(nightly, drawing_tree)).text


def test_two_families_share_a_page(drawn, nightly, tree):
    """Each has its strip and its parts; a collection that both learn from is shown once."""
    (tree / "params.yaml").write_text("families: {expression: faces, scene: faces}\n")
    shutil.copytree(tree / "build/expression", tree / "build/scene")

    page = Page(drawn(nightly.model_copy(update={"families": ["expression", "scene"]})))

    assert page.elements.count("img") == 4 + 2
    assert page.text.count("samples are fit to learn from") == 1
    assert page.text.count("Parity with the trained network") == 2
    assert page.text.count("In the bundle, detector.tflite") == 1


def test_what_compression_costs_and_gains_stands_in_one_table(drawn, nightly, tree):
    """Spread on one and two threads, multiply-adds and memory; an earlier certificate has neither."""
    text = Page(drawn(nightly)).text
    path = tree / "build/expression/bundle/certificate.json"
    later = ("percentiles_ms", "multiply_adds", "peak_bytes")
    older = {name: value for name, value in json.loads(path.read_text()).items() if name not in later}
    path.write_text(json.dumps(older))

    assert (
        "latency on 1 thread, p50 / p95 / p99 1.21 / 1.50 / 2.00 ms 0.42 / 0.50 / 0.75 ms 3.0\u00d7 faster, p95" in text
    )
    assert "latency on 2 threads, p50 / p95 / p99 0.80 / 0.90 / 1.00 ms 0.30 / 0.45 / 1.20 ms 2.0\u00d7 faster" in text
    assert "multiply-adds 9.34 M 4.67 M 2.0\u00d7 fewer peak memory 12.0 MB 6.0 MB 2.0\u00d7 less" in text
    assert "what loading a graph and running it once adds" in text
    old = Page(drawn(nightly)).text
    assert "latency 1.21 ms 0.42 ms" in old
    assert not [words for words in ("latency on", "multiply-adds", "eak memory") if words in old]


def test_challenger_and_champion_stand_side_by_side(drawn, nightly):
    """Objective, bytes and latency of each, as the registry writes them."""
    text = Page(drawn(nightly)).text

    assert "challenger v12 champion v11 macro F1 0.8466 0.8253 size 919.8 KB 1.0 MB latency 0.42 ms 0.42 ms" in text


def test_a_champion_that_came_out_again_is_called_so(drawn, nightly, decide):
    """A champion that is its own rival is not listed as in use."""
    decide(promoted=False, registered=False, champion_before=12, champion_after=12)

    text = Page(drawn(nightly)).text

    assert "0.8466 the champion itself" in text
    assert "challenger v12 champion then" in text


@pytest.mark.parametrize(
    ("after", "held", "title"),
    [
        (None, None, "Decision expression expression: none is in use"),
        (11, "on hold since 2026-03-01: dark takes", "Decision expression expression v11 stays in use"),
    ],
)
def test_the_decision_is_shown_whole(drawn, nightly, decide, after, held, title):
    """The title is neither cut nor left open, whatever characters a reason has."""
    decide(promoted=False, champion_after=after, held=held, reasons=["no: it is worse"])

    assert f"{title} no: it is worse" in Page(drawn(nightly)).text.replace("\u2013 ", "")


def test_what_was_looked_for_and_not_found_is_a_line(drawn, nightly):
    """A clean set does not fill the page with zeros, and the absence of leaks across splits is still reported."""
    text = Page(drawn(nightly)).text

    assert "exact duplicate, within splits 3" in text
    assert "Looked for and not found: exact duplicate, across splits." in text


def test_the_machine_is_shown_by_name(drawn, nightly):
    """`1` and `1.32.0` alone are not enough."""
    assert "one thread; cpu a laptop of eight cores, system Linux." in Page(drawn(nightly)).text


def test_the_next_run_shows_what_changed(drawn, nightly, tree):
    """The page compares itself with the preceding run, from the files next to it."""
    drawn(nightly)
    (tree / "params.yaml").write_text((tree / "params.yaml").read_text().replace("epochs: 16", "epochs: 3"))

    text = Page(drawn(nightly.model_copy(update={"started": nightly.started + timedelta(days=1)}))).text

    assert "Compared with the run of 2026-03-04, 04:15." in text
    assert "expression.train.epochs 16 3 \u221213" in text


def test_notices_of_studio_data_do_not_speak_of_rendered_faces(drawn, nightly, tree):
    """Without the starter, its credits are gone; licences of sources and of files in the bundle stay."""
    (tree / "datasets/faces/starter/source.json").write_text('{"starter": false}')

    text = Page(drawn(nightly.model_copy(update={"starter": False}))).text

    assert "MakeHuman" not in text
    assert "faces, studio: the studio's own." in text
    assert "In the bundle, detector.tflite: Apache-2.0." in text


def test_the_whole_split_is_shown_where_some_of_it_was_dropped(drawn, nightly, tree):
    """The figure comparable with published ones; without dropped samples there is no such line."""
    assert "Over all 361 test samples, those 5 too that clean dropped: accuracy 0.8421, macro F1 0.8402." in drawn(
        nightly
    )
    scores = tree / "build/expression/scores/metrics.json"
    scores.write_text(scores.read_text().replace('"samples": 361', '"samples": 356'))

    assert "that clean dropped" not in drawn(nightly)
