"""Path patterns such as {label}/{performer}/*: the annotations of an image, read from its path below a folder."""

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


def compile_layout(layout: str, *, labelled: bool = True) -> re.Pattern[str]:
    """Compiles a pattern such as `{label}/{performer}/*` to a regular expression over paths.

    Args:
        layout: The pattern.
        labelled: True if it must have a label.

    Raises:
        DataError: It has no label, an unknown field, or a field twice.
    """
    text = layout.strip().removeprefix("./")
    text += "*" if text.endswith("/") else ""
    fields = re.findall(r"\{([^{}]*)\}", text)
    unknown = [name for name in fields if name not in FIELDS]
    if unknown:
        raise _no_layout(layout, f"there is no field {{{unknown[0]}}}")
    if ("label" not in fields and labelled) or len(set(fields)) < len(fields):
        raise _no_layout(layout, f"it needs {'{label}, and ' * labelled}every field at most once")
    if not re.search(r"[*.]", text.rsplit("/", 1)[-1]) or text.startswith("/") or ".." in text.split("/"):
        raise _no_layout(layout, "it must reach down to the files: its last part is * or *.png or similar")
    return re.compile("".join(_piece(token, layout) for token in TOKENS.finditer(text)), re.DOTALL)


def fit(path: str, file: Path, pattern: re.Pattern[str], layout: str) -> Candidate | UnrecognisedFile:
    """The candidate that a path describes under a layout, or an unrecognised file."""
    found = pattern.fullmatch(path)
    if found is None:
        reason = f"does not match {layout}"
        return UnrecognisedFile(
            path, file, reason, "move it to match, or describe the layout: --layout '{label}/{group}/*'"
        )
    texts = {name: text.strip() for name, text in found.groupdict().items()}
    split = split_of(texts.get("split", ""))
    if split is None:
        return UnrecognisedFile(path, file, "is not in a split", "name the folder train, validation or test")
    group, performer = (texts.get(name, "") for name in ("group", "performer"))
    return Candidate(path, texts.get("label", ""), file, split=split, group=group, performer=performer)


def veiled(path: str, layout: str) -> str:
    """A folder's path down to where the layout has a performer or a wildcard; what is below may contain a name."""
    fields, parts = layout.split("/"), path.split("/")
    named = next((i for i, part in enumerate(fields) if "{performer}" in part or "**" in part), len(fields))
    return path if "{performer}" not in layout or len(parts) <= named else "/".join([*parts[:named], "..."])


def _piece(token: re.Match[str], layout: str) -> str:
    if token["stray"]:
        raise _no_layout(layout, "it has an unmatched brace")
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
