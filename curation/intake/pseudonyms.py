"""Pseudonyms: people's names are replaced with ids, which keys/C.csv lists; it never leaves this machine.

Ids are random, so nobody can recover a name by hashing candidates; without the key file only ids are visible. The
invented people of the starter set have ids derived from their names, the same on every machine.
"""

from __future__ import annotations

import csv
import hashlib
import re
import secrets
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from common.atomic import replacing
from curation.annotations.csv_cells import unescape, write_rows
from curation.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ID = re.compile(r"p-[0-9a-f]{8}")
ANYWHERE_LETTERS = 3  # minimum length of a name that is masked inside words too


@dataclass
class People:
    """Names of one collection, and their ids."""

    file: Path
    ids: dict[str, str] = field(default_factory=dict)  # by normalised name
    invented: bool = False

    @classmethod
    def load(cls, root: Path, collection: str, *, invented: bool = False) -> People:
        """Reads the key file; no names if there is none.

        Raises:
            DataError: It is damaged; new ids for people who have one would separate them from their own pictures.
        """
        people = cls(root / "keys" / f"{collection}.csv", invented=invented)
        if people.file.is_file() and not invented:
            people.ids = _read(people.file)
        return people

    def id_of(self, name: str) -> str | None:
        """The id of a person, drawn if the name is new; None for no name; an id is returned unchanged."""
        key = _key(name)
        if not key:
            return None
        if ID.fullmatch(key) and key in self.ids.values():
            return key
        if key not in self.ids:
            self.ids[key] = self._drawn(key)
        return self.ids[key]

    def _drawn(self, key: str) -> str:
        if self.invented:
            return f"p-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
        taken = set(self.ids.values())
        return next(one for one in iter(lambda: f"p-{secrets.token_hex(4)}", "") if one not in taken)

    def save(self) -> None:
        """Writes the key file, readable by its owner only, in a folder that git ignores."""
        if not self.ids or self.invented:
            return
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.file.parent / ".gitignore").write_text("*\n", encoding="utf-8")
        with (
            replacing(self.file, mode=0o600) as partial,
            partial.open("w", encoding="utf-8", newline="") as file,
        ):
            write_rows(file, [("id", "name"), *((key, name) for name, key in self.ids.items())])

    def masker(self) -> Callable[[str, str], str]:
        """A function that replaces names with ids: (text, the person that it is about or "") -> text.

        That person is masked inside words too, all others only as whole words. A text that contains a name is
        lower-cased.
        """
        by_letters = {_letters(name): key for name, key in self.ids.items()}
        whole = [_whole(name) for name in sorted(self.ids, key=len, reverse=True)]

        def mask(text: str, name: str = "") -> str:
            # A short name would match by chance inside words.
            own = [_spelled(_key(name))] if len(_key(name)) >= ANYWHERE_LETTERS else []
            if not own and not whole:
                return text
            plain = unicodedata.normalize("NFC", text).casefold()
            masked = re.sub("|".join([*own, *whole]), lambda found: by_letters.get(_letters(found[0]), "p"), plain)
            return text if masked == plain else masked

        return mask


def _read(file: Path) -> dict[str, str]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            ids = {unescape(row["name"]): unescape(row["id"]) for row in csv.DictReader(opened)}
        if all(ids.values()):
            return ids
        message = f"{file} has a name without an id"
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, csv.Error) as error:
        message = f"{file} cannot be read: {type(error).__name__}: {error}"
    raise DataError(message, "bring it back from a copy: CSV in UTF-8 whose first line is id,name")


def _key(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).split())


def _letters(name: str) -> str:
    return re.sub(r"[\s_.-]+", "", name)


def _spelled(key: str) -> str:
    return r"[\s_.-]*".join(re.escape(word) for word in key.split())


def _whole(key: str) -> str:
    # "ann" matches in "ann_01" but not in "annabel"; "07" not in "2007".
    before, after = (r"\d" if end.isdigit() else r"[^\W\d_]" for end in (key[0], key[-1]))
    return f"(?<!{before}){_spelled(key)}(?!{after})"
