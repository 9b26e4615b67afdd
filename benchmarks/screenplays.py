"""The share of typed screenplays that is read: generated ones of known contents, in real-world styles.

    python -m benchmarks.screenplays [--quick] [--seed 0] [--show]

`ours` counts elements found in the right order, `peer` all elements. Tuned styles, which the reader was developed on,
and held-out styles have separate figures. A screenplay counts as dropped if it has fewer headings or cues than
params.yaml requires.
"""

from __future__ import annotations

import re
import sys
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.support.command import new_parser
from benchmarks.support.figures import Figure, report
from benchmarks.typed_screenplays.held_out import HELD_OUT
from benchmarks.typed_screenplays.tuned import tuned
from benchmarks.typed_screenplays.typist import Truth, typed
from curation.params import ScriptCheckParams
from curation.script.document import read_document
from rushes.screenplay.elements import speaker_of

if TYPE_CHECKING:
    from benchmarks.typed_screenplays.style import Style

FORMS, QUICK_FORMS = 400, 40
SEEDS, QUICK_SEEDS = 3, 1  # screenplays per style
_ASIDE = re.compile(r"\([^()]*\)")


class Counts(NamedTuple):
    """Headings, cues and speeches of a screenplay: found, existing and read; lost words."""

    found: tuple[int, ...]
    known: tuple[int, ...]
    read: tuple[int, ...]
    dropped: bool
    lost: int


def count(style: Style, seed: int) -> Counts:
    """Types a screenplay, reads it, and compares."""
    screenplay = typed(style, seed)
    seen, lost = read(screenplay.data)
    known = _comparable(screenplay.truth)
    params = ScriptCheckParams()
    found = tuple(_common(*pair) for pair in zip(known, seen, strict=True))
    dropped = len(seen.headings) < params.min_headings or len(seen.cues) < params.min_cues
    return Counts(found, tuple(map(len, known)), tuple(map(len, seen)), dropped, lost)


def read(data: bytes) -> tuple[Truth, int]:
    """Headings, cues and speeches that the reader finds in a file, and the number of lost words."""
    document = read_document(data, ".txt")
    truth = Truth([], [], [])
    for element in (element for scene in document.scenes for element in scene.elements):
        if element.kind == "heading":
            truth.headings.append(element.text)
        elif element.kind == "character":
            truth.cues.append(speaker_of(element.text))
            truth.speeches.append("")
        elif element.kind == "dialogue" and truth.speeches:
            truth.speeches[-1] += f" {element.text}"
    return _comparable(truth), document.words.lost


def _comparable(truth: Truth) -> Truth:
    """Normalises blanks, names, which are without extensions, and asides within or outside the dialogue."""
    headings = [" ".join(text.split()) for text in truth.headings]
    speeches = [" ".join(_ASIDE.sub(" ", text).split()) for text in truth.speeches]
    return Truth(headings, [speaker_of(text).upper() for text in truth.cues], speeches)


def _common(known: list[str], seen: list[str]) -> int:
    """The number of elements common to both, in order."""
    return sum(block.size for block in SequenceMatcher(None, known, seen, autojunk=False).get_matching_blocks())


def main(words: list[str] | None = None) -> int:
    """Prints a line per figure; exit status 1 if a goal is missed."""
    parser = new_parser("screenplays", __doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="name the styles that lose a cue, a heading or a word")
    asked = parser.parse_args(words)
    figures: list[Figure] = []
    sets = {"tuned": tuned(asked.seed, QUICK_FORMS if asked.quick else FORMS), "held out": HELD_OUT}
    for name, styles in sets.items():
        counts = []
        for style_name, style in styles.items():
            for seed in range(QUICK_SEEDS if asked.quick or "by lot" in style_name else SEEDS):
                counts.append(count(style, asked.seed + seed))
                if asked.show and (counts[-1].found != counts[-1].known or counts[-1].lost):
                    print(style_name, seed, counts[-1], file=sys.stderr)
        figures += _figures(name, counts)
    return report(figures)


def _figures(name: str, counts: list[Counts]) -> list[Figure]:
    figures = []
    for place, what in enumerate(("headings", "cues", "speeches word for word")):
        found = float(sum(one.found[place] for one in counts))
        known, seen = (float(sum(getattr(one, kind)[place] for one in counts)) for kind in ("known", "read"))
        figures.append(Figure(f"{name}: {what} found", [found], [known], 0.98, at_most=False))
        figures.append(Figure(f"{name}: {what} right", [found], [seen], 0.98, at_most=False))
    dropped, whole = float(sum(one.dropped for one in counts)), float(len(counts))
    lost = float(sum(one.lost for one in counts))
    return [
        *figures,
        Figure(f"{name}: dropped whole", [dropped], [whole], 0.03, at_most=True),
        Figure(f"{name}: words lost a screenplay", [lost], [whole], 0.1, at_most=True),
    ]


if __name__ == "__main__":
    sys.exit(main())
