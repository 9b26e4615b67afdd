import json
import subprocess
import sys

import onnx
import pytest

from rushes import check as checking
from rushes.bundle import CERTIFICATE, MANIFEST, SIGNATURE, Manifest, sha256_file, write_manifest
from rushes.machine import processor
from rushes.shelf import folder_name, point
from rushes.trust import Trust
from tests.support.certified import certify, public_key, sign, signer
from tests.support.command import HEAVY, command_line
from tests.support.runtime import write_bundle

METRICS = {"fp32": {"macro_f1": 0.95}, "compressed": {"macro_f1": 0.94}}
WIDE = {"max_objective_drop": 0.02, "max_latency_ms": 10_000.0, "max_bytes": 1e9}


@pytest.fixture
def rushes(tmp_path, monkeypatch, capsys):
    """Runs the command in this process with an empty shelf; gives status, standard output and standard error."""
    monkeypatch.setenv("RUSHES_MODELS", str(tmp_path / "shelf"))
    monkeypatch.setattr("rushes.trust.platformdirs.user_config_dir", lambda *_, **__: str(tmp_path / "config"))
    return command_line(monkeypatch, capsys)


def _certified(folder, budget=None, machine="", **fields):
    """Certifies the bundle anew, with a budget."""
    certify(folder, sha256_file(folder / MANIFEST), metrics=METRICS, budget=budget, budget_machine=machine, **fields)


def test_it_says_what_a_person_asks(rushes, bundle_folder):
    """Hashes, contract, certificate, signature, bytes, and a line of percentiles for each number of threads."""
    _certified(bundle_folder, latency_ms={"fp32": 1.25, "compressed": 0.5}, machine="")
    status, out, err = rushes("check", bundle_folder)
    size = (bundle_folder / "expression.onnx").stat().st_size

    assert (status, err) == (0, "")
    for words in (
        "hashes       right, of 2 files",
        "contract     1, and this runtime knows it",
        "macro_f1 compressed 0.9400, fp32 0.9500; compressed 0.50 ms, fp32 1.25 ms on another machine",
        "not signed; not verified",
        f"{size / 1024:.1f} KB of graphs",
        "no budget travels with it",
    ):
        assert words in out
    rows = [line.split() for line in out.splitlines() if "  expression.onnx" in line or line.strip().startswith("2 ")]
    assert [len(row) for row in rows] == [5, 4]


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
    """Line by line; one that is missed is status 1, and a line that is not there is not judged."""
    _certified(bundle_folder, budget, processor())
    found, out, _ = rushes("check", bundle_folder, "--json")
    said = json.loads(out)

    assert (found, [line["met"] for line in said["budget"]]) == (status, verdicts)
    assert said["met"] is (None if not verdicts else status == 0)
    told = rushes("check", bundle_folder)
    assert told[0] == status
    assert ("the budget is missed" in told[1]) == (status == 1)
    assert ("1,000,000,000" in told[1]) == (budget.get("max_bytes") == 1e9)


def test_milliseconds_count_on_the_machine_that_is_named(rushes, bundle_folder):
    """Elsewhere they are shown, not judged; the other lines are judged all the same."""
    _certified(bundle_folder, WIDE | {"max_latency_ms": 1e-6}, "a set's laptop")
    status, out, _ = rushes("check", bundle_folder)
    latency = next(line for line in out.splitlines() if "latency ms" in line)

    assert status == 0
    assert "not judged: milliseconds are judged only on the machine that the budget names: a set's laptop" in latency
    assert float(latency.split()[3]) > 0
    assert "the budget is met" in out


def test_the_95th_percentile_of_all_graphs_on_one_thread_counts(bundle_folder, monkeypatch):
    """As in the ladder that has picked it; not the slowest call, not two threads."""
    spread = {"1": {"p50": 1.0, "p95": 2.0, "p99": 90.0}, "2": {"p50": 20.0, "p95": 50.0, "p99": 90.0}}
    monkeypatch.setattr(checking, "interleaved_percentiles_ms", lambda _: {"one.onnx": spread, "two.onnx": spread})
    _certified(bundle_folder, {"max_latency_ms": 4.0}, processor())

    checked = checking.check(bundle_folder, Trust({}))

    assert (checked.budget[0].found, checked.met) == (4.0, True)


def _newer(folder):
    document = json.loads((folder / MANIFEST).read_text()) | {"contract": 2}
    (folder / MANIFEST).write_text(json.dumps(document))


def _no_graph(folder):
    """A file that is no graph."""
    (folder / "expression.onnx").write_bytes(b"")
    _seal_again(folder)


def _reaching(folder, name="expression.onnx"):
    """A graph whose weights lie in a file outside the bundle."""
    graph = onnx.load(folder / "expression.onnx")
    weights = graph.graph.initializer[0]
    (folder.parent / "secret.bin").write_bytes(weights.raw_data)
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../secret.bin")
    (folder / name).write_bytes(graph.SerializeToString())
    _seal_again(folder)


def _reaching_beside(folder):
    """The same in a graph that travels along, as an encoder does."""
    manifest = Manifest.model_validate_json((folder / MANIFEST).read_text())
    along = manifest.files["detector.tflite"].model_copy(update={"role": "text_encoder", "licence": "Apache-2.0"})
    write_manifest(folder, manifest.model_copy(update={"files": {**manifest.files, "encoder.onnx": along}}))
    _reaching(folder, "encoder.onnx")


def _seal_again(folder):
    """Manifest, certificate and signature that are right about the files as they lie there."""
    manifest = Manifest.model_validate_json((folder / MANIFEST).read_text())
    files = {
        name: file.model_copy(update={"sha256": sha256_file(folder / name)}) for name, file in manifest.files.items()
    }
    certify(folder, write_manifest(folder, manifest.model_copy(update={"files": files})))
    sign(folder, signer())


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda folder: (folder / "expression.onnx").write_bytes(b"x"), "expression.onnx has the sha256"),
        (lambda folder: (folder / CERTIFICATE).unlink(), "has no certificate.json"),
        (_newer, "speaks contract 2, this runtime 1: update rushes"),
        (_no_graph, "do not run here"),
        (_reaching_beside, "encoder.onnx keeps its weights in another file"),
        (_reaching, "keeps its weights in another file (../secret.bin)"),
        (lambda folder: (folder / SIGNATURE).unlink(), "its signature was stripped or it never had one"),
    ],
)
def test_what_is_refused_is_told_to_people_and_programs(rushes, bundle_folder, tmp_path, spoil, reason):
    """Status 1 and one line; with --json the reason as JSON too."""
    key = public_key(tmp_path / "studio.pub", signer())
    sign(bundle_folder, signer())
    spoil(bundle_folder)
    status, out, err = rushes("check", bundle_folder, "--trust", key, "--json")

    assert (status, len(err.splitlines())) == (1, 1)
    assert reason in err
    assert reason in json.loads(out)["refused"]


def test_without_a_certificate_it_can_still_be_measured(rushes, bundle_folder):
    """If that is what was asked for."""
    (bundle_folder / CERTIFICATE).unlink()
    status, out, _ = rushes("check", bundle_folder, "--uncertified")

    assert status == 0
    assert "none: nothing was measured of it" in out


def test_a_model_is_found_by_name_alias_version_or_folder(rushes, tmp_path):
    """On the default shelf, another one, or the family's folder there; what is not there is status 3, nonsense 2."""
    for number in (6, 7):
        digest = write_bundle(tmp_path / "new", detector=str(number).encode())
        folder = tmp_path / "shelf/expression" / folder_name(number, digest)
        folder.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "new").rename(folder)
        point(folder.parent, "champion" if number == 6 else "newest", folder)

    for wanted, version in (
        ("expression", 7),
        ("expression@champion", 6),
        ("expression@7", 7),
        (tmp_path / "shelf/expression", 7),
    ):
        assert rushes("check", wanted)[1].startswith(f"expression v{version}, digest")
    (tmp_path / "other").mkdir()
    assert rushes("check", "expression@champion", "--model", tmp_path / "other")[0] == 3
    assert rushes("check", tmp_path / "other")[0] == 3
    assert rushes("check", "scene")[0] == 3
    assert rushes("check", "a b")[0] == 2


def test_it_is_light(bundle_folder):
    """Measuring loads nothing that trains a model, nor OpenCV."""
    run = "import sys; from rushes.cli import app; app(standalone_mode=False); print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", run, "check", bundle_folder], capture_output=True, text=True, check=False
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}

    assert "onnxruntime" in loaded, done.stderr
    assert loaded & (HEAVY | {"cv2"}) == set()


def test_help_has_examples(rushes):
    """How it is typed, and what its exit status means."""
    status, out, _ = rushes("check", "--help")

    assert status == 0
    assert "  rushes check expression@champion" in out
    assert "Exit status: 0 met" in out
