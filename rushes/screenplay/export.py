"""Export of a draft to Final Draft, PDF or HTML; PDF and HTML are made by screenplain."""

from __future__ import annotations

import html
import io
from functools import partial
from typing import TYPE_CHECKING, Any

from rushes.errors import RushesError
from rushes.screenplay.breakdown import title_values
from rushes.screenplay.elements import Element
from rushes.screenplay.fdx import fdx_of
from rushes.screenplay.fountain import write
from rushes.screenplay.pdf_fonts import fonts_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

FORMATS = ("fountain", "fdx", "pdf", "html")
_AT_FOOT = frozenset({"contact", "date", "draft date", "copyright", "notes", "revision", "version"})
_TITLE_STYLE = (
    ".title-page{min-height:9in;padding-top:3in;text-align:center;page-break-after:always;box-sizing:border-box}"
    ".title-page .title{font-size:150%;margin-bottom:1.5em}.title-page .contact{text-align:left;margin-top:1em}"
)


def check_format(form: str) -> None:
    """Checks before any work that the packages for a format are installed.

    Raises:
        RushesError: A package is not installed.
    """
    try:
        if form in {"pdf", "html"}:
            import screenplain  # type: ignore[import-untyped]  # noqa: F401, PLC0415  # an extra, without types
        if form == "pdf":
            import reportlab  # type: ignore[import-untyped]  # noqa: F401, PLC0415  # an extra, without types
    except ImportError as error:
        message = f"writing {form} needs the package {error.name}: pip install {error.name} "
        raise RushesError(message + "(the wheel's extra [write] brings it)") from error


def exported(elements: Sequence[Element], form: str, font: Path | None = None) -> bytes:
    """Bytes of a file in one of `FORMATS`. Notes, boneyard and synopses are written in Fountain only.

    An outline or profile has nothing else, so in other formats its sections become headings, and its synopses action.

    Args:
        elements: The draft.
        form: The format.
        font: A font file for PDF, tried before those of this system.

    Raises:
        RushesError: A package is not installed, or no font has all characters of the draft.
    """
    if form == "fountain":
        return write(elements).encode()
    check_format(form)
    is_scene = any(element.kind == "heading" for element in elements)
    printed = list(_on_a_page(elements, is_scene=is_scene))
    if form == "fdx":
        return fdx_of(printed)
    from screenplain.parsers import fountain  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra, without types

    screenplay = fountain.parse(io.StringIO(write(printed)))
    return _pdf(screenplay, printed, font) if form == "pdf" else _html(screenplay, printed)


def _on_a_page(elements: Iterable[Element], *, is_scene: bool) -> Iterable[Element]:
    for element in elements:
        if element.kind == "lyrics":  # screenplain would print their ~
            yield Element("action", element.text)
        elif element.kind == "section" and not is_scene:
            yield Element("heading", element.text)
        elif element.kind == "synopsis":
            yield from [] if is_scene else [Element("action", element.text)]
        else:
            yield element


def _html(screenplay: Any, elements: Sequence[Element]) -> bytes:  # noqa: ANN401  # screenplain has no types
    """HTML page, with the title page above the script."""
    from screenplain.export import html as page  # type: ignore[import-untyped]  # noqa: PLC0415  # without types

    text = io.StringIO()
    page.convert(screenplay, text)
    values = title_values(elements)
    if not values:
        return text.getvalue().encode()
    kinds = {"title": "title", **dict.fromkeys(_AT_FOOT, "contact")}
    lines = "".join(
        f'<p class="{kinds.get(key, "credit")}">{html.escape(value)}</p>'
        for key, found in values.items()
        for value in found
    )
    body = '<div id="wrapper" class="screenplay">\n'
    title = html.escape(" ".join(values.get("title", ["Screenplay"])))
    # screenplain omits the title page, so it is inserted into the generated HTML.
    made = text.getvalue().replace("<title>Screenplay</title>", f"<title>{title}</title>", 1)
    made = made.replace("</style>", f"{_TITLE_STYLE}</style>", 1)
    return made.replace(body, f'{body}<div class="title-page">{lines}</div>\n', 1).encode()


def _pdf(screenplay: Any, elements: Sequence[Element], font: Path | None) -> bytes:  # noqa: ANN401  # screenplain has no types
    from screenplain.export import pdf  # noqa: PLC0415  # an extra, without types

    content = io.BytesIO()
    same = partial(pdf.DocTemplate, invariant=1)  # invariant: the same draft gives the same file
    settings = pdf.Settings(font_settings=_typeface("".join(f"{one.text}{one.number}" for one in elements), font))
    pdf.to_pdf(screenplay, content, template_constructor=same, settings=settings)
    return content.getvalue()


def _typeface(text: str, font: Path | None) -> Any:  # noqa: ANN401  # screenplain has no types
    """Courier Prime, which is part of screenplain, if it has all characters of a text; else a font that has."""
    from reportlab.pdfbase import pdfmetrics  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra, without types
    from screenplain.export import pdf  # noqa: PLC0415  # an extra, without types

    if font is None:
        prime = pdf.get_courier_prime_settings()
        names = [prime.family_name, *(f"{prime.family_name} {style}" for style in ("Bold", "Italic", "Bold Italic"))]
        known = set.intersection(*(set(pdfmetrics.getFont(name).face.charToGlyph) for name in names))
        if all(ord(letter) in known for letter in text if not letter.isspace()):
            return prime
    fonts = fonts_for(text, font, fixed=True)
    faces = {"normal": fonts.regular, "bold": fonts.bold, "italic": fonts.regular, "boldItalic": fonts.bold}
    pdfmetrics.registerFontFamily(fonts.regular, **faces)
    return pdf.FontSettings(fonts.regular)
