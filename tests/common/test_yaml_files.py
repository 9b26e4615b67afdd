"""YAML that somebody else has written: each attack ends soon, in little memory, in one error."""

import os
import time
from itertools import pairwise

import pytest
import yaml

from common.yaml_files import YamlFileError, parse_yaml, read_yaml_file
from common.yaml_numbers import read_yaml
from rushes.errors import UserError


def _grown(first, line):
    """Nine levels, each of nine aliases of the one before: 9^10 values."""
    names = "abcdefghij"
    lines = [f"{new}: &{new} {line.replace('OLD', ', '.join([f'*{old}'] * 9))}" for old, new in pairwise(names)]
    return "\n".join([f"a: &a {first}", *lines])


HOSTILE = {
    "aliases of aliases": (_grown("[x]", "[OLD]"), "more than 100,000 values"),
    "merges of merges": (_grown("{x: 1}", "{<<: [OLD]}"), "more than 100,000 values"),
    "contains itself": ("a: &a [*a]", "contains itself"),
    "a million levels": ("[" * 1_000_000, "nested too deeply"),
    "a million values": (f"[{'a,' * 1_000_000}]", "more than 100,000 values"),
    "a number in base 60": (f"1{':1' * 1_000_000}", "more than 65,536 characters"),
    "a number too long": ("9" * 5000, "does not fit its tag"),
    "a key twice": ("a: 1\nb: {c: 1, c: 2}", "line 2 has the key 'c' a second time"),
    "an unfinished merge": ("a: 1\n<<<<<<< HEAD\nb: 1\n", "an unfinished merge: line 2"),
    "a call of Python": ("!!python/object/apply:os.system [false]", "could not determine a constructor"),
    **{f"tag {tag}": (f"!!{tag} ''", "does not fit its tag") for tag in ("int", "float", "bool", "timestamp")},
    "two documents": ("a: 1\n---\nb: 1", "expected a single document"),
}


@pytest.mark.parametrize("read", [parse_yaml, read_yaml])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_yaml_is_refused(name, read):
    """Whatever the loader, before a value is built."""
    text, reason = HOSTILE[name]
    started = time.monotonic()

    with pytest.raises(yaml.YAMLError, match=reason):
        read(text)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("plant", "reason"),
    [
        (lambda path: path.mkdir(), "a folder"),
        (os.mkfifo, "a pipe or a device"),
        (lambda path: path.symlink_to("/dev/zero"), "a pipe or a device"),
        (lambda path: path.symlink_to(path.name), "symbolic links"),
        (lambda path: path.write_bytes(b"a: 1\nb: \xff\n"), "not UTF-8: line 2"),
        (lambda path: path.write_bytes(b" " * (5 << 20)), "more than 4,194,304 bytes"),
    ],
)
def test_anything_but_a_text_file_is_refused(tmp_path, plant, reason):
    """Nothing blocks, and nothing is read without an end; it is the user's error."""
    plant(tmp_path / "params.yaml")

    with pytest.raises(YamlFileError, match=reason) as refused:
        read_yaml_file(tmp_path / "params.yaml")
    assert isinstance(refused.value, UserError)


def test_anchors_and_merges_in_measure_are_read():
    """People use them to write a value once."""
    assert parse_yaml("a: &a {b: 1}\nc: {<<: *a, d: [*a]}") == {"a": {"b": 1}, "c": {"b": 1, "d": [{"b": 1}]}}
    assert parse_yaml("") is None
