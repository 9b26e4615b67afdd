"""`rayjob --check FILE --definition FILE`: validation by the CustomResourceDefinition of a cluster.

The definition here is a small one of the same kind, made by hand: KubeRay's own is not part of this repository.
"""

from __future__ import annotations

import json

import pytest

from flows.cli.rayjob import run_check
from flows.cli.rayjob_check import find_faults, read_definition
from rushes.errors import MisuseError

QUANTITY = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
CONTAINER = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "limits": {"type": "object", "additionalProperties": QUANTITY},
        "mode": {"type": "string", "enum": ["Default", "Aggressive"]},
        "since": {"type": "string", "nullable": True},
    },
}
SPEC = {
    "type": "object",
    "required": ["entrypoint", "replicas"],
    "properties": {
        "entrypoint": {"type": "string"},
        "replicas": {"type": "integer", "default": 0},
        "free": {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "x-kubernetes-preserve-unknown-fields": True,
        },
        "containers": {"type": "array", "items": CONTAINER},
    },
}
NAMES = {name: {"type": kind} for name, kind in (("apiVersion", "string"), ("kind", "string"), ("metadata", "object"))}
DEFINITION = {
    "kind": "CustomResourceDefinition",
    "spec": {
        "group": "ray.io",
        "names": {"kind": "RayJob"},
        "versions": [
            {"name": "v1alpha1", "schema": {"openAPIV3Schema": {"type": "object", "properties": NAMES}}},
            {
                "name": "v1",
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": NAMES | {"spec": SPEC}}},
            },
        ],
    },
}
GOOD = """apiVersion: ray.io/v1
kind: RayJob
metadata: {name: rushes, labels: {team: film}}
spec:
  entrypoint: python
  free: {a: x, b: 2}
  containers:
  - name: head
    mode: Default
    since:
    limits: {cpu: 1, memory: 8Gi}
"""


def test_a_good_manifest_passes():
    """A default stands in for a required key; some objects keep unknown keys, and some values may be null."""
    assert find_faults(GOOD, DEFINITION) == []


@pytest.mark.parametrize(
    ("good", "bad", "line", "message"),
    [
        (
            "  entrypoint: python",
            "  entrypont: python",
            5,
            "spec.entrypont is not a known key. Did you mean 'entrypoint'?",
        ),
        ("entrypoint: python", "entrypoint: [python]", 5, "spec.entrypoint has the type array, not string"),
        ("    mode: D", "    moda: D", 9, "spec.containers[0].moda is not a known key. Did you mean 'mode'?"),
        ("- name: head\n    mode", "- mode", 8, "spec.containers[0] requires the key 'name'"),
        (": Default", ": Defaults", 9, "spec.containers[0].mode is 'Defaults', not one of Default, Aggressive. Did"),
        ("cpu: 1", "cpu: 0.5", 11, "spec.containers[0].limits.cpu has the type number, not integer or string"),
        ("  - name: head", "  - name:", 8, "spec.containers[0].name has the type null, not string"),
        ("ray.io/v1", "ray.io/v1alpha1", 1, "apiVersion is 'ray.io/v1alpha1', not ray.io/v1."),
    ],
)
def test_a_planted_fault_is_named_with_its_line(good, bad, line, message):
    """Also within lists."""
    assert GOOD.count(good) == 1
    found = find_faults(GOOD.replace(good, bad), DEFINITION)

    assert [fault for fault in found if fault[0] == line and fault[1].startswith(message)], found


def test_another_file_is_refused(tmp_path):
    """With the command that writes one."""
    (tmp_path / "job.yaml").write_text(GOOD)
    for text in ("", "[]", "{}", "kind: CustomResourceDefinition", json.dumps(DEFINITION | {"spec": {"versions": []}})):
        (tmp_path / "crd.json").write_text(text)
        with pytest.raises(MisuseError, match="not a CustomResourceDefinition") as caught:
            read_definition(tmp_path / "crd.json")
        assert caught.value.remedy == f"kubectl get crd rayjobs.ray.io -o json > {tmp_path}/crd.json"

    (tmp_path / "crd.json").write_text(json.dumps(DEFINITION))
    assert run_check(tmp_path / "job.yaml", tmp_path / "crd.json") == 0
