"""Numbers in params, in everyday notation."""

import pytest

from common.yaml_numbers import read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("1E6", 1_000_000), ("1_000", 1000), (".5", 0.5), ("5.", 5.0), ("-1.5e+3", -1500),
        ("+3", 3), ("010", 10), ("0", 0), ("1e-05", 0.00001), (".inf", float("inf")),
    ],
)  # fmt: skip
def test_numbers_are_decimal(text, value):
    """With a point or without, with an exponent or underscores; a whole number is an int."""
    found = read_yaml(text)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("three", "three"), ('"3"', "3"), ("1e", "1e"), ("1:30", "1:30"), ("1.2.3", "1.2.3"), ("true", True),
        ("null", None), ("~", None), ("[1e-3, a, .5]", [0.001, "a", 0.5]), ("{a: 1e3}", {"a": 1000}),
    ],
)  # fmt: skip
def test_everything_else_is_yaml(text, value):
    """Texts, booleans, lists and null."""
    assert read_yaml(text) == value
