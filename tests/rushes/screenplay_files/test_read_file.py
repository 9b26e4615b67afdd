"""Files of every format are read by the suffixes of their names; all others are refused with a remedy."""

import pytest

from rushes.errors import MisuseError, RushesError
from rushes.screenplay.fountain import parse, write
from rushes.screenplay_files.read_file import READS, SUFFIXES, read_path, read_source
from tests.support.scripts import fdx, scene, script, typed

CONTINUED = "ANNA\nOne.\n\nANNA (CONT'D)\nTwo.\n"


def _file(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "form"), [("s.fountain", write), ("S.SPMD", write), ("s.md", write), ("s.fdx", fdx), ("s.TXT", typed)]
)
def test_the_suffix_determines_the_format(tmp_path, name, form):
    """In capitals too; the elements are the same."""
    assert read_path(_file(tmp_path, name, form(script(1)))).elements == script(1)


def test_a_file_of_final_draft_by_another_name_is_renamed(tmp_path):
    """To the suffix of the remedy."""
    path = _file(tmp_path, "s.fountain", fdx(script(1)))
    with pytest.raises(RushesError, match="of another program") as caught:
        read_path(path)
    suffix = str(caught.value).rpartition("rename it to ")[2]

    assert read_path(path.rename(path.with_suffix(suffix))).elements == script(1)


@pytest.mark.parametrize("name", ["s.docx", "s.pdf", "fountain", "s.celtx"])
def test_another_suffix_is_refused(tmp_path, name):
    """With the formats that are read; each suffix but Fountain's older one is among them."""
    with pytest.raises(MisuseError, match="export it as one of these") as caught:
        read_path(_file(tmp_path, name, write(scene(1))))

    assert READS in caught.value.message
    assert all(f"({suffix})" in READS for suffix in SUFFIXES - {".spmd"})


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("s.fountain", fdx(scene(1)), "rename it to .fdx"), ("s.txt", b"%PDF-1.7", "export it as Fountain"),
        ("s.fdx", b"PK\3\4", "export it as Fountain"), ("s.fdx", write(scene(1)), "s.fdx .* complete file"),
        ("s.fdx", fdx(scene(1))[:300], "complete file of Final Draft: export it again"),
        ("s.txt", b"INT. A\n\0", "s.txt contains a null byte"), ("s.txt", b"a" * (17 << 20), "is larger than 16 MB"),
    ],
)  # fmt: skip
def test_a_file_that_belies_its_name(tmp_path, name, content, fault):
    """One line with the file and the remedy."""
    with pytest.raises(RushesError, match=fault):
        read_path(_file(tmp_path, name, content))


def test_page_marks_of_other_formats_are_removed(tmp_path):
    """(CONT'D) of a page break joins the two parts; a draft in Fountain stays as its writer has it."""
    elements = [*scene(1), *parse(CONTINUED)]
    joined = [*scene(1), *parse("ANNA\nOne.\nTwo.\n")]

    assert read_path(_file(tmp_path, "s.fdx", fdx(elements))).elements == joined
    assert read_path(_file(tmp_path, "s.txt", typed(elements))).elements == joined
    assert read_path(_file(tmp_path, "s.fountain", write(elements))).elements == elements


def test_a_guessed_encoding_is_reported(tmp_path):
    """With the file and the encoding; UTF-8 is not."""
    lines = []
    text = "INT. CAFÉ - DAY\n\nRené waits.\n"
    read_path(_file(tmp_path, "s.txt", text.encode("cp1252")), lines.append)
    read_path(_file(tmp_path, "u.txt", text), lines.append)

    assert lines == [f"{tmp_path / 's.txt'} is not UTF-8; read as cp1252. If accents are wrong, save it as UTF-8"]


def test_the_original_text_is_kept_beside_the_repaired_one():
    """A letter and its accent are composed, and a wrong encoding is undone, in the text that is read only."""
    text = "INT. CAFE\u0301 - DAY\r\n\r\nDon\u00e2\u20ac\u2122t.\r\n"
    source = read_source(text.encode(), ".fountain")

    assert [one.text for one in source.elements] == ["INT. CAFÉ - DAY", "Don\u2019t."]
    assert source.original == text.replace("\r\n", "\n")
