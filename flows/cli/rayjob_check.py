"""Strict validation of a RayJob: each fault with its line, its path, and the nearest key that exists."""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from jsonschema import Draft4Validator, Draft202012Validator
from referencing import Registry, Resource

from common.yaml_files import FAST, YamlFileError, parse_yaml, read_plain_text
from rushes.errors import MisuseError
from rushes.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jsonschema import ValidationError

SCHEMAS = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
MAX_DEFINITION_BYTES = 64 << 20  # that of KubeRay has some megabytes
JSON_TYPES = {
    type(None): "null", dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"
}  # fmt: skip


def find_faults(text: str, definition: Mapping[str, Any] | None = None) -> list[tuple[int, str]]:
    """Line and description of each fault of a manifest, in the order of their lines.

    Args:
        text: The manifest.
        definition: The CustomResourceDefinition of a cluster; by default the schemas beside the manifest are used.
    """
    try:
        manifest = parse_yaml(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return [(mark.line + 1 if mark else 1, " ".join(str(error).split()))]
    node = yaml.compose(text, Loader=FAST)
    validator = _of_definition(definition) if definition else _of_files()
    found = {fault for error in validator.iter_errors(manifest) for fault in _faults(error)}
    return sorted((_line(node, path, key), text) for path, key, text in found)


def _of_files() -> Draft202012Validator:
    rayjob = yaml.load((SCHEMAS / "rayjob.schema.yaml").read_text(encoding="utf-8"), Loader=FAST)  # noqa: S506 - FAST is safe
    pod = json.loads((SCHEMAS / "pod.schema.json").read_text(encoding="utf-8"))
    return Draft202012Validator(rayjob, registry=Registry().with_resource(pod["$id"], Resource.from_contents(pod)))


def read_definition(path: Path) -> dict[str, Any]:
    """Reads a CustomResourceDefinition that kubectl has written.

    Raises:
        MisuseError: It is none.
    """
    with suppress(YamlFileError, json.JSONDecodeError, RecursionError, LookupError, TypeError):
        found: dict[str, Any] = json.loads(read_plain_text(path, MAX_DEFINITION_BYTES))
        if found["kind"] == "CustomResourceDefinition" and found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]:
            return found
    message = f"{path} is not a CustomResourceDefinition in JSON"
    raise MisuseError(message, f"kubectl get crd rayjobs.ray.io -o json > {shlex.quote(str(path))}")


def _of_definition(definition: Mapping[str, Any]) -> Draft4Validator:
    """Checks as the API server does with `fieldValidation: Strict`, for the version that the server stores."""
    spec = definition["spec"]
    version = next((one for one in spec["versions"] if one.get("storage")), spec["versions"][0])
    schema = _strict(version["schema"]["openAPIV3Schema"])
    own = {"apiVersion": {"enum": [f"{spec['group']}/{version['name']}"]}, "kind": {"enum": [spec["names"]["kind"]]}}
    required = ["apiVersion", "kind", "metadata", "spec"]
    return Draft4Validator(schema | {"properties": schema["properties"] | own, "required": required})


def _strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A structural schema of Kubernetes as a JSON schema that refuses what the API server would drop.

    A required key with a default may be missing: the server adds it first.
    """
    strict = dict(schema)
    if "properties" in schema:
        known = schema["properties"]
        strict["properties"] = {name: _strict(one) for name, one in known.items()}
        strict["required"] = [name for name in schema.get("required", []) if "default" not in known.get(name, {})]
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            strict.setdefault("additionalProperties", False)
    for rule in ("items", "additionalProperties"):
        if isinstance(strict.get(rule), dict):
            strict[rule] = _strict(strict[rule])
    if schema.get("x-kubernetes-int-or-string"):
        strict["type"] = ["integer", "string"]
    if schema.get("nullable") and isinstance(strict.get("type"), str):
        strict["type"] = [strict["type"], "null"]
    return {name: rule for name, rule in strict.items() if rule != [] or name != "required"}  # draft 4 wants none empty


Fault = tuple[tuple[str | int, ...], str, str]  # path of the value, the key in it if the fault is that, description


def _faults(error: ValidationError) -> Iterator[Fault]:
    """Faults at one place; a value that may be a password is not shown."""
    path, rule, given = tuple(error.absolute_path), error.validator_value, error.instance
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        for key in map(str, given):
            if key not in known:
                yield path, key, f"{_shown(path, key)} is not a known key.{did_you_mean(key, known)}"
    elif error.validator == "required":
        for key in rule:
            if key not in given:
                yield path, "", f"{_shown(path)} requires the key {key!r}"
    elif error.validator == "type":
        allowed = rule if isinstance(rule, str) else " or ".join(rule)
        yield path, "", f"{_shown(path)} has the type {JSON_TYPES.get(type(given), 'timestamp')}, not {allowed}"
    elif error.validator in {"enum", "const"}:
        values = [str(value) for value in (rule if error.validator == "enum" else [rule])]
        allowed = values[0] if len(values) == 1 else f"one of {', '.join(values)}"
        yield path, "", f"{_shown(path)} is {given!r}, not {allowed}.{did_you_mean(str(given), values)}"
    else:
        yield path, "", f"{_shown(path)}: {error.message}"


def _shown(path: Sequence[str | int], key: str = "") -> str:
    """Path such as `spec.workerGroupSpecs[0].template`."""
    steps = [*path, *([key] if key else [])]
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".") or "the manifest"


def _line(node: yaml.Node | None, path: Sequence[str | int], key: str = "") -> int:
    """Line of a value, counted from 1: that of its key if it has one, or that of the key in it.

    A value that comes from elsewhere, by `<<`, has the line of what it was put into.
    """
    line = node.start_mark.line if node else 0
    for step in [*path, *([key] if key else [])]:
        mark = node
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            mark = node = node.value[step]
        elif isinstance(node, yaml.MappingNode):
            mark, node = next((pair for pair in node.value if pair[0].value == str(step)), (node, None))
        line = mark.start_mark.line if mark else line
    return int(line) + 1
