"""Each remedy in the product is followed by a test, or listed in tests/remedies.yaml with the reason why none does."""

import ast
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.support.remedies import Remedy, remedies

TESTS = Path(__file__).parent
TABLE = yaml.safe_load((TESTS / "remedies.yaml").read_text(encoding="utf-8"))
REASONS = TABLE.pop("reasons")
FOUND = remedies()
ROWS = [(path, key, value) for path, rows in TABLE.items() for key, value in rows.items()]


@cache
def names_in(name: str) -> set[str]:
    """Names of the tests in a file below tests/."""
    tree = ast.parse((TESTS / name).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def rows_of(remedy: Remedy) -> list[str]:
    """Rows of the table for a remedy."""
    return [key for key in TABLE.get(remedy.path, {}) if remedy.text.startswith(key)]


def test_every_remedy_has_one_row():
    """A new or changed remedy fails here: write the test that follows it, and its row."""
    wrong = [f"{one.path}:{one.line}: {one.text}" for one in FOUND if len(rows_of(one)) != 1]

    assert not wrong, "\n".join(wrong)


def test_every_row_has_a_remedy():
    """The row of a removed remedy goes with it."""
    used = {(one.path, key) for one in FOUND for key in rows_of(one)}

    assert [(path, key) for path, key, _ in ROWS if (path, key) not in used] == []


def test_every_row_names_a_test_or_a_reason():
    """The test exists."""
    wrong = [
        (path, key, value)
        for path, key, value in ROWS
        if value not in REASONS and value.partition("::")[2] not in names_in(value.partition("::")[0])
    ]

    assert wrong == []


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("class A(RushesError): ...\nraise A('m', f'rm {name}')", "rm {name}"),
        ("class B(RushesError):\n    def __init__(self):\n        super().__init__('m', 'rm x')", "rm x"),
        ("class C(RushesError): ...\nremedy = 'rm x'\nraise C('m', remedy)", "rm x"),
        ("class D:\n    path: str\n    remedy: str\nD('p', 'rm x')", "rm x"),
        ("class E(RushesError): ...\nraise E('m', other.remedy)", None),
        ("class F(RushesError): ...\nraise F('m', remedy='rm x' if there else 'rm y')", "rm y"),
        ("class G(RushesError): ...\nTABLE = {1: ('m', 'rm x')}\nraise G(*TABLE[1])", "rm x"),
        ("class H(RushesError): ...\nfor m, text in [('m', 'rm x'), ('n', 'rm y')]:\n    raise H(m, text)", "rm y"),
        ("class I(RushesError): ...\ndef f():\n    return 'm', 'rm x'\nm, text = f()\nraise I(m, text)", "rm x"),
        ("class J(RushesError): ...\ndef f(text):\n    raise J('m', text)\nf('rm x')", "rm x"),
        (
            "class K(RushesError): ...\nclass O:\n    def f(self):\n        return 'rm x'\nraise K('m', O().f())",
            "rm x",
        ),
        ("class L(RushesError): ...\nNEW = 'rm x'\ndef f():\n    raise L('m', NEW)", "rm x"),
        ("def _remedy():\n    return 'rm x'", "rm x"),
        ("def f(name):\n    print(f'{name} is absent: pip install {name}')", "{name} is absent: pip install {name}"),
        ('def f():\n    """Like make nightly."""\n    return kind == "make up"', None),
    ],
)
def test_a_planted_remedy_is_found(source, text):
    """However it gets there, and in a message if it is a command; another's and a docstring are none."""
    base = "class RushesError(Exception):\n    def __init__(self, message='', remedy=''): ...\n"
    found = [one.text for one in remedies({"planted.py": ast.parse(base + source)})]

    assert (text in found) if text else found == []
