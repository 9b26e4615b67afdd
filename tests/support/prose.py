"""Words that the project does not use, and docstrings that open with a question word.

    python -m tests.support.prose rushes/pull flows        # every finding, with its line
    python -m tests.support.prose --count                  # so many in each package

Looked at are names, strings, comments and docstrings of Python files, and the documentation's pages. Code between
backticks, and words that are data, are exempt: see `EXEMPT`.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "rushes", "common", "curation", "models", "training", "compression", "registry", "report", "steps", "flows",
    "benchmarks", "tests", "docs",
)  # fmt: skip
PAGES = ("README.md", "CONTRIBUTING.md")

# A pattern over lower-case words, and what to write instead.
WORDS = {
    r"(?<!every )(?<!at )(?<!by )nights?": "run, nightly run",  # every night is a time
    r"tell|tells|told": "log, report, print, raise, state",
    r"say|says|said|saying": "log, report, print, state",
    r"mend|mends|mended|mending": "fix, repair",
    r"(?:hold|holds|held|set) (?:it |them |these |those )?(?:against|beside)": "compare with",
    r"recipes?": "config",
    r"strangers?": "unrecognised file; independent reader",
    r"doubts?": "standard error, uncertainty",
    r"rungs?|ladders?|climbs?|climbed": "candidate, variant; compression search",
    r"shelf|shelves": "model store, local cache",
    r"verbatim": "memorisation check; word for word",
    r"hush|hushed|hushes": "silence",
    r"settle|settles|settled": "set up; resolve",
    r"cry|cries|cried": "notify",
    r"unfed": "missing data",
    r"stillborn": "failed to start",
    r"(?<!there )(?:is|are|was|were) no(?! longer\b| more\b| one\b)": "is not a, is not",
    r"no number any more|no more a number": "became NaN",
    r"(?:wants|want) (?:a|an|the|one|two|\d+)": "needs, requires, expects",
    r"anew": "again",
    r"lacks a usable": "has no usable",
    r"in words": "as text",
    r"speaks? another|speaks contract": "uses another",
    r"left aside|leaves aside|leave aside": "skipped, skips, skip",
}
_WORDS = {re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])"): instead for pattern, instead in WORDS.items()}
QUESTION = re.compile(r"(What|How|Whether|Who|Whom|Whose|Where|When|Why|Which)\b")
CODE = re.compile(r"`[^`]*`")

# Path prefix -> the words that are data or another's there, with the reason.
EXEMPT: dict[str, dict[str, str]] = {
    "tests/support/prose.py": {".": "the list itself"},
    "tests/test_prose.py": {".": "planted words"},
    "rushes/scene/text_encoder.py": {"^nights?$": "a time of day in scene headings"},
    "tests/rushes/scene/": {"^nights?$": "a time of day in scene headings"},
    "rushes/capture/video_source.py": {"^tell$": "Python's file.tell"},
    "flows/search/": {"^tell$": "Optuna's Study.tell"},
    "tests/flows/search/": {"^tell$": "Optuna's Study.tell"},
    "flows/__main__.py": {"^ladder$": "the earlier name of a command"},
    "report/data/diff.py": {"^night$": "the key of earlier versions"},
    "flows/nightly/run_history.py": {"^night$": "the key of earlier versions"},
    "steps/compress.py": {"^rungs$": "a folder of earlier versions"},
    "models/script/": {"^nights?$": "a time of day in scene headings", "^verbatim$": "the role of a file in bundles"},
    "rushes/script/writer.py": {"^verbatim$": "the role of a file in bundles"},
    "registry/mlflow/model_versions.py": {"^settled$": "the key of a tag of registered versions"},
}


@dataclass(frozen=True, order=True)
class Finding:
    """One word or docstring that is to be written otherwise."""

    path: str
    line: int
    text: str
    instead: str

    def __str__(self) -> str:
        """As linters print it."""
        return f"{self.path}:{self.line}: {self.text!r}: {self.instead}"


def findings(path: Path) -> Iterator[Finding]:
    """Those of one file."""
    name = path.relative_to(ROOT).as_posix()
    exempt = [re.compile(word) for prefix, words in EXEMPT.items() if name.startswith(prefix) for word in words]
    content = path.read_text(encoding="utf-8")
    texts = python_texts(content) if path.suffix == ".py" else prose_lines(content)
    for line, text in texts:
        for pattern, instead in _WORDS.items():
            for found in pattern.finditer(text):
                if not any(one.search(found[0]) for one in exempt):
                    yield Finding(name, line, found[0], instead)
    if path.suffix == ".py" and not any(one.search("?") for one in exempt):
        for line, text in questions(content):
            yield Finding(name, line, text, "open with a noun or verb phrase")


def prose_lines(content: str) -> Iterator[tuple[int, str]]:
    """Lines of a page without its code, lower-case."""
    fenced = False
    for number, line in enumerate(content.splitlines(), 1):
        fenced ^= line.lstrip().startswith("```")
        if not fenced and not line.startswith("    "):
            yield number, CODE.sub("", line).lower()


def python_texts(content: str) -> Iterator[tuple[int, str]]:
    """Names as words, comments and strings of a Python file, lower-case, with their lines.

    Capitals in strings are kept apart as data: `INT. MILL - NIGHT` is a heading and no prose.
    """
    kinds = {tokenize.NAME, tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1)}
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type not in kinds:
            continue
        if token.type == tokenize.NAME:
            yield token.start[0], re.sub(r"_+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", token.string)).lower().strip()
            continue
        for offset, line in enumerate(token.string.splitlines()):
            words = re.sub(r"\b[A-Z]{2,}\b", " ", CODE.sub("", line))
            yield token.start[0] + offset, words.lower()


def questions(content: str) -> Iterator[tuple[int, str]]:
    """Docstrings that open with a question word."""
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node) or ""
            if QUESTION.match(text):
                yield node.body[0].lineno, text.splitlines()[0][:60]


def files(places: list[str]) -> list[Path]:
    """Python files and pages below these places of the checkout."""
    found: list[Path] = []
    for place in places or [*PACKAGES, *PAGES]:
        path = ROOT / place
        found += [path] if path.is_file() else [*path.rglob("*.py"), *path.rglob("*.md")]
    return sorted(found)


def main(arguments: list[str]) -> int:
    """Prints the findings below the given places; exit status 1 where there is one."""
    places = [one for one in arguments if not one.startswith("-")]
    found = [finding for path in files(places) for finding in findings(path)]
    if "--count" in arguments:
        counts = Counter(finding.path.split("/")[0] for finding in found)
        sys.stdout.write("".join(f"{count:6,}  {name}\n" for name, count in counts.most_common()))
    else:
        sys.stdout.write("".join(f"{finding}\n" for finding in sorted(found)))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
