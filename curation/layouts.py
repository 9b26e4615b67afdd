"""How samples lie in a folder or a table: found out, or told by a pattern; listed without opening a picture.

{label}/*               class folders
{split}/{label}/*       Kaggle's folders of FER2013, and others like it
{label}/{performer}/*   any pattern of {label} {split} {performer} {group} * ** and literal parts
samples.csv             path,label and, where wanted, split, group, performer, use, until, caption, votes
emotion,pixels,Usage    FER2013 as one CSV
"""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from curation.errors import DataError
from curation.labels import resolve
from curation.pictures import SUFFIXES
from curation.tables import Row, fault, header_of, rows_of
from curation.votes import parse_votes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

FIELDS = ("label", "split", "performer", "group")
CLASS_FOLDERS = "{label}/*"
SPLIT_FOLDERS = "{split}/{label}/*"
SAMPLES = "samples.csv"
SAMPLES_COLUMNS = ("path", "label", "split", "group", "performer", "use", "until", "caption", "votes")
FER_CSV = "emotion,pixels,Usage"
FER_LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")  # by FER2013's index
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "publictest"), "validation"),
    **dict.fromkeys(("test", "testing", "privatetest"), "test"),
}
JUNK = frozenset({"__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini", "$RECYCLE.BIN", "lost+found"})
TOKENS = re.compile(r"\{(?P<field>[^{}]*)\}|(?P<deep>\*\*/?)|(?P<any>\*)|(?P<literal>[^{}*]+)|(?P<stray>[{}])")


@dataclass(frozen=True)
class Candidate:
    """A sample that might be taken in: where its bytes are, and all that was said of it."""

    path: str  # below the folder, with slashes
    label: str  # as written
    file: Path | None = None
    pixels: str = ""  # where there is no file: grey values, and the table and line that hold them
    table: Path | None = None
    line: int = 0
    split: str = ""
    group: str = ""
    performer: str = ""
    use: str = ""
    until: str = ""
    caption: str = ""
    votes: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Stranger:
    """A file that is no sample under this layout, and why."""

    path: str
    file: Path
    reason: str
    remedy: str


@dataclass
class Listing:
    """What a folder or a table holds.

    Attributes:
        layout: The pattern or the kind of table.
        folder: Every file must lie in it.
        candidates: In a fixed order; can be gone through once.
        total: How many, where that is known beforehand.
        strangers: Pictures that the layout does not reach.
        others: Files that are left aside: no pictures by their name, or not named in the table.
        tables: The CSV files that the candidates were read from.
        empty: Folders without a file, as they may be shown.
        hide_paths: Paths that do not fit may hold people's names.
        notes: What else is worth knowing.
    """

    layout: str
    folder: Path
    candidates: Iterable[Candidate]
    total: int | None = None
    strangers: list[Stranger] = field(default_factory=list)
    others: list[Stranger] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    hide_paths: bool = False
    notes: list[str] = field(default_factory=list)


def scan(path: Path, labels: Sequence[str], layout: str | None = None, only: Iterable[str] | None = None) -> Listing:
    """Lists what lies at a path.

    Args:
        path: A folder, or a CSV file.
        labels: The taxonomy.
        layout: A pattern; None: found out.
        only: Names right below the folder; None: all.

    Raises:
        DataError: The layout is no layout, or the table is none that is known.
    """
    if path.is_file():
        return _table(path, layout)
    if layout is None:
        path = _unwrapped(path, labels)
        table = _table_in(path) if only is None else None
        if table is not None:
            return _beside_table(path, _table(table, None))
    return _folders(path, labels, layout, only)


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


def split_of(text: str) -> str | None:
    """The split that a name means; empty for none given, None when it is no split."""
    return SPLIT_NAMES.get(re.sub(r"[\s_-]+", "", text.casefold())) if text.strip() else ""


def is_table(file: Path) -> bool:
    """Whether a file is a table of samples."""
    header = header_of(file) if file.suffix.lower() == ".csv" else []
    return _is_fer(header) or _is_samples(header)


def holds_pictures(folder: Path) -> bool:
    """Whether pictures lie right in a folder."""
    return any(entry.suffix.lower() in SUFFIXES for entry in folder.iterdir() if not _is_junk(entry.name))


def visible(folder: Path) -> list[Path]:
    """What lies right in a folder, but for hidden files and what systems leave behind, in a fixed order."""
    return sorted(entry for entry in folder.iterdir() if not _is_junk(entry.name))


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
    return DataError(f"{layout!r} is no layout: {why}", f"write one like '{{label}}/{{performer}}/*', from {fields}, *")


def _is_fer(header: Sequence[str]) -> bool:
    return {"emotion", "pixels"} <= set(header)


def _is_samples(header: Sequence[str]) -> bool:
    return {"path", "label"} <= set(header)


def _is_junk(name: str) -> bool:
    return name.startswith((".", "~$")) or name in JUNK


def _unwrapped(folder: Path, labels: Sequence[str]) -> Path:
    # Archives are often unpacked into a folder that holds one folder and nothing else.
    inside = visible(folder)
    while len(inside) == 1 and inside[0].is_dir() and not inside[0].is_symlink():
        name = inside[0].name
        below = visible(inside[0])
        if resolve(name, labels) or split_of(name) or not any(entry.is_dir() or is_table(entry) for entry in below):
            break
        folder, inside = inside[0], below
    return folder


def _table_in(folder: Path) -> Path | None:
    named = folder / SAMPLES
    if named.is_file():
        return named
    return next((file for file in sorted(folder.glob("*.csv")) if _is_fer(header_of(file))), None)


def _table(file: Path, layout: str | None) -> Listing:
    if layout is not None:
        message = f"{file.name} is a table, and a layout is for folders"
        raise DataError(message, "leave --layout out")
    header = header_of(file)
    if _is_fer(header):
        return Listing(FER_CSV, file.parent, _fer_rows(file), tables=[file])
    if not _is_samples(header):
        message = f"{file.name} is no table of samples: its first line names {', '.join(header) or 'nothing'}"
        raise DataError(message, f"give a folder, or a CSV with {', '.join(SAMPLES_COLUMNS[:2])} or {FER_CSV}")
    folder = file.parent.resolve()
    candidates = list(_samples_rows(file, folder))
    return Listing(
        SAMPLES, folder, candidates, len(candidates), tables=[file], hide_paths=any(c.performer for c in candidates)
    )


def _beside_table(folder: Path, listing: Listing) -> Listing:
    table = listing.tables[0]
    named = (
        {candidate.file for candidate in listing.candidates if candidate.file} if listing.total is not None else set()
    )
    folder = folder.resolve()
    walk = _Walk(folder, None)
    listing.others += walk.links
    for path, file in walk.files:
        if file.suffix.lower() not in SUFFIXES and file.name != table.name:
            listing.others.append(_no_picture(path, file))
        elif file.suffix.lower() in SUFFIXES and file not in named:
            reason = f"does not stand in {table.name}"
            listing.others.append(Stranger(path, file, reason, f"write a line for it into {table.name}"))
    return listing


def _no_picture(path: str, file: Path) -> Stranger:
    return Stranger(path, file, "is no picture by its name", "take it out, or give it the suffix of its format")


def _samples_rows(file: Path, folder: Path) -> Iterator[Candidate]:
    lines: dict[str, tuple[int, str]] = {}
    for line, row in rows_of(file):
        candidate = _sample(file, folder, line, row)
        first, label = lines.setdefault(candidate.path, (line, candidate.label))
        if label != candidate.label:
            raise fault(file, line, f"this picture stands in line {first} with another label")
        if first == line:
            yield candidate


def _sample(file: Path, folder: Path, line: int, row: Row) -> Candidate:
    split = split_of(row.get("split", ""))
    if not row["path"] or not row["label"]:
        raise fault(file, line, "it needs a path and a label")
    if split is None:
        raise fault(file, line, f"no split {row['split']!r}: train, validation or test")
    try:
        votes = parse_votes(row.get("votes", ""))
        until = date.fromisoformat(row["until"]).isoformat() if row.get("until") else ""
    except ValueError as error:
        raise fault(file, line, str(error)) from error
    place = Path(row["path"].replace("\\", "/"))
    path = place.relative_to(folder) if place.is_absolute() and place.is_relative_to(folder) else place
    return Candidate(
        _shown(posixpath.normpath(path.as_posix())),
        row["label"],
        folder / path,
        table=file,
        line=line,
        split=split,
        group=row.get("group", ""),
        performer=row.get("performer", ""),
        use=row.get("use", ""),
        until=until,
        caption=row.get("caption", ""),
        votes=votes,
    )


def _fer_rows(file: Path) -> Iterator[Candidate]:
    pixels = 0
    for number, (line, row) in enumerate(rows_of(file)):
        split = split_of(row.get("usage", ""))
        if split is None:
            raise fault(file, line, f"no Usage {row['usage']!r}: Training, PublicTest or PrivateTest")
        count = row["pixels"].count(" ") + 1
        pixels = pixels or count
        if count != pixels:
            raise fault(file, line, f"{count} pixels, where the rows before have {pixels}")
        # FER+ calls the pictures so, by their row.
        yield Candidate(
            f"fer{number:07d}.png",
            _fer_label(row["emotion"]),
            pixels=row["pixels"],
            table=file,
            line=line,
            split=split,
        )


def _fer_label(emotion: str) -> str:
    known = emotion.isdecimal() and int(emotion) < len(FER_LABELS)
    return FER_LABELS[int(emotion)] if known else emotion


def _folders(folder: Path, labels: Sequence[str], layout: str | None, only: Iterable[str] | None) -> Listing:
    folder = folder.resolve()
    walk = _Walk(folder, None if only is None else frozenset(only))
    pictures = [(path, file) for path, file in walk.files if file.suffix.lower() in SUFFIXES]
    layout = layout or _found_out([path for path, _ in pictures], labels)
    pattern = compile_layout(layout)
    listing = Listing(layout, folder, [], strangers=walk.links, hide_paths="{performer}" in layout)
    listing.others = [_no_picture(path, file) for path, file in walk.files if file.suffix.lower() not in SUFFIXES]
    listing.empty = [_veiled(path, layout) for path in walk.empty]
    if layout != SPLIT_FOLDERS and split_of(layout.split("/", 1)[0]):
        listing.notes.append(f"one split alone, {layout.split('/', 1)[0]}, parts nothing: its samples are dealt out")
    found = [_fit(path, file, pattern, layout) for path, file in pictures]
    listing.candidates = [one for one in found if isinstance(one, Candidate)]
    listing.strangers += [one for one in found if isinstance(one, Stranger)]
    listing.total = len(listing.candidates)
    return listing


class _Walk:
    """The files below a folder in a fixed order; links to folders are not followed."""

    def __init__(self, folder: Path, only: frozenset[str] | None) -> None:
        self.files: list[tuple[str, Path]] = []
        self.links: list[Stranger] = []
        self.empty: list[str] = []
        for place, folders, names in os.walk(folder, onerror=_cannot_list):
            here = Path(place)
            folders[:] = sorted(name for name in folders if not _is_junk(name))
            if here == folder and only is not None:
                folders[:] = [name for name in folders if name in only]
                names = [name for name in names if name in only]  # noqa: PLW2901  the same, cut down
            self._enter(folder, here, folders, [name for name in sorted(names) if not _is_junk(name)])

    def _enter(self, folder: Path, here: Path, folders: list[str], names: list[str]) -> None:
        self.files += [(_below(here / name, folder), here / name) for name in names]
        links = [name for name in folders if (here / name).is_symlink()]
        self.links += [_linked(here / name, folder) for name in links]
        folders[:] = [name for name in folders if name not in links]
        if here != folder and not folders and not names and not links:
            self.empty.append(_below(here, folder))


def _cannot_list(error: OSError) -> None:
    message = f"a folder cannot be read: {error.strerror}: {error.filename}"
    raise DataError(message, "allow this user to read it") from error


def _linked(link: Path, folder: Path) -> Stranger:
    inside = link.resolve().is_relative_to(folder)
    reason = "is a link to a folder" if inside else "leads out of the folder"
    return Stranger(_below(link, folder), link, reason, "ingest the folder that it points to, or put the files there")


def _below(path: Path, folder: Path) -> str:
    return _shown(path.relative_to(folder).as_posix())


def _shown(path: str) -> str:
    # A name that is no UTF-8 still has to be written into a CSV.
    return unicodedata.normalize("NFC", os.fsencode(path).decode("utf-8", "backslashreplace"))


def _found_out(paths: Sequence[str], labels: Sequence[str]) -> str:
    tops = {path.split("/", 1)[0] for path in paths if "/" in path}
    if not tops or not all(split_of(top) for top in tops) or all(resolve(top, labels) for top in tops):
        return CLASS_FOLDERS
    # The archive of a train split, unpacked. A lone test folder is meant as what it says.
    alone = len(tops) == 1 and {split_of(top) for top in tops} == {"train"}
    return f"{tops.pop()}/{CLASS_FOLDERS}" if alone else SPLIT_FOLDERS


def _fit(path: str, file: Path, pattern: re.Pattern[str], layout: str) -> Candidate | Stranger:
    found = pattern.fullmatch(path)
    if found is None:
        reason = f"does not lie as {layout} says"
        return Stranger(path, file, reason, "move it, or say how the files lie: --layout '{label}/{performer}/*'")
    texts = {name: text.strip() for name, text in found.groupdict().items()}
    split = split_of(texts.get("split", ""))
    if split is None:
        return Stranger(path, file, "lies in no split", "call the folder train, validation or test")
    group, performer = (texts.get(name, "") for name in ("group", "performer"))
    return Candidate(path, texts["label"], file, split=split, group=group, performer=performer)


def _veiled(path: str, layout: str) -> str:
    # As far as the layout names a performer, or anything at all: below that a folder may carry a name.
    said, parts = layout.split("/"), path.split("/")
    named = next((i for i, part in enumerate(said) if "{performer}" in part or "**" in part), len(said))
    return path if "{performer}" not in layout or len(parts) <= named else "/".join([*parts[:named], "..."])
