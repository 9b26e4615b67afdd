"""Decoding of bytes into the intended text, or a refusal with a reason."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.errors import RefusedError
from rushes.screenplay_files.text_encoding import LOST, decode, is_mixed

LINE = "Élise says “don\u2019t go”. Café \u2013 naïve.\n"
SAFE = LINE.replace("”", "\u2019")  # Windows-1252 leaves one of its bytes undefined


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_each_encoding_is_read(coding):
    """UTF-16 and UTF-32 by their byte order mark, Windows-1252 if it is not valid UTF-8."""
    found = decode((LINE * 3).encode(coding))

    assert (found.text, found.repaired) == (LINE * 3, 0)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0", categories=["L", "N", "P", "Zs"])))
def test_any_text_in_utf8_comes_back(text):
    """In composed form; correct text is not changed."""
    found = decode(text.encode())

    assert is_mixed(text) or found.text == unicodedata.normalize("NFC", text)


def test_two_files_in_one_are_fixed_line_by_line():
    """The half in Windows-1252 is counted."""
    found = decode((LINE * 5).encode() + LINE.encode("cp1252") * 2)

    assert (found.text, found.repaired) == (LINE * 7, 2)


def test_what_was_read_in_the_wrong_encoding_is_turned_back():
    """Also if only a part of the text is affected."""
    wrong = SAFE.encode().decode("cp1252")
    found = decode((LINE + wrong).encode())

    assert is_mixed(wrong)
    assert (found.text, found.repaired) == (LINE + SAFE, 1)


def test_what_cannot_be_fixed_stays_to_be_found():
    """A lost letter is not guessed."""
    found = decode(b"A plain line, and long enough for one lost letter.\n" * 4 + b"caf\x81 and na\xefve\n")

    assert found.text.count(LOST) == 1
    assert "naïve" in found.text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"INT. HOUSE\n\0\n", "null byte"),
        (LINE.encode("utf-16")[:-1], "undecodable"),
        (bytes(range(0x80, 0x100)) * 9, "undecodable"),
        (b"\xff\xfe\0\0" + b"\xff" * 8, "undecodable"),
        (bytes(range(1, 9)) * 9, "undecodable"),
    ],
)
def test_binary_data_are_refused(data, reason):
    """The message has a remedy."""
    with pytest.raises(RefusedError, match=reason) as caught:
        decode(data)
    assert "UTF-8" in caught.value.remedy
