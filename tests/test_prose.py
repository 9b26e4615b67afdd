"""The words that the project does not use, and docstrings that open with a question word, grow no more."""

from collections import Counter

import pytest

from tests.support import prose

# Findings of today, to be lowered with each rewrite until they are none.
CEILINGS = {"tests": 112, "benchmarks": 17}
SLACK = 5  # so many below its ceiling a package may be before the ceiling has to follow


@pytest.fixture(scope="module")
def found():
    """Findings of each package."""
    return Counter(one.path.split("/")[0] for path in prose.files([]) for one in prose.findings(path))


@pytest.mark.parametrize("package", [*prose.PACKAGES, *prose.PAGES])
def test_prose_keeps_to_its_ceiling(found, package):
    """`python -m tests.support.prose PACKAGE` lists what there is."""
    most = CEILINGS.get(package, 0)

    assert found[package] <= most, f"{found[package]} findings in {package}: python -m tests.support.prose {package}"
    assert found[package] >= most - SLACK, f"lower the ceiling of {package} to {found[package]}"


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ('"""The log tells more."""', ["tells"]),
        ('"""Whether it runs."""', ["Whether it runs."]),
        ("told = 1  # the shelf", ["told", "shelf"]),
        ('def held_against_it(): "x"', ["held against"]),
        ('"""There is no file; `told` is code, NIGHT is a time of day."""', []),
        ("x = 'it is no number'", ["is no"]),
    ],
)
def test_a_planted_word_is_found(tmp_path, monkeypatch, source, texts):
    """In names, strings, comments and docstrings; not in code between backticks."""
    monkeypatch.setattr(prose, "ROOT", tmp_path)
    path = tmp_path / "planted.py"
    path.write_text(source + "\n", encoding="utf-8")

    assert [one.text for one in prose.findings(path)] == texts


def test_words_that_are_data_are_exempt(tmp_path, monkeypatch):
    """By path and pattern."""
    monkeypatch.setattr(prose, "ROOT", tmp_path)
    monkeypatch.setattr(prose, "EXEMPT", {"planted": {"^nights?$": "a time of day"}})
    path = tmp_path / "planted.py"
    path.write_text('"""Told at night."""\n', encoding="utf-8")

    assert [one.text for one in prose.findings(path)] == ["told"]
