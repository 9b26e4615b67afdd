"""The documentation is true: what README and docs/ show exists, the generated reference is whole, its examples run."""

from __future__ import annotations

import ast
import importlib
import itertools
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import typer
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError
from ray.scripts.scripts import cli as ray_cli
from torch.distributed import run as torch_run

from common.settings import PREFIX, Settings, load_settings
from curation.annotations.sample_tables import read_sample_table
from curation.params import CollectionParams
from flows.__main__ import app as flows_app
from flows.cli.rayjob import CLAIM
from models.families import NAMES
from models.params_file import model as params_model
from rushes.cli.app import app as capture_app
from rushes.faces import face_search
from rushes.store.store import folder_name
from steps.__main__ import STAGES
from tests.support import model_store, runtime, scenes

ROOT = Path(__file__).parents[1]
HANDWRITTEN = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# What the pages start besides our own programs.
TOOLS = {"cp", "docker", "dvc", "git", "kubectl", "sbatch"}
# Files whose names look like a param or a setting in backticks.
FILE_ENDINGS = {"csv", "dvc", "example", "html", "json", "jsonl", "md", "mkv", "onnx", "toml", "txt", "yaml"}


def blocks(language: str) -> list[tuple[str, str]]:
    """Code blocks of a language, by the page that they stand on."""
    pattern = re.compile(rf"```{language}\n(.*?)```", flags=re.DOTALL)
    return [(str(page.relative_to(ROOT)), block) for page in HANDWRITTEN for block in pattern.findall(page.read_text())]


def inline(pattern: str) -> list[str]:
    """Code between backticks, outside of blocks, that fits a pattern."""
    prose = (re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL) for page in HANDWRITTEN)
    return sorted({code for text in prose for code in re.findall(r"`([^`]+)`", text) if re.fullmatch(pattern, code)})


def commands() -> list[str]:
    """Each command that a page shows, in a block or in a sentence."""
    lines = {line for _, block in blocks("sh") for text in block.splitlines() for line in text.split(" && ")}
    return sorted(lines) + inline(r"(make|rushes|python -m|\.venv/bin/python -m) [^`\[…]+")


def keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Paths of a model's fields and of the fields of those that are models."""
    found = set()
    for name, field in model.model_fields.items():
        kind = field.annotation
        nested = isinstance(kind, type) and issubclass(kind, BaseModel)
        found |= {f"{prefix}{name}"} | (keys(kind, f"{prefix}{name}.") if nested else set())
    return found


PARAMS = keys(params_model())
COLLECTION = keys(CollectionParams)
SETTINGS = keys(Settings)


def known(app: typer.Typer, words: list[str]) -> tuple[set[str], list[str]]:
    """Options of the command that the words name, and the words behind its name."""
    command = typer.main.get_command(app)
    while getattr(command, "commands", None) and words and not words[0].startswith("-"):
        command, words = command.commands[words[0]], words[1:]
    return {name for parameter in command.params for name in parameter.opts} | {"--help"}, words


def options_of_tool(words: list[str]) -> set[str]:
    """Options of torchrun, and of a command of Ray."""
    if words[0] == "torchrun":
        return set(torch_run.get_args_parser()._option_string_actions)
    return {name for parameter in ray_cli.commands[words[1]].params for name in parameter.opts}


def without_variables(words: list[str]) -> list[str]:
    """A command without the variables set before it, or by `export`; those of ours are settings."""
    words = words[1:] if words[0] == "export" else words
    names = [word.partition("=")[0] for word in itertools.takewhile(re.compile(r"[A-Z_]+=").match, words)]
    ours = {name.removeprefix(PREFIX).lower().replace("__", ".") for name in names if name.startswith(PREFIX)}
    assert ours <= SETTINGS
    return words[len(names) :]


@pytest.mark.parametrize("command", commands())
def test_a_shown_command_exists(command):
    """Each target of make, program, command, option, setting and file of deploy/ that a page shows is there."""
    words = without_variables(shlex.split(command, comments=True))
    assert all((ROOT / word).is_file() for word in words if word.startswith("deploy/"))
    if not words:
        return
    words = words[1:] if words[0] in {".venv/bin/python", "python"} else words
    words[0] = words[0].removeprefix(".venv/bin/")
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    elif words[0] == "rushes" or words[:2] == ["-m", "flows"]:
        options, rest = known(capture_app, words[1:]) if words[0] == "rushes" else known(flows_app, words[2:])
        assert {word for word in rest if word.startswith("--")} <= options
    elif words[:2] == ["-m", "steps"]:
        assert words[2] in STAGES
        assert words[3] in NAMES
    elif words[0] in {"ray", "torchrun"}:
        assert {word for word in words if word.startswith("--")} <= options_of_tool(words)
    elif words[0] == "-m":
        source = (ROOT / f"{words[1].replace('.', '/')}.py").read_text()
        shared = (ROOT / "benchmarks" / "support" / "face_sets.py").read_text()
        assert all(f'"{word}"' in source + shared for word in words if word.startswith("--"))
    else:
        assert words[0] in TOOLS, command


@pytest.mark.parametrize("path", re.findall(r"--set (\S+?)=(\S+)", "\n".join(commands())))
def test_a_shown_override_is_accepted(path):
    """Each `--set PATH=VALUE` names a param, and its value is in bounds."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    *sections, name = path[0].split(".")
    section = values
    for part in sections:
        section = section[part]
    assert name in section
    section[name] = yaml.safe_load(path[1])
    params_model().model_validate(values)


@pytest.mark.parametrize(
    "command",
    [
        "export RUSHES_TRAINING__ENGIN=ray",
        ".venv/bin/ray start --haed",
        ".venv/bin/torchrun --nodes 2 -m steps train expression",
        "python -m steps tran expression",
        "kubectl apply -f deploy/kubernetes/job.yaml",
        "helm install",
    ],
)
def test_a_planted_command_is_found(command):
    """The check above can fail."""
    with pytest.raises(AssertionError):
        test_a_shown_command_exists(command)


def test_a_planted_override_is_refused():
    """The check above can fail."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["expression"]["train"]["epochs"] = -1

    with pytest.raises(ValidationError):
        params_model().model_validate(values)


@pytest.mark.parametrize("key", inline(r"[a-z_]+(\.[a-z_]+)+(\.[a-z_]+)*"))
def test_a_named_key_exists(key):
    """Each `a.b` in a sentence is a param, a setting, or a key of a manifest that the runtime reads."""
    first, *rest = key.split(".")
    if key.rpartition(".")[2] in FILE_ENDINGS:
        return
    if first in {"input", "settings"}:  # of manifest.json
        assert any(
            re.search(rf'"{rest[0]}"|^    {rest[0]}: ', file.read_text(), re.MULTILINE)
            for file in (ROOT / "rushes").rglob("*.py")
        )
    elif first == "collections":
        assert len(rest) == 1 or ".".join(rest[1:]) in COLLECTION
    elif first == "rushes":
        module, _, name = key.rpartition(".")
        assert hasattr(importlib.import_module(module), name)
    else:
        assert key in PARAMS | SETTINGS


@pytest.mark.parametrize("page", HANDWRITTEN, ids=lambda page: page.stem)
def test_a_link_to_a_file_has_its_file(page):
    """Links of README and of the pages; MkDocs checks those of the pages once more, with their anchors."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    generated = {f"reference/{name}.md" for name in GENERATED}
    missing = [link for link in links if not (page.parent / link).exists() and not link.endswith(tuple(generated))]

    assert not missing


GENERATED = (
    "params", "settings", "cli-flows", "cli-rushes", "python", "exit-status", "bundle", "metrics", "promotion",
    "drop-reasons",
)  # fmt: skip


@pytest.fixture(scope="module")
def pages():
    """The generated pages, by their paths."""
    sys.path.insert(0, str(ROOT / "docs" / "hooks"))
    try:
        return importlib.import_module("reference").pages()
    finally:
        sys.path.pop(0)


def test_the_generated_pages_are_those_that_the_site_names(pages):
    """Every generated page stands in the navigation of mkdocs.yml."""
    navigation = (ROOT / "mkdocs.yml").read_text()

    assert set(pages) == {f"reference/{name}.md" for name in GENERATED}
    assert all(path in navigation for path in pages)


def leaves(paths: set[str]) -> set[str]:
    return {path for path in paths if not any(other.startswith(f"{path}.") for other in paths)}


def test_the_reference_has_every_param_and_setting(pages):
    """A row for each key, each with a description."""
    text = pages["reference/params.md"]
    for path in leaves(PARAMS - {"families", "collections"}) | {
        f"collections.NAME.{key}" for key in leaves(COLLECTION)
    }:
        assert f"| `{path}` |" in text
    for path in leaves(SETTINGS):
        assert f"| `{path}` |" in pages["reference/settings.md"]
    undescribed = re.findall(r"^\| `([\w.]+)` \|.*\|  \|$", text, flags=re.MULTILINE)
    assert undescribed == [], "describe these where they are defined"


def test_the_reference_shows_defaults_and_bounds(pages):
    """Taken from the models: a bound, a default, and what params.yaml sets instead."""
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.*) \|$", pages["reference/params.md"], flags=re.MULTILINE))

    assert "≥ 1" in rows["expression.train.epochs"]
    assert "`0.2`" in rows["collections.NAME.clean.max_dropped_share"]
    assert "`32`; params.yaml: `0`" in rows["scene.train.noise_px"]
    assert "`auto` or `ddp`" in pages["reference/settings.md"]


@pytest.mark.parametrize(("app", "page"), [(flows_app, "cli-flows"), (capture_app, "cli-rushes")])
def test_the_reference_has_every_command_and_option(app, page, pages):
    """Also those of a group, such as `keys new`."""
    text, todo = pages[f"reference/{page}.md"], [typer.main.get_command(app)]
    while todo:
        command = todo.pop()
        below = getattr(command, "commands", {})
        todo += below.values()
        if not below:
            assert re.search(rf"^## `.* {command.name}`$", text, flags=re.MULTILINE)
            options = {name for parameter in command.params for name in parameter.opts if name.startswith("--")}
            assert all(f"`{option}" in text or f" {option}" in text for option in options)


def test_readme_is_short():
    """README names what there is and links to the rest."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_the_sample_table_is_read(tmp_path):
    """The samples.csv of the guide is one that ingest accepts."""
    [(_, table)] = blocks("csv")
    (tmp_path / "samples.csv").write_text(table)

    found = read_sample_table(tmp_path / "samples.csv").candidates
    assert [one.label for one in found] == ["happy", "happy", "sad"]
    assert found[0].until == "2027-06-30"


def test_the_settings_of_an_example_are_accepted(tmp_path, monkeypatch):
    """Each settings.toml that a page shows."""
    shown = blocks("toml")
    monkeypatch.chdir(tmp_path)

    assert shown
    for _, block in shown:
        (tmp_path / "settings.toml").write_text(block)
        load_settings()


def test_the_volume_claim_of_an_example_is_valid():
    """By Kubernetes' own schema, with the name that the manifest mounts."""
    [(_, block)] = blocks("yaml")
    claim = yaml.safe_load(block)
    schema = json.loads((ROOT / "deploy" / "kubernetes" / "pod.schema.json").read_text())
    Draft202012Validator(schema | {"$ref": "#/$defs/PersistentVolumeClaimSpec"}).validate(claim["spec"])

    assert claim["metadata"]["name"] == CLAIM


@pytest.mark.parametrize(("page", "block"), blocks("python"))
def test_the_names_of_an_example_are_there(page, block):
    """Each import of a Python example."""
    imports = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.ImportFrom)]

    for node in imports:
        assert all(hasattr(importlib.import_module(node.module), name.name) for name in node.names), page


def example(name: str, where: str = "guides") -> str:
    """The Python example of the guide, or of another page, that has a name in it."""
    return next(block for page, block in blocks("python") if name in block and where in page)


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """A folder with tiny models in its store, an image and a clip; what is bright is the face."""
    model_store.fill(tmp_path / "models")
    monkeypatch.setenv("RUSHES_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(face_search, "open_finder", lambda _: runtime.BrightSquare())
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("face.jpg", runtime.draw_frame(0))
    runtime.write_clip(tmp_path / "clip.mp4", frames=2)


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize(
    ("name", "where", "printed"),
    [
        ("expression@champion", "README", "happy 0.99 (40.0, 30.0, 60.0, 60.0)"),
        ('"face.jpg"', "guides", "'happy': 0.99"),
        ("clip.mp4", "guides", "['happy']\n['happy']"),
        ('load("scene")', "guides", f"(8, {scenes.SIZE_PX}, {scenes.SIZE_PX}, 3) ['Some Film"),
        ('load("script")', "guides", "ANNA"),
    ],
)
def test_an_example_of_the_python_interface_runs(capsys, name, where, printed):
    """On tiny models; it prints what the page promises."""
    exec(example(name, where), {})  # noqa: S102

    assert printed in capsys.readouterr().out


def test_the_plain_onnx_example_runs(tmp_path, monkeypatch, capsys):
    """On a tiny bundle in the folder that a pull would make."""
    folder = tmp_path / "expression" / folder_name(1, "0123456789ab")
    runtime.write_bundle(folder)
    monkeypatch.chdir(tmp_path)
    exec(example("InferenceSession"), {})  # noqa: S102

    assert "'happy': 0.3" in capsys.readouterr().out


def test_every_drop_reason_names_a_param(pages):
    """The param exists."""
    paths = re.findall(r"`collections\.NAME\.([\w.]+)`", pages["reference/drop-reasons.md"])

    assert len(paths) > 20
    assert set(paths) <= COLLECTION


@pytest.mark.slow
def test_the_site_builds_and_fetches_nothing(tmp_path):
    """Strict: a broken link fails it. No page takes a script, style, font or picture from elsewhere."""
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)

    assert done.returncode == 0, done.stderr
    html = [page.read_text() for page in tmp_path.rglob("*.html")]
    assert len(html) > 20
    assert not [found for page in html for found in re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="https?:', page)]
