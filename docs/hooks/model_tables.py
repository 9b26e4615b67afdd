"""Fields of pydantic models as Markdown tables: key, type, bounds, default and description."""

from __future__ import annotations

import inspect
import re
import types
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo

SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "length ≥", "max_length": "length ≤"}
ESCAPED_BAR = "\\|"


def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Description of each field: its attribute docstring, its line under `Attributes:`, or the comment beside it."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if kind.__module__.split(".")[0] in {"pydantic", "pydantic_settings", "builtins"} or kind is object:
            continue
        found |= _trailing_comments(kind) | _attributes(inspect.getdoc(kind) or "")
    return found | {name: field.description for name, field in model.model_fields.items() if field.description}


def _trailing_comments(kind: type) -> dict[str, str]:
    try:
        source = inspect.getsource(kind)
    except (OSError, TypeError):  # a class made while the program runs has no source
        return {}
    return dict(re.findall(r"^    (\w+): .*?  # (?!noqa)(.+)$", source, flags=re.MULTILINE))


def _attributes(docstring: str) -> dict[str, str]:
    section = docstring.partition("Attributes:\n")[2]
    return dict(re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", section, flags=re.MULTILINE))


def summary(model: type[BaseModel]) -> str:
    """Docstring of a model without its list of attributes."""
    return inspect.cleandoc(model.__doc__ or "").partition("Attributes:\n")[0].strip()


def type_text(kind: Any) -> str:  # noqa: ANN401  # any annotation
    """A type as a reader of YAML knows it: `list of int`, `auto | cpu`, `number or none`."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return type_text(inside[0])
    if origin is typing.Literal:
        return " or ".join(f"`{one}`" for one in inside)
    if origin in {typing.Union, types.UnionType}:
        return " or ".join(type_text(one) for one in inside)
    if origin in {list, tuple}:
        return f"list of {type_text(inside[0])}" if inside else "list"
    if origin is dict:
        return f"map of {type_text(inside[1])}"
    names = {
        Any: "any value",
        float: "number",
        str: "text",
        bool: "true or false",
        types.NoneType: "none",
        Path: "path",
        int: "int",
    }
    return names.get(kind) or getattr(kind, "__name__", str(kind))


def bounds_text(field: FieldInfo) -> str:
    """Bounds of a value: `≥ 0, < 1`."""
    parts = [
        f"{sign} {getattr(rule, name)}" for rule in field.metadata for name, sign in SIGNS.items() if _has(rule, name)
    ]
    pattern = next((rule.pattern for rule in field.metadata if _has(rule, "pattern")), "")
    return ", ".join([*parts, *([f"matches `{pattern}`"] if pattern else [])])


def _has(rule: object, name: str) -> bool:
    return getattr(rule, name, None) is not None


def default_text(field: FieldInfo) -> str:
    """The default as YAML writes it, or that there is none."""
    value = field.get_default(call_default_factory=True)
    return "required" if value is PydanticUndefined else f"`{yaml_text(value)}`"


def yaml_text(value: Any) -> str:  # noqa: ANN401  # any value of params.yaml
    """A value on one line, as YAML writes it."""
    return yaml.safe_dump(_plain(value), default_flow_style=True, width=10_000).strip().removesuffix("...").strip()


def _plain(value: Any) -> Any:  # noqa: ANN401  # any value of params.yaml
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def cell(text: str) -> str:
    """Text that fits into a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", ESCAPED_BAR).replace("<", "&lt;")


def nested(field: FieldInfo) -> type[BaseModel] | None:
    """The model that a field holds, or None."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def table(model: type[BaseModel], prefix: str, current: Mapping[str, Any] | None = None) -> str:
    """Fields of one model as a table; fields that are models themselves are left to their own tables."""
    described = descriptions(model)
    rows = ["| key | type and bounds | default | description |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if nested(field) is None:
            kind = ", ".join(filter(None, (type_text(field.annotation), bounds_text(field))))
            default = default_text(field)
            if current and name in current and f"`{yaml_text(current[name])}`" != default:
                default += f"; params.yaml: `{yaml_text(current[name])}`"
            rows.append(f"| `{prefix}{name}` | {cell(kind)} | {cell(default)} | {cell(described.get(name, ''))} |")
    return "\n".join(rows) + "\n" if len(rows) > 2 else ""  # noqa: PLR2004  # the head alone


def sections(model: type[BaseModel], path: str, current: Mapping[str, Any], depth: int = 2) -> Iterator[str]:
    """One heading, one paragraph and one table for a model and for each model below it."""
    yield f"{'#' * depth} `{path}`\n\n{summary(model)}\n"
    yield table(model, f"{path}.", current)
    for name, field in model.model_fields.items():
        below = nested(field)
        if below is not None:
            yield from sections(below, f"{path}.{name}", current.get(name) or {}, min(depth + 1, 4))


def table_of_all(model: type[BaseModel]) -> str:
    """Fields of one model as a table, models among them too."""
    described = descriptions(model)
    rows = ["| key | type and bounds | default | description |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        below = nested(field)
        default = f"see {below.__name__}" if below else default_text(field)
        kind = ", ".join(filter(None, (type_text(field.annotation), bounds_text(field))))
        rows.append(f"| `{name}` | {cell(kind)} | {cell(default)} | {cell(described.get(name, ''))} |")
    return "\n".join(rows) + "\n"


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Paths and fields of a model and of all models below it."""
    for name, field in model.model_fields.items():
        below = nested(field)
        if below is None:
            yield f"{prefix}{name}", field
        else:
            yield from leaves(below, f"{prefix}{name}.")
