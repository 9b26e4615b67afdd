"""Exports a storyboard as one HTML file with embedded pictures; the file loads nothing and prints on A4."""

from __future__ import annotations

import base64
from html import escape
from itertools import count
from typing import TYPE_CHECKING

from rushes.scene.contact_sheet import best_scale, encode_picture, enlarge
from rushes.scene.storyboard import contents
from rushes.screenplay.breakdown import pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from rushes.scene.storyboard import Board, Entry, Panel

STYLE = """
@page { size: A4; margin: 15mm 15mm 19mm;
  @bottom-left { content: %(foot)s; font: 7.5pt/1.35 %(sans)s; color: #666; width: 150mm; vertical-align: top;
    padding-top: 3mm; white-space: pre-line; }
  @bottom-right { content: counter(page) " / " counter(pages); font: 8pt %(sans)s; color: #666; vertical-align: top;
    padding-top: 3mm; } }
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #e9e7e3; color: #1c1b1a; font: 10pt/1.42 %(sans)s; -webkit-print-color-adjust: exact;
  print-color-adjust: exact; overflow-wrap: anywhere; }
main { max-width: 210mm; margin: 8mm auto; padding: 15mm; background: #fff; box-shadow: 0 1px 8px #0002; }
h1 { margin: 0; font-size: 21pt; line-height: 1.15; letter-spacing: -.01em; }
.by { margin: 1mm 0 0; font-size: 11pt; }
.about { margin: 1mm 0 5mm; color: #666; font-size: 8.5pt; }
nav ul { margin: 0 0 6mm; padding: 0; list-style: none; font-size: 9pt; }
nav li { display: flex; gap: 4mm; justify-content: space-between; padding: .4mm 0; }
nav a { color: inherit; text-decoration-color: #aaa; text-underline-offset: .7mm; }
nav span { flex: none; color: #666; font-variant-numeric: tabular-nums; }
nav .level-1 { font-weight: 700; } nav .level-1 span { font-weight: 400; }
nav .level-2 { padding-left: 5mm; } nav .level-3 { padding-left: 10mm; } nav .level-4 { padding-left: 15mm; }
.keep { break-inside: avoid; }
.chapter { margin: 0; padding: 2mm 0 3mm; line-height: 1.25; text-wrap: balance; }
article + .keep, .keep + .keep { padding-top: 4mm; }
.chapter.level-1 { font-size: 15pt; } .chapter.level-2 { font-size: 12.5pt; }
.chapter.level-3 { font-size: 11pt; } .chapter.level-4 { font-size: 10pt; }
.chapter + .chapter { padding-top: 0; }
article { display: grid; grid-template-columns: 12mm auto minmax(0, 1fr); column-gap: 5mm; padding: 4mm 0;
  border-top: .3mm solid #1c1b1a; break-inside: avoid; }
article.row { grid-template-columns: 12mm minmax(0, 1fr); row-gap: 3mm; }
article.row .pictures { grid-column: 2; }
.number { font-size: 15pt; font-weight: 700; line-height: 1.1; }
.number.long { font-size: 10pt; line-height: 1.5; }
.pictures { display: flex; flex-wrap: wrap; gap: 3mm; }
.pictures img { display: block; width: 40mm; max-width: 100%%; aspect-ratio: 1; border-radius: .6mm; }
article.row img { width: calc((100%% - 6mm) / 3); }
article.row .four img { width: calc((100%% - 9mm) / 4); }
.heading { display: flex; gap: 4mm; justify-content: space-between; margin: 0 0 1.5mm; font-size: 11pt;
  line-height: 1.3; }
.heading .length { flex: none; font-weight: 400; color: #666; font-variant-numeric: tabular-nums; }
p { margin: 0 0 1.5mm; }
.who { font-size: 8.5pt; letter-spacing: .03em; }
.seed { color: #666; font-size: 8.5pt; }
footer { break-inside: avoid; border-top: .3mm solid #1c1b1a; padding-top: 3mm; color: #666; font-size: 8pt; }
@media print { body { background: none; } main { max-width: none; margin: 0; padding: 0; box-shadow: none; } }
@media (max-width: 640px) { main { margin: 0; padding: 5mm; }
  article { grid-template-columns: 9mm minmax(0, 1fr); row-gap: 3mm; }
  article .text, article .pictures { grid-column: 2; } }
"""
SANS = '"Helvetica Neue", Helvetica, Arial, "Liberation Sans", "DejaVu Sans", sans-serif'
MANY_CHAPTERS = 2  # minimum number of chapters for a table of contents
BESIDE = 1  # maximum number of pictures beside their text; more pictures are in rows below it
IN_A_ROW = 4
MAX_LEVEL = 4  # deeper chapters share this style; a scene needs one of the six heading levels of HTML too


def html_of(board: Board) -> str:
    """Renders a storyboard as HTML."""
    lines = [line for line in (board.made_by, board.credit_line) if line]
    foot = _css_string("\n".join(lines))
    title = "<br>".join(map(escape, board.title))
    by = f'<p class="by">{escape(board.byline)}</p>' if board.byline else ""
    panels = "\n".join(_panels(board))
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{escape(" ".join(board.title))}: storyboard</title>
<style>{STYLE % {"foot": foot, "sans": SANS}}</style></head>
<body><main>
<header><h1>{title}</h1>{by}<p class="about">{escape(board.about)}</p></header>
{_contents(contents(board))}{panels}
<footer>{"<br>".join(map(escape, lines))}</footer>
</main></body></html>
"""


def _contents(entries: list[Entry]) -> str:
    if len(entries) < MANY_CHAPTERS:
        return ""
    lines = "\n".join(
        f'<li class="{_level(entry.chapter.level)}"><a href="#chapter-{number}">{escape(entry.chapter.title)}</a>'
        f" <span>{escape(entry.about)}</span></li>"
        for number, entry in enumerate(entries, 1)
    )
    return f'<nav aria-label="Chapters"><ul>\n{lines}\n</ul></nav>\n'


def _level(level: int) -> str:
    return f"level-{min(level, MAX_LEVEL)}"


def _panels(board: Board) -> Iterator[str]:
    """Renders each scene; a scene that begins a chapter is kept on the same page as the chapter's headings."""
    numbers, level = count(1), 0
    for panel in board.panels:
        above = ""
        for chapter in panel.scene.chapters:
            level = min(chapter.level, MAX_LEVEL)
            name = f'class="chapter {_level(level)}" id="chapter-{next(numbers)}"'
            above += f"<h{level + 1} {name}>{escape(chapter.title)}</h{level + 1}>"
        scene = _panel(panel, board.seed, f"h{level + 2}")
        yield f'<div class="keep">{above}{scene}</div>' if above else scene


def _panel(panel: Panel, seed: int, tag: str) -> str:
    scene, shown = panel.scene, len(panel.pictures_nhwc)
    pictures = "".join(
        f'<img src="{_data_uri(picture)}" alt="{escape(scene.heading)}, drawn">' for picture in panel.pictures_nhwc
    )
    drawn = f'<div class="pictures{" four" if shown >= IN_A_ROW else ""}">{pictures}</div>'
    length = f'<span class="length">{pages(scene.eighths)}</span>'
    parts = [f'<{tag} class="heading"><span>{escape(scene.heading)}</span> {length}</{tag}>']
    parts += [f"<p>{escape(scene.action)}</p>"] if scene.action else []
    parts += [f'<p class="who">{escape(", ".join(scene.speakers))}</p>'] if scene.speakers else []
    parts += [f'<p class="seed">seed {panel.seed}</p>'] if panel.seed != seed else []
    text = f'<div class="text">{"".join(parts)}</div>'
    long = " long" if len(scene.number) > 3 else ""  # noqa: PLR2004  # 12A is large, 22-B is small
    number = f'<div class="number{long}">{escape(scene.number)}</div>'
    is_beside = shown <= BESIDE
    inside = f"{number}{drawn}{text}" if is_beside else f"{number}{text}{drawn}"
    return f"<article{'' if is_beside else ' class=row'}>{inside}</article>"


def _data_uri(picture_hwc: np.ndarray) -> str:
    large_rgb = enlarge(picture_hwc[None], best_scale(picture_hwc.shape[0]))[0]
    return "data:image/jpeg;base64," + base64.b64encode(encode_picture(large_rgb[..., ::-1], ".jpg")).decode("ascii")


def _css_string(text: str) -> str:
    """Quotes a text as a CSS string that cannot end the string or the style element."""
    return '"' + "".join(char if char.isalnum() or char in " ,.-" else f"\\{ord(char):x} " for char in text) + '"'
