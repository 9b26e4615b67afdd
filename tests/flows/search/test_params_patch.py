"""Edits of params.yaml change the values that they name, and no other line."""

import pytest
import yaml

from flows.search.params_patch import edited, write_patch
from tests.support.repos import ROOT, git

TEXT = """\
# head
a:
  b: 1 # why
  c: [1, 2]
  d:
    - 1
    - 2
  e: {x: 1}
f: {}
g:
"""


@pytest.mark.parametrize(
    ("changes", "before", "after"),
    [
        ({"a.b": 0.5}, "  b: 1 # why", "  b: 0.5 # why"),
        ({"a.c": [3]}, "  c: [1, 2]", "  c: [3]"),
        ({"a.d": [3]}, "  d:\n    - 1\n    - 2", "  d: [3]"),
        ({"a.e.x": 2}, "  e: {x: 1}", "  e: {x: 2}"),
        ({"a.e.y": True}, "  e: {x: 1}", "  e: {x: 1, y: true}"),
        ({"a.z": 1e-5}, "  e: {x: 1}", "  e: {x: 1}\n  z: 1.0e-05"),
        ({"f.h.i": 1}, "f: {}", "f: {h: {i: 1}}"),
        ({"g.h": "x"}, "g:", "g: {h: x}"),
    ],
)
def test_one_value(changes, before, after):
    """In block and flow style, present or not; the comments stay."""
    assert edited(TEXT, changes) == TEXT.replace(before, after)


def test_line_ends_of_windows_stay():
    """Each line keeps its own."""
    assert edited("a:\r\n  b: 1\r\nc: 2", {"a.z": 1, "c": 3}) == "a:\r\n  b: 1\r\n  z: 1\r\nc: 3"


def test_an_alias_is_written_out():
    """Its text cannot be replaced alone: all of the file is written again, with the right values."""
    assert yaml.safe_load(edited("a: &x [1]\nb: *x\n", {"b": [2]})) == {"a": [1], "b": [2]}


def test_patch_applies(tmp_path):
    """`git apply` takes it, even in a repository whose diffs have other prefixes."""
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "diff.noprefix", "true")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "params")
    changes = {"expression.train.learning_rate": 0.0371, "scene.train.noise_px": 32}
    patch = write_patch(tmp_path, text, changes, tmp_path / "out" / "search.patch")
    git(tmp_path, "checkout", "--quiet", "params.yaml")
    git(tmp_path, "config", "--unset", "diff.noprefix")
    git(tmp_path, "apply", "out/search.patch")

    assert (tmp_path / "params.yaml").read_text() == edited(text, changes)
    assert [line for line in patch.splitlines() if line[0] in "+-" and line[:3] not in ("+++", "---")] == [
        "+    learning_rate: 0.0371", "-    noise_px: 0", "+    noise_px: 32",
    ]  # fmt: skip
