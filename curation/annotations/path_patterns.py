"""Patterns of folders, such as {label}/{performer}/*: what a path below a folder says of its picture."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from curation.errors import DataError
from curation.intake.candidates import Candidate, UnrecognisedFile, split_of

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = ("label", "split", "performer", "group")
TOKENS = re.compile(r"\{(?P<field>[^{}]*)\}|(?P<deep>\*\*/?)|(?P<any>\*)|(?P<literal>[^{}*]+)|(?P<stray>[{}])")


def compile_layout(layout: str) -> re.Pattern[str]:
    """A pattern such as `{label}/{performer}/*` as a regular expression over paths.

    Raises:
        DataError: It names no label, a field that is not known, or a field twice.
    """
    text = layout.strip().removeprefix("./")
    text += "*" if text.endswith("/") else ""
    fields = re.findall(r"\{([^{}]*)\}", text)
    unknown = [name for name in fields if name not in FIELDS]
    if unknown:
        raise _no_layout(layout, f"there is no field {{{unknown[0]}}}")
    if "label" not in fields or len(set(fields)) < len(fields):
        raise _no_layout(layout, "it needs {label}, and every field once at most")
    if not re.search(r"[*.]", text.rsplit("/", 1)[-1]) or text.startswith("/") or ".." in text.split("/"):
        raise _no_layout(layout, "it goes from the folder down to the files: its last part is * or *.png or the like")
    return re.compile("".join(_piece(token, layout) for token in TOKENS.finditer(text)), re.DOTALL)


def fit(path: str, file: Path, pattern: re.Pattern[str], layout: str) -> Candidate | UnrecognisedFile:
    """What a path says under a layout, or that it says nothing."""
    found = pattern.fullmatch(path)
    if found is None:
        reason = f"does not lie as {layout} says"
        return UnrecognisedFile(
            path, file, reason, "move it there, or say how the files lie: --layout '{label}/{group}/*'"
        )
    texts = {name: text.strip() for name, text in found.groupdict().items()}
    split = split_of(texts.get("split", ""))
    if split is None:
        return UnrecognisedFile(path, file, "lies in no split", "call the folder train, validation or test")
    group, performer = (texts.get(name, "") for name in ("group", "performer"))
    return Candidate(path, texts["label"], file, split=split, group=group, performer=performer)


def veiled(path: str, layout: str) -> str:
    """A folder's path as far as the layout names a performer, or anything at all: below that it may carry a name."""
    said, parts = layout.split("/"), path.split("/")
    named = next((i for i, part in enumerate(said) if "{performer}" in part or "**" in part), len(said))
    return path if "{performer}" not in layout or len(parts) <= named else "/".join([*parts[:named], "..."])


def _piece(token: re.Match[str], layout: str) -> str:
    if token["stray"]:
        raise _no_layout(layout, "a brace stands alone")
    if token["field"]:
        return f"(?P<{token['field']}>[^/]+?)"
    if token["deep"]:
        return "(?:.*/)?" if token["deep"].endswith("/") else ".*"
    return "[^/]*" if token["any"] else re.escape(unicodedata.normalize("NFC", token["literal"]))


def _no_layout(layout: str, why: str) -> DataError:
    fields = ", ".join(f"{{{name}}}" for name in FIELDS)
    return DataError(
        f"{layout!r} is not a layout: {why}", f"write one like '{{label}}/{{performer}}/*', from {fields}, *"
    )
