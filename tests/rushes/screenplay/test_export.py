"""Exported drafts keep all that the format supports: numbers, title page, page breaks, every letter."""

import io
from xml.etree import ElementTree as ET

import pytest

from rushes.errors import RushesError
from rushes.screenplay.export import exported
from rushes.screenplay.fountain import parse
from rushes.screenplay_files.read_fdx import read_fdx

TITLED = (
    "Title: THE FERRY\nAuthor: Ann Author\n\nINT. CABIN - NIGHT #12A#\n\nRain.\n\nANNA\nYes.\n\n===\n\nEXT. PIER #13#\n"
)


def test_final_draft_keeps_numbers_title_page_and_breaks():
    """In Final Draft's own form; they are read back."""
    data = exported(parse(TITLED), "fdx")
    root = ET.fromstring(data)  # noqa: S314  # the test's own

    assert [one.get("Number") for one in root.iterfind(".//*[@Type='Scene Heading']")] == ["12A", "13"]
    assert [one.text for one in root.iterfind("TitlePage//Text")] == ["THE FERRY", "Ann Author"]
    assert [one.findtext("Text") for one in root.iterfind(".//*[@StartsNewPage='Yes']")] == ["EXT. PIER"]
    assert read_fdx(data)[0][1:] == parse(TITLED)[1:]


def test_styles_and_speeches_beside_each_other():
    """Bold is a style, an escaped star a letter, and dual dialogue one paragraph."""
    elements = parse("INT. A\n\nHe *runs* to \\*69.\n\nANN\nOh.\n\nBO ^\nAh.\n\n> THE END <\n")
    root = ET.fromstring(exported(elements, "fdx"))  # noqa: S314  # the test's own

    assert [(one.get("Style"), one.text) for one in root.findall(".//*[@Type='Action']/Text")][1] == ("Italic", "runs")
    assert len(root.findall(".//DualDialogue/Paragraph")) == 4
    assert root.find(".//*[@Alignment='Center']/Text").text == "THE END"


def test_a_page_for_a_browser_has_the_title_page():
    """Above the script, and in the window's title."""
    page = exported(parse(TITLED.replace("FERRY", "FERRY & CO")), "html").decode()

    assert "<title>THE FERRY &amp; CO</title>" in page
    assert page.index('<p class="title">THE FERRY &amp; CO</p>') < page.index("Ann Author") < page.index("CABIN")


@pytest.mark.parametrize("words", ["Окно открыто.", "Ελλάδα.", "Việt ạ."])  # letters of other scripts
def test_every_letter_is_in_the_pdf_or_named(words, monkeypatch):
    """With a suitable font; without one, the letters are named, and nothing is written."""
    draft = parse(f"INT. DOM - DAY\n\n{words}\n")
    monkeypatch.setattr("rushes.screenplay.pdf_fonts._font_files", lambda _: {})

    with pytest.raises(RushesError, match="no font found here has"):
        exported(draft, "pdf")


def test_letters_that_courier_has_stay_in_it():
    """Drafts in English or French are unchanged."""
    pdf = exported(parse("INT. CAFÉ - DAY\n\nÇa va.\n"), "pdf")

    assert b"CourierPrime" in io.BytesIO(pdf).read().replace(b" ", b"")
