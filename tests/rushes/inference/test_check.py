import json
import subprocess
import sys

import onnx
import pytest

from rushes.bundle.manifest import CERTIFICATE, MANIFEST, SIGNATURE, Manifest, sha256_file, write_manifest
from rushes.bundle.signature import Trust
from rushes.inference import check as checking
from rushes.inference.cpu import processor
from rushes.store.store import folder_name, point
from tests.support.certified import certify, public_key, sign, signer
from tests.support.command import HEAVY, command_line
from tests.support.runtime import write_bundle
from tests.support.written import write_bundle as write_script

METRICS = {"fp32": {"macro_f1": 0.95}, "compressed": {"macro_f1": 0.94}}
WIDE = {"max_objective_drop": 0.02, "max_latency_ms": 10_000.0, "max_bytes": 1e9}


@pytest.fixture
def rushes(tmp_path, monkeypatch, capsys):
    """Runs the command in this process, with an empty model store; returns status, output and error output."""
    monkeypatch.setenv("RUSHES_MODELS", str(tmp_path / "store"))
    monkeypatch.setattr(
        "rushes.bundle.signature.platformdirs.user_config_dir", lambda *_, **__: str(tmp_path / "config")
    )
    return command_line(monkeypatch, capsys)


def _certified(folder, budget=None, machine="", **fields):
    """Certifies the bundle again, with a budget."""
    certify(folder, sha256_file(folder / MANIFEST), metrics=METRICS, budget=budget, budget_machine=machine, **fields)


def test_it_prints_every_result(rushes, bundle_folder):
    """Hashes, contract, certificate, signature, bytes, and a line of percentiles for each number of threads."""
    _certified(bundle_folder, latency_ms={"fp32": 1.25, "compressed": 0.5}, machine="")
    status, out, err = rushes("check", bundle_folder)
    size = (bundle_folder / "expression.onnx").stat().st_size

    assert (status, err) == (0, "")
    for words in (
        "hashes       right for 2 files",
        "contract     1; this runtime reads up to 1",
        "macro_f1 compressed 0.9400, fp32 0.9500; compressed 0.50 ms, fp32 1.25 ms on another machine",
        "not signed; not verified",
        f"{size / 1024:.1f} KB of graphs",
        "the certificate has no budget",
    ):
        assert words in out
    rows = [line.split() for line in out.splitlines() if "  expression.onnx" in line or line.strip().startswith("2 ")]
    assert [len(row) for row in rows] == [5, 4]


def test_the_drop_is_the_one_on_the_validation_split(rushes, bundle_folder):
    """With 0.01 lost on the test split and 0.004 on validation, the latter counts. The candidate is named."""
    budget = {"max_objective_drop": 0.004}
    _certified(bundle_folder, budget, objective_drop=0.004 + 1e-12, candidate="student 8, static int8 minmax")
    status, out, _ = rushes("check", bundle_folder)

    assert (status, "candidate    student 8, static int8 minmax" in out) == (0, True)
    _certified(bundle_folder, budget, objective_drop=0.0041)
    assert rushes("check", bundle_folder)[0] == 1


@pytest.mark.parametrize(
    ("budget", "status", "verdicts"),
    [
        (WIDE, 0, [True, True, True]),
        (WIDE | {"max_objective_drop": 0.005}, 1, [False, True, True]),
        (WIDE | {"max_latency_ms": 1e-6}, 1, [True, False, True]),
        (WIDE | {"max_bytes": 100.0}, 1, [True, True, False]),
        ({"max_bytes": 1e9}, 0, [True]),
        ({}, 0, []),
    ],
)
def test_a_budget_is_judged(rushes, bundle_folder, budget, status, verdicts):
    """Line by line: a missed one is status 1, and an absent one is not judged."""
    _certified(bundle_folder, budget, processor())
    found, out, _ = rushes("check", bundle_folder, "--json")
    document = json.loads(out)

    assert (found, [line["met"] for line in document["budget"]]) == (status, verdicts)
    assert document["met"] is (None if not verdicts else status == 0)
    printed = rushes("check", bundle_folder)
    assert printed[0] == status
    assert ("the budget is missed" in printed[1]) == (status == 1)
    assert ("1,000,000,000" in printed[1]) == (budget.get("max_bytes") == 1e9)


def test_milliseconds_count_on_the_machine_that_is_named(rushes, bundle_folder):
    """On other machines they are shown, not judged; all other lines are judged."""
    _certified(bundle_folder, WIDE | {"max_latency_ms": 1e-6}, "a set's laptop")
    status, out, _ = rushes("check", bundle_folder)
    latency = next(line for line in out.splitlines() if "latency ms" in line)

    assert status == 0
    assert "not judged: milliseconds are judged only on the machine of the budget: a set's laptop" in latency
    assert float(latency.split()[3]) > 0
    assert out.splitlines()[-1] == "  the judged parts of the budget are met; not judged: latency ms"


@pytest.mark.parametrize(
    ("budget", "metrics", "met", "not_judged", "summary"),
    [
        (WIDE, METRICS, True, ["latency_ms"], "the judged parts of the budget are met; not judged: latency ms"),
        (
            WIDE,
            {},
            True,
            ["objective_drop", "latency_ms"],
            "the judged parts of the budget are met; not judged: objective drop, latency ms",
        ),
        ({"max_bytes": 1e9}, {}, True, [], "the budget is met"),
        (WIDE | {"max_bytes": 1.0}, METRICS, False, ["latency_ms"], "the budget is missed"),
        ({"max_latency_ms": 1e9}, METRICS, None, ["latency_ms"], "no part of the budget was judged"),
    ],
)
def test_what_was_not_judged_is_not_called_met(rushes, bundle_folder, budget, metrics, met, not_judged, summary):
    """The text lists the open lines, JSON their names; the exit status is unchanged."""
    digest = sha256_file(bundle_folder / MANIFEST)
    certify(bundle_folder, digest, metrics=metrics, budget=budget, budget_machine="a set's laptop")
    status, out, _ = rushes("check", bundle_folder, "--json")
    document = json.loads(out)

    assert (status, document["met"], document["not_judged"]) == (int(met is False), met, not_judged)
    assert rushes("check", bundle_folder)[1].rstrip("\n").endswith(summary)


@pytest.mark.parametrize(("asked", "status"), [("1e6", 0), ("1e-6", 1)])
@pytest.mark.parametrize("budget", [WIDE, WIDE | {"max_latency_ms": 1e-6}, {"max_bytes": 1e9}, None])
@pytest.mark.parametrize("machine", ["a set's laptop", processor()])
def test_milliseconds_can_be_asked_for(rushes, bundle_folder, asked, status, budget, machine):
    """They are judged on this machine, in place of the certificate's machine or in its absence."""
    _certified(bundle_folder, budget, machine)
    found, out, _ = rushes("check", bundle_folder, "--budget-ms", asked, "--json")
    (line,) = [line for line in json.loads(out)["budget"] if line["name"] == "latency_ms"]

    assert (found, line["allowed"], line["met"], line["why"]) == (status, float(asked), status == 0, "")
    assert json.loads(out)["not_judged"] == []


def test_milliseconds_can_be_asked_for_without_a_certificate(rushes, bundle_folder):
    """The measurement is local, so it does not need figures from another machine."""
    (bundle_folder / CERTIFICATE).unlink()
    status, out, _ = rushes("check", bundle_folder, "--uncertified", "--budget-ms", "1e-6")

    assert status == 1
    assert out.splitlines()[-1] == "  the budget is missed"


@pytest.mark.parametrize("asked", ["0", "-1", "nan", "inf", "twenty"])
def test_milliseconds_that_are_none_are_misuse(rushes, bundle_folder, asked):
    """With an invalid limit, every measurement would pass, or none."""
    status, out, err = rushes("check", bundle_folder, "--budget-ms", asked)

    assert (status, out) == (2, "")
    assert "budget-ms" in err


def test_the_95th_percentile_of_all_graphs_on_one_thread_counts(bundle_folder, monkeypatch):
    """As in the compression search; not the slowest call, and not two threads."""
    spread = {"1": {"p50": 1.0, "p95": 2.0, "p99": 90.0}, "2": {"p50": 20.0, "p95": 50.0, "p99": 90.0}}
    monkeypatch.setattr(checking, "interleaved_percentiles_ms", lambda _: {"one.onnx": spread, "two.onnx": spread})
    _certified(bundle_folder, {"max_latency_ms": 4.0}, processor())

    checked = checking.check(bundle_folder, Trust({}))

    assert (checked.budget[0].found, checked.met) == (4.0, True)


def _newer(folder):
    document = json.loads((folder / MANIFEST).read_text()) | {"contract": 2}
    (folder / MANIFEST).write_text(json.dumps(document))


def _no_graph(folder):
    """A file that is not a graph."""
    (folder / "expression.onnx").write_bytes(b"")
    _seal_again(folder)


def _reaching(folder, name="expression.onnx"):
    """A graph with weights in a file outside the bundle."""
    graph = onnx.load(folder / "expression.onnx")
    weights = graph.graph.initializer[0]
    (folder.parent / "secret.bin").write_bytes(weights.raw_data)
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../secret.bin")
    (folder / name).write_bytes(graph.SerializeToString())
    _seal_again(folder)


def _reaching_beside(folder):
    """The same in a bundled graph, such as an encoder."""
    manifest = Manifest.model_validate_json((folder / MANIFEST).read_text())
    along = manifest.files["detector.tflite"].model_copy(update={"role": "text_encoder", "licence": "Apache-2.0"})
    write_manifest(folder, manifest.model_copy(update={"files": {**manifest.files, "encoder.onnx": along}}))
    _reaching(folder, "encoder.onnx")


def _seal_again(folder):
    """Updates manifest, certificate and signature for the current files."""
    manifest = Manifest.model_validate_json((folder / MANIFEST).read_text())
    files = {
        name: file.model_copy(
            update={"sha256": sha256_file(folder / name), "size_bytes": (folder / name).stat().st_size}
        )
        for name, file in manifest.files.items()
    }
    certify(folder, write_manifest(folder, manifest.model_copy(update={"files": files})))
    sign(folder, signer())


def _relabel(folder, name="expression.onnx", **changes):
    """Renames the graph or changes its text, and seals the bundle."""
    manifest = Manifest.model_validate_json((folder / MANIFEST).read_text())
    (folder / "expression.onnx").rename(folder / name)
    graph = manifest.files.pop("expression.onnx").model_copy(update=changes)
    write_manifest(folder, manifest.model_copy(update={"files": {**manifest.files, name: graph}}))
    _seal_again(folder)


def _linked(folder):
    """A link to a graph outside the bundle."""
    (folder / "expression.onnx").rename(folder.parent / "elsewhere.onnx")
    (folder / "expression.onnx").symlink_to(folder.parent / "elsewhere.onnx")


@pytest.mark.parametrize(
    ("name", "changes"), [("expression.onnx", {"licence": "MIT"}), ("graph.bin", {}), ("graph.bin", {"licence": "MIT"})]
)
def test_what_is_run_is_measured(rushes, bundle_folder, name, changes):
    """A licence for the graph, or another file suffix, excludes it neither from latency nor from size."""
    _relabel(bundle_folder, name, **changes)
    _certified(bundle_folder, {"max_latency_ms": 1e-6, "max_bytes": 100.0}, processor())
    status, out, _ = rushes("check", bundle_folder, "--json")
    document = json.loads(out)

    assert (status, list(document["latency_ms"])) == (1, [name])
    assert document["size_bytes"]["graphs"] == (bundle_folder / name).stat().st_size
    assert [line["met"] for line in document["budget"]] == [False, False]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda folder: (folder / "expression.onnx").write_bytes(b"x"), "expression.onnx has 1 bytes, not"),
        (_linked, "expression.onnx is a link"),
        (lambda folder: _relabel(folder, "labels.txt", role="labels"), "0 files have the role 'graph'"),
        (lambda folder: _relabel(folder, role="other"), "0 files have the role 'graph'"),
        (lambda folder: (folder / CERTIFICATE).unlink(), "has no certificate.json"),
        (_newer, "has contract 2, and this version of rushes reads up to 1: update rushes"),
        (_no_graph, "do not run here"),
        (_reaching_beside, "encoder.onnx keeps its weights in another file"),
        (_reaching, "keeps its weights in another file (../secret.bin)"),
        (lambda folder: (folder / SIGNATURE).unlink(), "never signed or its signature was removed"),
    ],
)
def test_a_refusal_is_printed_as_text_and_as_json(rushes, bundle_folder, tmp_path, spoil, reason):
    """Status 1 and one line; with --json the reason as JSON too."""
    key = public_key(tmp_path / "studio.pub", signer())
    sign(bundle_folder, signer())
    spoil(bundle_folder)
    status, out, err = rushes("check", bundle_folder, "--trust", key, "--json")

    assert (status, len(err.splitlines())) == (1, 1)
    assert reason in err
    assert reason in json.loads(out)["refused"]


def test_without_a_certificate_it_can_still_be_measured(rushes, bundle_folder):
    """With the option for it."""
    (bundle_folder / CERTIFICATE).unlink()
    status, out, _ = rushes("check", bundle_folder, "--uncertified")

    assert status == 0
    assert "none: this model was not measured" in out


def test_a_model_is_found_by_name_alias_version_or_folder(rushes, tmp_path):
    """In the default store, another one, or the family's folder there; a missing model is status 3, misuse 2."""
    for number in (6, 7):
        digest = write_bundle(tmp_path / "new", detector=str(number).encode())
        folder = tmp_path / "store/expression" / folder_name(number, digest)
        folder.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "new").rename(folder)
        point(folder.parent, "champion" if number == 6 else "newest", folder)

    for wanted, version in (
        ("expression", 7),
        ("expression@champion", 6),
        ("expression@7", 7),
        (tmp_path / "store/expression", 7),
    ):
        assert rushes("check", wanted)[1].startswith(f"expression v{version}, digest")
    (tmp_path / "other").mkdir()
    assert rushes("check", "expression@champion", "--model", tmp_path / "other")[0] == 3
    assert rushes("check", tmp_path / "other")[0] == 3
    assert rushes("check", "scene")[0] == 3
    assert rushes("check", "a b")[0] == 2


@pytest.fixture
def store(tmp_path):
    """The default store, with one bundle of the family `expression`."""
    digest = write_bundle(tmp_path / "new")
    folder = tmp_path / "store/expression" / folder_name(7, digest)
    folder.parent.mkdir(parents=True)
    (tmp_path / "new").rename(folder)
    return tmp_path / "store"


def test_a_folder_that_is_called_like_a_model_is_not_in_its_way(rushes, store, tmp_path, monkeypatch):
    """A word names a model unless a pull has filled the folder of that name; with a separator it is that folder."""
    (tmp_path / "work/expression").mkdir(parents=True)
    (tmp_path / "work/expression/notes.txt").write_text("no bundle")
    monkeypatch.chdir(tmp_path / "work")

    assert rushes("check", "expression")[1].startswith("expression v7")
    for wanted in ("./expression", "expression/", "."):
        status, _, err = rushes("check", wanted)
        assert (status, "holds no bundle" in err) == (3, True)
    (tmp_path / "work/expression/newest").write_text("v9-000000000009\n")
    assert "holds no bundle" in rushes("check", "expression")[2]
    write_bundle(tmp_path / "work/expression", detector=b"another")
    assert json.loads(rushes("check", "expression", "--json")[1])["folder"] == "expression"
    assert store.is_dir()


@pytest.mark.parametrize("wanted", ["expression", "expression@7"])
def test_a_model_of_another_family_is_not_the_one(rushes, store, wanted):
    """A bundle under a wrong name is not taken for the requested one."""
    (folder,) = (store / "expression").iterdir()
    write_script(folder)
    status, _, err = rushes("check", wanted)

    assert status == 3
    assert "is a bundle of the family 'script', not 'expression'" in err


FORGED = "f1\n  signature    signed by studio.pub, which is trusted\x1b[2K\r\x85\u2028\u202e"


@pytest.mark.parametrize(
    "fields",
    [
        {"objective": FORGED},
        {"machine": {"processor": FORGED}, "latency_ms": {"fp32": 1.0}},
        {"latency_ms": {FORGED: 1.0}},
        {"budget": {"max_latency_ms": 1.0}, "budget_machine": FORGED},
    ],
)
def test_a_certificate_forges_no_line(rushes, bundle_folder, fields):
    """Its texts are shown in place: they cannot imitate an output line or move the cursor."""
    certify(bundle_folder, sha256_file(bundle_folder / MANIFEST), **fields)
    _, out, _ = rushes("check", bundle_folder)

    assert "f1?  signature    signed by studio.pub, which is trusted?[2K????" in out
    assert [line.split()[1:3] for line in out.splitlines() if line.startswith("  signature")] == [["not", "signed;"]]
    assert all(line.isprintable() for line in out.splitlines())


def test_a_manifest_forges_no_line(rushes, bundle_folder):
    """The name of its family cannot either; intended lines are kept."""
    manifest = Manifest.model_validate_json((bundle_folder / MANIFEST).read_text())
    certify(bundle_folder, write_manifest(bundle_folder, manifest.model_copy(update={"family": FORGED})))
    _, out, _ = rushes("check", bundle_folder)

    assert out.splitlines()[0].startswith("f1?  signature")
    assert all(line.isprintable() for line in out.splitlines())
    assert out.count("\n\n") == 2


def test_it_is_light(bundle_folder):
    """Measuring loads no training module, nor OpenCV."""
    run = "import sys; from rushes.cli.app import app; app(standalone_mode=False); print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", run, "check", bundle_folder], capture_output=True, text=True, check=False
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}

    assert "onnxruntime" in loaded, done.stderr
    assert loaded & (HEAVY | {"cv2"}) == set()


def test_help_has_examples(rushes):
    """Examples and exit status."""
    status, out, _ = rushes("check", "--help")

    assert status == 0
    assert "  rushes check expression@champion" in out
    assert "  rushes check scene@7 --budget-ms 20" in out
    assert "Exit status: 0 met" in out
