"""`python -m flows rayjob`: the manifest follows the settings, and its validation finds planted faults."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from common.settings import PREFIX, RegistrySettings, Settings, TrainingSettings
from flows import __main__ as cli
from flows.cli import rayjob_check
from flows.cli.app import context
from flows.cli.rayjob import FILE, GPU, STORAGE, Deployment, build_manifest, write_text
from flows.cli.rayjob_check import find_faults
from rushes.errors import MisuseError

ROOT = Path(__file__).parents[3]
WRITTEN = (ROOT / FILE).read_text()


@pytest.fixture(autouse=True)
def _no_settings(tmp_path, monkeypatch):
    """Neither settings.toml nor variables of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def manifest(**training):
    """The manifest of some settings of the training, and its worker group."""
    built = build_manifest(Settings(training=TrainingSettings(**training)), Deployment("rushes:1"))
    return built, built["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]


def container(group):
    """The only container of a group's pods."""
    [found] = group["template"]["spec"]["containers"]
    return found


def variables(group):
    """The environment of a group's pods."""
    return {one["name"].removeprefix(PREFIX): one["value"] for one in container(group)["env"]}


def test_the_file_of_the_repository_is_that_of_the_default_settings():
    """After a change of the settings, the command or Ray's version: `python -m flows rayjob` writes it again."""
    assert write_text(build_manifest(Settings(), Deployment())) == WRITTEN


def test_the_file_of_the_repository_is_valid():
    """The faults below are planted in it, one at a time."""
    assert find_faults(WRITTEN) == []


HEAD = "spec.rayClusterSpec.headGroupSpec.template.spec"
FAULTS = [
    (
        "  shutdownAfterJobFinishes: true",
        "  shutdownAfterJobFinish: true",
        "spec.shutdownAfterJobFinish is not a known key. Did you mean 'shutdownAfterJobFinishes'?",
    ),
    (
        "      replicas: 1",
        "      replicas: '1'",
        "spec.rayClusterSpec.workerGroupSpecs[0].replicas has the type string, not integer",
    ),
    (
        "            envFrom:",
        "            envfrom:",
        f"{HEAD}.containers[0].envfrom is not a known key. Did you mean 'envFrom'?",
    ),
    (
        "    - groupName: workers\n      replicas",
        "    - replicas",
        "spec.rayClusterSpec.workerGroupSpecs[0] requires the key 'groupName'",
    ),
    (
        "    rayVersion:",
        "    autoscalerOptions: {upscalingMode: Agressive}\n    rayVersion:",
        (
            "spec.rayClusterSpec.autoscalerOptions.upscalingMode is 'Agressive', not one of Default, Aggressive, "
            "Conservative. Did you mean 'Aggressive'?"
        ),
    ),
    ("kind: RayJob", "kind: RayJobs", "kind is 'RayJobs', not RayJob. Did you mean 'RayJob'?"),
    (
        "              value: ray",
        "              value: 1",
        f"{HEAD}.containers[0].env[0].value has the type integer, not string",
    ),
    (
        "              claimName: rushes-checkpoints",
        "              claimName:",
        f"{HEAD}.volumes[0].persistentVolumeClaim.claimName has the type null, not string",
    ),
]


@pytest.mark.parametrize(("good", "bad", "message"), FAULTS)
def test_a_planted_fault_is_named_with_its_line(good, bad, message):
    """Its path, its line, and the nearest that exists."""
    assert WRITTEN.index(good)
    line = WRITTEN[: WRITTEN.index(good)].count("\n") + 1

    assert find_faults(WRITTEN.replace(good, bad, 1)) == [(line, message)]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("# A comment\n" + WRITTEN.replace("memory: 8Gi", "memory: 8GB", 1), 45, "8GB"),
        (WRITTEN.replace("rayVersion: 2", "rayVersion: 2: "), 12, "mapping values are not allowed"),
        (WRITTEN + "kind: RayJob\n", 1, "a second time"),
        ("", 1, "the manifest has the type null, not object"),
        ("[]", 1, "the manifest has the type array, not object"),
        (WRITTEN + "---\n" + WRITTEN, WRITTEN.count("\n") + 1, "single document"),
    ],
)
def test_text_that_cannot_be_a_manifest_is_named(text, line, message):
    """Also text that is not YAML, and several documents."""
    [(found, fault)] = find_faults(text)

    assert message in fault
    assert found == line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: RayJob\nmetadata: {<<: {labels: {1: 2}}, name: x}\n", "metadata.labels[1] has"),
        ("kind: RayJob\nmetadata: &m {name: x, labels: {1: 2}}\nspec: {metadata: *m}\n", "metadata.labels[1] has"),
        ("kind: RayJob\nmetadata: {name: x, [a, b]: c}\n", "while constructing a mapping"),
    ],
)
def test_unusual_yaml_has_lines(text, message):
    """Merged mappings, aliases, keys that are not strings."""
    assert [line for line, fault in find_faults(text) if fault.startswith(message)] == [2]


def schemas():
    """Each schema of the two files, nested ones included."""
    todo = [
        yaml.safe_load((rayjob_check.SCHEMAS / name).read_text()) for name in ("rayjob.schema.yaml", "pod.schema.json")
    ]
    while todo:
        schema = todo.pop()
        if isinstance(schema, dict):
            yield schema
            todo += schema.values()
        todo += schema if isinstance(schema, list) else []


def test_the_schemas_are_strict_and_whole():
    """An object with known keys has no others; what is referred to exists."""
    found = [schema for schema in schemas() if isinstance(schema.get("properties"), dict) and "type" in schema]
    names = {name for schema in schemas() for name in schema.get("$defs", {})}
    referred = {schema["$ref"].rpartition("/")[2] for schema in schemas() if isinstance(schema.get("$ref"), str)}

    assert len(found) > 100
    assert [schema for schema in found if schema.get("additionalProperties") is not False] == []
    assert referred <= names
    for schema in schemas():
        if "$id" in schema:
            Draft202012Validator.check_schema(schema)


def test_the_manifest_follows_the_settings():
    """Workers, resources, storage, threads."""
    built, workers = manifest(
        workers=4, min_workers=2, resources_per_worker={"CPU": 1.5, "GPU": 0.5, "memory": 2**30, "A100": 1}
    )

    assert (workers["minReplicas"], workers["replicas"], workers["maxReplicas"]) == (2, 4, 4)
    limits = container(workers)["resources"]["limits"]
    assert limits == {"cpu": "1500m", "memory": "1073741824", GPU: "1"}
    assert container(workers)["resources"]["requests"] == limits
    assert workers["rayStartParams"] == {"resources": r'"{\"A100\": 1.0}"'}
    found = variables(workers)
    assert found == variables(built["spec"]["rayClusterSpec"]["headGroupSpec"])
    assert (found["TRAINING__ENGINE"], found["TRAINING__WORKERS"], found["TRAINING__THREADS"]) == ("ray", "4", "1")
    assert container(workers)["volumeMounts"][0]["mountPath"] == found["TRAINING__STORAGE"] == STORAGE


def test_pods_read_the_settings_that_were_written(monkeypatch):
    """The variables of the pods give the same settings as settings.toml."""
    wanted = {
        "workers": 3,
        "accelerator": "gpu",
        "resources_per_worker": {"CPU": 2.0},
        "storage": "/shared",
        "threads": 5,
    }
    _, workers = manifest(**wanted)
    for one in container(workers)["env"]:
        monkeypatch.setenv(one["name"], one["value"])

    found = Settings().training
    assert (
        found.model_dump()
        == TrainingSettings(**wanted | {"engine": "ray", "resources_per_worker": {"CPU": 2, "GPU": 1}}).model_dump()
    )
    assert container(workers)["resources"]["limits"][GPU] == "1"


def test_no_volume_is_mounted_where_checkpoints_are_in_s3():
    """Nor a GPU requested where none is asked for."""
    built, workers = manifest(storage="s3://bucket/rushes")

    assert "volume" not in write_text(built)
    assert GPU not in write_text(built)
    assert variables(workers)["TRAINING__STORAGE"] == "s3://bucket/rushes"


def test_a_login_stays_out_of_the_manifest():
    """The address goes in; name and password come from the secret."""
    settings = Settings(registry=RegistrySettings(url="https://ann:hunter2@mlflow.example.org"))
    text = write_text(build_manifest(settings, Deployment(secret="team")))  # noqa: S106 - a name

    assert "https://mlflow.example.org" in text
    assert "hunter2" not in text
    assert "secretRef:\n                name: team" in text


@pytest.mark.parametrize(
    "training",
    [
        {"storage": "s3://bucket/rushes", "workers": 8, "min_workers": 1},
        {"accelerator": "gpu", "resources_per_worker": {"GPU": 2, "TPU_v5": 4}},
        {"accelerator": "cpu", "resources_per_worker": {"CPU": 0.25}, "min_workers": 7, "node_timeout_s": 90},
    ],
)
def test_what_is_written_is_valid(training):
    """Whatever the settings."""
    assert find_faults(write_text(manifest(**training)[0])) == []


def run(monkeypatch, *words):
    """The exit status of a command in this checkout, with the settings of the working folder."""
    monkeypatch.setattr(context, "enter", Path.cwd)
    monkeypatch.setattr(sys, "argv", ["flows", "rayjob", *map(str, words)])
    try:
        return cli.main()
    except SystemExit as done:
        return done.code


@pytest.mark.parametrize("setting", ['storage = "checkpoints"', 'strategy = "fsdp"'])
def test_a_setting_that_pods_cannot_use_is_refused_until_the_remedy_is_followed(tmp_path, monkeypatch, capsys, setting):
    """Each pod would write its checkpoints into a folder of its own, or the job would fail when it trains."""
    (tmp_path / "settings.toml").write_text(f"[training]\n{setting}\n")
    assert run(monkeypatch, "--out", "job.yaml") == 2
    line = capsys.readouterr().err.partition("under [training]: ")[2]
    (tmp_path / "settings.toml").write_text(f"[training]\n{line}")

    assert run(monkeypatch, "--out", "job.yaml", "--image", "rushes:1", "--families", "scene,script") == 0
    found = yaml.safe_load((tmp_path / "job.yaml").read_text())
    assert found["spec"]["entrypoint"] == "env -C /rushes python -m flows nightly --families scene,script"
    assert f"kubectl apply -f {tmp_path}/job.yaml" in capsys.readouterr().out


def test_the_command_prints_what_a_job_would_miss(monkeypatch, capsys):
    """An image and servers that pods can reach; nothing if they are there."""
    assert run(monkeypatch, "--out", "job.yaml") == 0
    first = capsys.readouterr().out
    monkeypatch.setenv("RUSHES_REGISTRY__URL", "https://mlflow.example.org")
    monkeypatch.setenv("RUSHES_REMOTE__URL", "s3://bucket/rushes")
    assert run(monkeypatch, "--out", "job.yaml", "--image", "rushes:1") == 0

    assert [line.split()[0] for line in first.splitlines()] == ["written", "image", "missing", "apply"]
    assert "registry.url and remote.url in settings.toml" in first
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["written", "apply"]


def test_the_command_checks_a_file(tmp_path, monkeypatch, capsys):
    """Exit status 1 and every fault; 0 if there is none."""
    (tmp_path / "job.yaml").write_text(
        WRITTEN.replace("kind: RayJob", "kind: Job").replace("name: rushes\n", "nam: x\n")
    )

    assert run(monkeypatch, "--check", "job.yaml") == 1
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == [
        "job.yaml:4:",
        "job.yaml:5:",
        "job.yaml:6:",
    ]
    assert run(monkeypatch, "--check", ROOT / FILE) == 0
    (tmp_path / "job.yaml").write_bytes(b"\xff")
    assert run(monkeypatch, "--check", "job.yaml") == 1
    assert capsys.readouterr().err == "job.yaml:1: it is not UTF-8: line 1\n"


def test_an_unknown_family_is_refused():
    """Before anything is written."""
    with pytest.raises(MisuseError, match="Did you mean 'scene'"):
        build_manifest(Settings(), Deployment(families="scenes"))
