"""Layout of a typed screenplay: columns, spacing, headings and their numbers, names, page furniture, encodings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from benchmarks.typed_screenplays.story import Words


@dataclass(frozen=True)
class Style:
    """Layout of a typed story. Columns are counted from the margin, gaps in empty lines.

    Attributes:
        words: The vocabulary of the story.
        margin: The column of headings and action.
        dialogue: The column of dialogue; `aside`, `name` and `right` those of asides, names and transitions.
        width: Characters per line of action; `dialogue_width` and `aside_width` those of dialogue and asides.
        wrap: False leaves a paragraph on one long line.
        first: Columns by which the first line of action and dialogue is indented.
        rewrap: Longer lines were broken again by mail, and their rests stand at the margin.
        centred: Names are centred on their column, and transitions end at theirs; `centred_words` centres speeches too.
        heading: Its form.
        heading_case: upper, title or lower.
        left: The form of the scene's number before the heading; `far` that of the one at the right.
        number_gap: Blanks between the heading and its numbers; 0 puts them into the margins.
        apart_number: The numbers have lines of their own.
        broken: Places are so long that their headings take two lines.
        strong: Headings are enclosed in double stars.
        underline: A character that underlines headings.
        under_heading: A line below each heading.
        cue: The form of the line with the name.
        cue_case: upper, title, lower, or as the name is.
        inline: The dialogue follows the name on its line; `hang` is the column of all its lines, beside the name.
        aside_inline: Asides are in the lines of dialogue.
        brackets: The form of action.
        gap: Empty lines between a name and its dialogue.
        above: Those above a name.
        over: Those above a heading.
        between: Those between any two lines; `spread` those between lines of a speech.
        loose: The share of lines above which an empty line was inserted by a converter.
        paragraph: Those above action.
        blank: The content of an empty line; `trailing` is the end of every line.
        indent: The indentation: blanks, tabs, mixed (tabs, then blanks), nbsp or entities.
        jitter: Columns by which a line may be moved.
        drift: Columns by which a page may be moved from the one before; `alternate` moves every other page instead.
        pages: The form of a page break.
        page_lines: Lines per page.
        more: Speeches are split by pages, with (MORE) and (CONT'D).
        turn_below_name: A page may end between a name and its words.
        stars: The share of lines with a revision star; `star_gap` the blanks before it, 0 for a column of its own.
        front: Lines above everything.
        opening: Somebody speaks before the first heading.
        acts: The acts of television are marked.
        omitted: Some scenes are OMITTED.
        shout: Action is in capitals.
        montage: Some action is followed by a series of shots.
        dual: Some speeches are dual dialogue.
        tags: The tags of a web page enclose headings, names and transitions.
        whole_case: The case of everything.
        encoding: Of the file; `newline` is its line ending.
    """

    words: Words = field(default_factory=Words)
    margin: int = 10
    dialogue: int = 10
    aside: int = 16
    name: int = 22
    right: int = 48
    width: int = 58
    dialogue_width: int = 35
    aside_width: int = 22
    wrap: bool = True
    first: int = 0
    rewrap: int = 0
    centred: bool = False
    centred_words: bool = False
    heading: str = "{inside} {where} - {time}"
    heading_case: str = "upper"
    left: str = ""
    far: str = ""
    number_gap: int = 0
    apart_number: bool = False
    broken: bool = False
    strong: bool = False
    underline: str = ""
    under_heading: str = ""
    cue: str = "{name} {extension}"
    cue_case: str = ""
    inline: bool = False
    hang: int = 0
    aside_inline: bool = False
    brackets: str = "{text}"
    gap: int = 0
    above: int = 1
    over: int = 2
    between: int = 0
    spread: int = 0
    loose: float = 0.0
    paragraph: int = 1
    blank: str = ""
    trailing: str = ""
    indent: str = "blanks"
    jitter: int = 0
    drift: int = 0
    alternate: int = 0
    pages: str = ""
    page_lines: int = 54
    more: bool = False
    turn_below_name: bool = False
    stars: float = 0.0
    star_gap: int = 0
    front: tuple[str, ...] = ()
    opening: bool = False
    acts: bool = False
    omitted: bool = False
    shout: bool = False
    montage: bool = False
    dual: bool = False
    tags: bool = False
    whole_case: str = ""
    encoding: str = "utf-8"
    newline: str = "\n"


def flush(style: Style) -> Style:
    """The same style with every line at the margin."""
    return replace(style, margin=0, dialogue=0, aside=0, name=0, right=0, dialogue_width=60, aside_width=60, width=70)
