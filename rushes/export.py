"""A draft as a file of another program: Final Draft, PDF, or a page for a browser. screenplain makes them."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING, Any

from rushes.elements import Element
from rushes.errors import RushesError
from rushes.fountain import write

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FORMATS = ("fountain", "fdx", "pdf", "html")


def check_format(form: str) -> None:
    """Finds out before the work whether what writes a format is there.

    Raises:
        RushesError: A package is not installed.
    """
    try:
        if form != "fountain":
            import screenplain  # type: ignore[import-untyped]  # noqa: F401, PLC0415  # an extra, without types
        if form == "pdf":
            import reportlab  # type: ignore[import-untyped]  # noqa: F401, PLC0415  # an extra, without types
    except ImportError as error:
        message = f"writing {form} wants the package {error.name}: pip install {error.name} "
        raise RushesError(message + "(the wheel's extra [write] brings it)") from error


def exported(elements: Sequence[Element], form: str) -> bytes:
    """The bytes of a file in one of `FORMATS`. Notes, boneyard and synopses stand in Fountain alone.

    An outline or profile has nothing else, so that its sections become headings there, and its synopses action.

    Raises:
        RushesError: A package is not installed.
    """
    if form == "fountain":
        return write(elements).encode()
    check_format(form)
    from screenplain.parsers import fountain  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra, without types

    is_scene = any(element.kind == "heading" for element in elements)
    screenplay = fountain.parse(io.StringIO(write(_on_a_page(elements, is_scene=is_scene))))
    return _pdf(screenplay) if form == "pdf" else _text(screenplay, form)


def _on_a_page(elements: Iterable[Element], *, is_scene: bool) -> Iterable[Element]:
    for element in elements:
        if element.kind == "lyrics":  # of which screenplain would print the sign
            yield Element("action", element.text)
        elif element.kind == "section" and not is_scene:
            yield Element("heading", element.text)
        elif element.kind == "synopsis":
            yield from [] if is_scene else [Element("action", element.text)]
        else:
            yield element


def _text(screenplay: Any, form: str) -> bytes:  # noqa: ANN401  # screenplain has no types
    from screenplain.export import fdx, html  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra, without types

    text = io.StringIO()
    (fdx.to_fdx if form == "fdx" else html.convert)(screenplay, text)
    return text.getvalue().encode()


def _pdf(screenplay: Any) -> bytes:  # noqa: ANN401  # screenplain has no types
    from screenplain.export import pdf  # noqa: PLC0415  # an extra, without types

    content = io.BytesIO()
    same = partial(pdf.DocTemplate, invariant=1)  # the same draft gives the same file
    pdf.to_pdf(screenplay, content, template_constructor=same)
    return content.getvalue()
