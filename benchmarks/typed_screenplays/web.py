"""Styles found on the web. Most were read badly at first; the reader was then changed for them."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.typed_screenplays.languages import FRENCH, GERMAN, ITALIAN, RUSSIAN, SPANISH
from benchmarks.typed_screenplays.story import SAID, Words
from benchmarks.typed_screenplays.style import Style, flush

ODD_NAMES = (
    "MRS. O'BRIEN", "2ND COP", "C-3PO", "ANNA/BEN", "McCOY", "DR. VAN DER BERG", "MAN'S VOICE", "COP #1", "HAL 9000",
    "ANNA & MARK", "Q", "D'ARTAGNAN", "THE KID", "JOSÉ", '"DOC" BELL', "VOICE #2", "ALL", "MacREADY", "MR. T",
)  # fmt: skip
ODD_EXTENSIONS = (
    "(V.O.)", "(O.S.)", "(O.C.)", "(VO)", "(OS)", "(v.o.)", "(CONT'D)", "(cont'd)", "(continuing)", "(V.O.) (CONT'D)",
    "(SUBTITLE)", "(into phone)", "(ON TV)", "(40s)", "(filtered)", "(CONT\u2019D)", "[V.O.]",
)  # fmt: skip
TITLE_PAGE = (
    "", "", " " * 30 + "THE MILL", "", " " * 32 + "by", "", " " * 28 + "Ann Author", "", "", "",
    " " * 10 + "FIFTH DRAFT", " " * 10 + "March 3, 1999", "",
    " " * 10 + "NOTE: THIS SCRIPT IS CONFIDENTIAL AND THE PROPERTY OF",
    " " * 10 + "MILL PICTURES, INC. ALL RIGHTS RESERVED. NO PORTION OF IT",
    " " * 10 + "MAY BE PERFORMED OR REPRODUCED WITHOUT WRITTEN CONSENT.", "", "\f", "", " " * 10 + "FADE IN:", "",
)  # fmt: skip
CAST = (
    "THE MILL", "", "Cast of characters:", "", "ANNA BELL: thirty, a miller's daughter",
    "MARK: a stranger with no hat", "OLD MAN: counts coins", "", "FADE IN:", "",
)  # fmt: skip
CURLY = tuple(line.replace("'", "\u2019").replace("--", "\u2014") for line in SAID)
FLUSH = flush(Style())
ENGLISH = Words()
PLAIN = replace(ENGLISH, shots=(), transitions=(), extensions=())
LONG = Style(margin=0, dialogue=8, aside=16, name=24, right=48, indent="tabs", wrap=False)
TRANSCRIPT = replace(FLUSH, inline=True, cue="{name}:", words=PLAIN)

WEB: dict[str, Style] = {
    "web, tabs": Style(margin=8, dialogue=16, aside=24, name=32, right=56, indent="tabs"),
    "web, tags": Style(margin=0, dialogue=10, aside=15, name=25, tags=True, pages="web"),
    "web, four blanks": Style(margin=4, dialogue=8, aside=14, name=20, right=44, pages="web", front=TITLE_PAGE),
    "web, nbsp": Style(indent="nbsp", margin=8),
    "pdf, shooting script": Style(
        margin=18, left="{n}", far="{n}", pages="continued", more=True, stars=0.08, omitted=True
    ),
    "pdf, jitter": Style(margin=14, jitter=1, drift=3, pages="feed", more=True),
    "pdf, revision pages": Style(margin=15, pages="revision", more=True, stars=0.3, drift=2),
    "pdf, all starred": Style(margin=15, pages="revision", stars=1.0),
    "pdf raw": replace(FLUSH, pages="bare feed", more=True),
    "pdf raw, numbers apart": replace(FLUSH, left="{n}", far="{n}", apart_number=True, pages="bare"),
    "pdf raw, continued": replace(FLUSH, left="{n}", far="{n}", pages="continued flush", more=True),
    "pdf raw, wrapped": replace(FLUSH, dialogue_width=34, aside_width=24, width=58, pages="bare"),
    "long lines, tabs": LONG,
    "long lines, blanks": replace(LONG, indent="blanks", name=35, dialogue=15, aside=25),
    "long lines, flush": replace(FLUSH, wrap=False),
    "long lines, flush, gap": replace(FLUSH, wrap=False, gap=1),
    "long lines, centred": replace(FLUSH, wrap=False, name=30, centred=True),
    "double": Style(between=1, above=2, over=3, paragraph=3, gap=1),
    "double flush": replace(FLUSH, between=1, above=3, over=3, paragraph=3, gap=1),
    "lower case": Style(whole_case="lower", heading_case="lower", cue_case="lower"),
    "mixed cues": Style(cue_case="title"),
    "mixed cues, narrow": Style(margin=0, cue_case="title", dialogue=5, aside=8, name=12),
    "mixed cues, flush": replace(FLUSH, cue_case="title"),
    "mixed cues, flush, colon": replace(FLUSH, cue_case="title", cue="{name}:"),
    "sitcom": Style(shout=True, between=0, dialogue=10, name=24, dialogue_width=36, underline="_", words=PLAIN),
    "sitcom, double": Style(shout=True, between=1, gap=1, words=PLAIN),
    "sitcom, cast lists": Style(under_heading="(Anna, Mark, Old Man)", acts=True),
    "television": Style(acts=True, pages="title", more=True),
    "television, flush": replace(FLUSH, acts=True, pages="number"),
    "dual": Style(dual=True),
    "transcript": replace(TRANSCRIPT, cue_case="title", brackets="[{text}]"),
    "transcript, unbracketed": replace(TRANSCRIPT, cue_case="title"),
    "transcript, capitals": TRANSCRIPT,
    "transcript, tight": replace(TRANSCRIPT, cue_case="title", above=0, paragraph=0, over=1, brackets="({text})"),
    "transcript, tight capitals": replace(TRANSCRIPT, above=0, paragraph=1, over=2, wrap=False),
    "flush colon": replace(FLUSH, cue="{name} {extension}:"),
    "Russian": Style(words=RUSSIAN),
    "Russian, flush, numbers": replace(FLUSH, words=RUSSIAN, left="{n}.", heading="{inside} {where}. {time}."),
    "French": Style(words=FRENCH, heading="{inside} {where} - {time}", left="{n}."),
    "French, words": Style(
        words=replace(FRENCH, insides=("INTÉRIEUR", "EXTÉRIEUR")), heading="{inside} {time} - {where}"
    ),
    "French, flush": replace(FLUSH, words=FRENCH, heading="{inside} {time} \u2013 {where}", left="{n} -"),
    "French, cp1252": Style(words=FRENCH, heading="{inside} {where} / {time}", encoding="cp1252", newline="\r\n"),
    "German": Style(words=GERMAN, heading="{inside} {where} - {time}"),
    "German, short": Style(
        words=replace(GERMAN, insides=("INNEN", "AUSSEN", "I/A")), heading="{where} - {inside}/{time}", left="{n}."
    ),
    "Spanish": Style(words=replace(SPANISH, insides=("INTERIOR.", "EXTERIOR.")), heading="{inside} {where}. {time}."),
    "Italian": Style(words=ITALIAN, heading="{inside} {where} \u2013 {time}"),
    "British": Style(heading="{inside} {where}. {time}.", left="{n}."),
    "British, time first": Style(heading="{inside} {time}. {where}.", left="SC {n}"),
    "British, colon": Style(heading="{inside} {where}: {time}", left="SCENE {n}:"),
    "heading, dashes": Style(heading="{inside} {where} -- {time} -- 1975", far="{n}"),
    "heading, no blanks": Style(
        words=replace(ENGLISH, insides=("INT.", "EXT.", "INT/EXT.")), heading="{inside}{where}-{time}"
    ),
    "heading, no dot": Style(
        words=replace(ENGLISH, insides=("INT", "EXT", "INT/EXT")), heading="{inside} {where} - {time}"
    ),
    "heading, colon": Style(
        words=replace(ENGLISH, insides=("INT", "EXT")), heading="{inside}: {where}, {time}", left="({n})"
    ),
    "heading, dash": Style(words=replace(ENGLISH, insides=("INT", "EXT")), heading="{inside} - {where} - {time}"),
    "heading, words": Style(
        words=replace(ENGLISH, insides=("INTERIOR:", "EXTERIOR:", "INTERIOR/EXTERIOR:")),
        heading="{inside} {where} ({time})",
    ),
    "heading, slash": Style(
        words=replace(ENGLISH, insides=("I/E.", "INT. / EXT.", "EXT/INT.", "INT./EXT")),
        heading="{inside} {where} - {time}",
    ),
    "heading, bracket": Style(heading="{inside} {where} - {time} (FLASHBACK)", left="{n})"),
    "heading, full stop": replace(FLUSH, heading="{inside} {where} - {time}.", left="{n}."),
    "heading, underlined": replace(FLUSH, underline="-"),
    "heading, mixed": Style(heading="{inside} {where}, {time}", heading_case="title"),
    "heading, mixed, flush": replace(FLUSH, heading_case="title"),
    "heading, en dash": Style(heading="{inside} {where} \u2013 {time}", encoding="cp1252", newline="\r\n"),
    "heading at margin": Style(margin=12, left="{n}."),
    "number above": Style(left="{n}", apart_number=True),
    "number right": Style(margin=10, far="{n}"),
    "shots": Style(
        words=replace(ENGLISH, shots=(*ENGLISH.shots, "WIDER", "MONTAGE", "FLASHBACK:", "ON THE STAIRS")), montage=True
    ),
    "odd names": Style(words=replace(ENGLISH, names=ODD_NAMES)),
    "odd names, flush": replace(FLUSH, words=replace(ENGLISH, names=ODD_NAMES)),
    "odd names, mixed": Style(
        words=replace(ENGLISH, names=("Mrs. O'Brien", "2nd Cop", "C-3PO", "Anna/Ben", "The Kid", "Dr. van der Berg")),
        cue_case="",
    ),
    "odd extensions": Style(words=replace(ENGLISH, extensions=ODD_EXTENSIONS)),
    "odd extensions, flush": replace(FLUSH, words=replace(ENGLISH, extensions=ODD_EXTENSIONS)),
    "bare extensions": Style(
        words=replace(ENGLISH, extensions=("V.O.", "- O.S.", "(O.S", ", V.O.")), cue="{name} {extension}"
    ),
    "no empty lines": Style(above=0, paragraph=0, over=1),
    "no empty lines at all": Style(above=0, paragraph=0, over=0),
    "narrow columns": Style(margin=0, dialogue=3, aside=5, name=8),
    "cue close to words": Style(margin=5, dialogue=14, aside=17, name=19),
    "cue at words": Style(margin=5, dialogue=15, aside=20, name=15),
    "wide words": Style(margin=5, dialogue=5, aside=15, name=25, dialogue_width=50),
    "words left of action": Style(margin=15, dialogue=-5, aside=0, name=10),
    "everything in capitals": Style(whole_case="upper"),
    "aside on the words' line": Style(aside_inline=True),
    "aside on the words' line, flush": replace(FLUSH, aside_inline=True),
    "far right": Style(margin=32),
    "title page": Style(front=TITLE_PAGE, pages="feed"),
    "cast list": replace(FLUSH, front=CAST),
    "page dashes": Style(pages="dashes", page_lines=40),
    "page of": replace(FLUSH, pages="of", page_lines=40),
    "utf-16": Style(encoding="utf-16"),
    "utf-8 BOM": Style(encoding="utf-8-sig", newline="\r\n"),
    "old Mac": Style(newline="\r"),
    "trailing blanks": Style(trailing="   ", newline="\r\n"),
    "dash behind number": Style(left="{n} -", far="- {n}"),
    "tabs, starred": Style(margin=8, dialogue=16, aside=24, name=32, indent="tabs", stars=0.4),
    "full stop behind name": Style(cue="{name}."),
    "Russian, Windows": Style(words=RUSSIAN, encoding="cp1251", newline="\r\n"),
    "transcript, lower case": replace(FLUSH, inline=True, cue="{name}:", whole_case="lower", words=PLAIN),
    "transcript, dash": replace(FLUSH, inline=True, cue="{name} -", words=PLAIN),
    "transcript, full stop": replace(FLUSH, inline=True, cue="{name}.", words=PLAIN),
    "side by side, margin": Style(margin=0, dual=True, pages="only feed"),
    "curly, Macintosh": Style(words=replace(ENGLISH, dialogue=CURLY), encoding="mac_roman", newline="\r"),
    "title page, flush": replace(FLUSH, front=TITLE_PAGE, pages="bare"),
    "shouted, starred": Style(margin=15, shout=True, stars=0.5, left="{n}", far="{n}", pages="continued", more=True),
    "names in brackets": Style(cue="[{name}]"),
    "names in stars, flush": replace(FLUSH, cue="**{name}**", strong=True),
    "mixed names, flush, apart": replace(FLUSH, cue_case="title", gap=1),
    "tight, flush": replace(FLUSH, above=0, paragraph=0, over=1),
    "tight, flush, narrow words": replace(
        FLUSH, above=0, paragraph=0, over=1, dialogue_width=35, width=60, pages="bare"
    ),
    "Spanish, numbered": Style(words=SPANISH, left="SEC. {n}"),
    "French, numbered": Style(words=FRENCH, left="S\u00c9Q. {n}", heading="{inside} {where} - {time}"),
    "numbers in brackets": Style(left="[{n}]"),
    "hash at both sides": Style(left="#{n}", far="#{n}"),
}
