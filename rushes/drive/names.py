"""Names of a rig: maps the 52 units to the targets of a character by weighted sums.

`arkit` sends the units themselves under the names of Perfect Sync clips, ARKit's names with a capital (JawOpen), as
VMC receivers expect them. `vrm1` and `vrm0` send the expression presets of VRM 1.0 and 0.x, and `vrm` both, since a
model ignores the names that it does not have. Left out are `neutral`, which stands for the absence of all, and
`blink`, since both eyes have their own and would close twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rushes.drive.livelink import column_of
from rushes.errors import MisuseError, plain
from rushes.suggest import did_you_mean
from rushes.tracking.face import UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BYTES = 65_536
MOST_TARGETS = 512
LONGEST_NAME = 128
DEEPEST = 4  # a file has a mapping of targets, with one of entries, with one of units
FORM = "write TARGET: UNIT, TARGET: {UNIT: WEIGHT} or TARGET: {units: {UNIT: WEIGHT}, offset: 0, clip: [0, 1]}"

Number = Annotated[float, Field(allow_inf_nan=False, ge=-100, le=100)]


class Target(BaseModel):
    """One target of a rig: a weighted sum of units, plus an offset, clipped."""

    model_config = ConfigDict(extra="forbid")

    units: dict[str, Number] = Field(min_length=1)
    offset: Number = 0.0
    clip: tuple[Number, Number] = (0.0, 1.0)


@dataclass(frozen=True)
class NameMap:
    """Targets of a rig, and how each follows from the units."""

    targets: tuple[str, ...]
    weights: np.ndarray  # (targets, 52) float32
    offset: np.ndarray  # (targets,) float32
    clip: np.ndarray  # (2, targets) float32: lowest and highest value

    def apply(self, units: np.ndarray) -> np.ndarray:
        """Values of the targets (targets,) for units (52,)."""
        values: np.ndarray = np.clip(self.weights @ units + self.offset, *self.clip)
        return values


def _both(left: str, weight: float) -> dict[str, float]:
    return {left: weight, left.replace("Left", "Right"): weight}


# Visemes are mixtures by the shape of the mouth: open, stretched, puckered, teeth shown, rounded.
_PRESETS: tuple[tuple[str, str, dict[str, float]], ...] = (  # VRM 1.0, VRM 0.x ("" if it has none), units
    ("aa", "A", {"jawOpen": 1.0, "mouthFunnel": -0.5, "mouthPucker": -0.5}),
    ("ih", "I", _both("mouthStretchLeft", 0.5)),
    ("ou", "U", {"mouthPucker": 1.0, "jawOpen": -0.3}),
    ("ee", "E", _both("mouthLowerDownLeft", 0.3) | _both("mouthUpperUpLeft", 0.2)),
    ("oh", "O", {"mouthFunnel": 1.0}),
    ("blinkLeft", "Blink_L", {"eyeBlinkLeft": 1.0}),
    ("blinkRight", "Blink_R", {"eyeBlinkRight": 1.0}),
    ("happy", "Joy", _both("mouthSmileLeft", 0.5)),
    ("angry", "Angry", _both("browDownLeft", 0.4) | _both("noseSneerLeft", 0.1)),
    ("sad", "Sorrow", _both("mouthFrownLeft", 0.3) | {"browInnerUp": 0.4}),
    ("relaxed", "Fun", _both("mouthSmileLeft", 0.25) | _both("eyeSquintLeft", 0.25)),
    ("surprised", "", _both("eyeWideLeft", 0.25) | _both("browOuterUpLeft", 0.15) | {"browInnerUp": 0.2}),
    ("lookUp", "LookUp", _both("eyeLookUpLeft", 0.5)),
    ("lookDown", "LookDown", _both("eyeLookDownLeft", 0.5)),
    ("lookLeft", "LookLeft", {"eyeLookOutLeft": 0.5, "eyeLookInRight": 0.5}),
    ("lookRight", "LookRight", {"eyeLookInLeft": 0.5, "eyeLookOutRight": 0.5}),
)
_VRM1 = {name: units for name, _, units in _PRESETS}
_VRM0 = {name: units for _, name, units in _PRESETS if name}
PRESETS: dict[str, dict[str, dict[str, float]]] = {
    "arkit": {column_of(unit): {unit: 1.0} for unit in UNITS},
    "vrm": _VRM1 | _VRM0,
    "vrm0": _VRM0,
    "vrm1": _VRM1,
}


def names_of(text: str) -> NameMap:
    """Names of a rig by the name of a preset, or from a YAML file.

    Raises:
        MisuseError: There is no such preset or file, or the file is not valid.
    """
    if text in PRESETS:
        return _mapped({target: Target(units=units) for target, units in PRESETS[text].items()})
    path = Path(text).expanduser()
    if path.suffix.lower() not in {".yaml", ".yml"}:
        message = f"{plain(text)} names no rig: {', '.join(PRESETS)}, or a file FILE.yaml.{did_you_mean(text, PRESETS)}"
        raise MisuseError(message)
    document = _document(path)
    if not isinstance(document, dict) or not document:
        raise _wrong(path, FORM)
    if len(document) > MOST_TARGETS:
        raise _wrong(path, f"has {len(document)} targets; at most {MOST_TARGETS} are sent a frame")
    return _mapped({_name(path, target): _target(path, target, entry) for target, entry in document.items()})


def _mapped(targets: Mapping[str, Target]) -> NameMap:
    weights = np.zeros((len(targets), len(UNITS)), np.float32)
    for row, target in zip(weights, targets.values(), strict=True):
        for unit, weight in target.units.items():
            row[UNITS.index(unit)] = weight
    offset = np.array([target.offset for target in targets.values()], np.float32)
    clip = np.array([target.clip for target in targets.values()], np.float32).T
    return NameMap(tuple(targets), weights, offset, clip)


def _name(path: Path, target: str) -> str:
    if not (0 < len(target) <= LONGEST_NAME and target.isprintable()):
        raise _wrong(
            path, f"the target {plain(target)[:40]!r} is not a name of 1 to {LONGEST_NAME} printable characters"
        )
    return target


def _target(path: Path, target: str, entry: Any) -> Target:  # noqa: ANN401  # what a person wrote
    if isinstance(entry, str):
        entry = {"units": {entry: 1}}
    elif isinstance(entry, dict) and "units" not in entry:
        entry = {"units": entry}
    units = entry["units"] if isinstance(entry, dict) else None
    for unit in units if isinstance(units, dict) else ():
        if unit in Target.model_fields:
            raise _wrong(path, f"{target}: {unit} stands beside units: add units; {FORM}")
        if unit not in UNITS:
            known = (*UNITS, *Target.model_fields)
            raise _wrong(path, f"{target}: {plain(unit)!r} is not one of ARKit's 52 units.{did_you_mean(unit, known)}")
    for key in entry if isinstance(entry, dict) else ():
        if key not in Target.model_fields:
            raise _wrong(
                path, f"{target}: {plain(key)!r} is not known; {FORM}.{did_you_mean(key, Target.model_fields)}"
            )
    try:
        found = Target.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, (target, *first["loc"])))
        raise _wrong(path, f"{plain(place)}: {first['msg']}; {FORM}") from error
    if found.clip[0] >= found.clip[1]:
        raise _wrong(path, f"{target}.clip: the first number must be below the second")
    return found


class _StrictLoader(yaml.BaseLoader):
    """Loader of text, lists and mappings alone, without aliases, which can blow up a small file, and repeated keys."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or self.depth >= DEEPEST:
            problem = "an alias (*) or a mapping nested this deeply is not allowed"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=self.get_mark())
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in seen:
                raise yaml.MarkedYAMLError(problem="a name is not text, or there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _document(path: Path) -> Any:  # noqa: ANN401  # what a person wrote
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise _wrong(path, f"cannot be read: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise _wrong(path, f"has more than {MOST_BYTES} bytes: is it the names of a rig?")
    try:
        return yaml.load(content.decode("utf-8-sig"), Loader=_StrictLoader)  # noqa: S506  # text, lists and mappings alone
    except UnicodeDecodeError as error:
        raise _wrong(path, "is not text in UTF-8") from error
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or error
        place = f" in line {mark.line + 1}" if mark else ""
        raise _wrong(path, f"is not valid YAML{place}: {plain(problem)}") from error


def _wrong(path: Path, why: str) -> MisuseError:
    return MisuseError(f"--names {path}: {why}")
