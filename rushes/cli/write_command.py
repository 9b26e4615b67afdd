"""The command `rushes write`: writes scenes, outlines and profiles in Fountain."""

from __future__ import annotations

import contextlib
from pathlib import Path  # noqa: TC003  # typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from rushes.cli.options import ModelOption, TrustOption, UncertifiedOption  # noqa: TC001  # typer reads them when it runs
from rushes.cli.scene_commands import SEED
from rushes.errors import MisuseError, UserError

if TYPE_CHECKING:
    from rushes.bundle.manifest import Bundle
    from rushes.screenplay.elements import Element
    from rushes.script.decoding import Writing
    from rushes.script.draft import Draft
    from rushes.script.markup import Mode
    from rushes.script.memorization import MemorizationFilter

MAX_SCENES = 12
MAX_CHARACTERS = 20
MAX_NAME = 40  # characters
MAX_WORDS = 200  # characters of a theme
SUFFIXES = {".fountain": "fountain", ".fdx": "fdx", ".pdf": "pdf", ".html": "html", ".htm": "html"}
USES = {"script": 'rushes write --theme "betrayal at court" --heading "INT. THRONE ROOM - NIGHT"'}

WRITE_EXAMPLES = """\b
Examples:
  rushes write --theme "betrayal at court" --characters "ANNA, MARK" --heading "INT. THRONE ROOM - NIGHT" --seed 3
  rushes write --theme revenge --mood dark --length 2p --out scene.fountain
  rushes write --continue scene.fountain --length 300w --out longer.pdf
  rushes write --continue draft.fdx --out longer.fdx
  rushes write --outline --theme "a ring that is lost" --characters "ANNA, MARK"
  rushes write --character ANNA --mood proud

\b
The draft goes to standard output as it is written, in Fountain. A note at its end, which does not print, names the
model and the share of words that occur word for word in its training text. The same request, seed and model give the
same draft on one machine. With --characters nobody else speaks or is introduced in capitals.
With --continue standard output gets the new text and --out the whole draft. DRAFT is Fountain (.fountain), Final Draft
(.fdx) or a typed page (.txt); the suffix decides. Its characters may speak, and its last scene continues unless
--heading opens another.

\b
Exit status: 0 done, 1 failed, 2 misuse, 3 nothing to continue, or no such model.
"""


def write_command(
    theme: Annotated[str, typer.Option(metavar="WORDS", help="The subject, in a few words.")] = "",
    characters: Annotated[str, typer.Option(metavar="NAMES", help="Speaking characters, separated by commas.")] = "",
    heading: Annotated[
        str, typer.Option(metavar="HEADING", help="Scene heading; by default the model chooses one.")
    ] = "",
    mood: Annotated[str, typer.Option(metavar="WORD", help="A mood, such as dark or merry.")] = "",
    length: Annotated[
        str, typer.Option(metavar="2p|300w", help="Maximum length of a scene, in pages or words.")
    ] = "1p",
    scenes: Annotated[int, typer.Option(min=1, max=MAX_SCENES, metavar="N", help="Number of scenes.")] = 1,
    outline: Annotated[bool, typer.Option("--outline", help="Write an outline, scene by scene.")] = False,
    character: Annotated[str, typer.Option(metavar="NAME", help="Write a profile of this character.")] = "",
    continued: Annotated[
        Path | None,
        typer.Option(
            "--continue", exists=True, dir_okay=False, metavar="DRAFT", help="To continue: .fountain, .fdx or .txt."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File for the whole draft: .fountain, .fdx, .pdf or .html.")
    ] = None,
    form: Annotated[
        str,
        typer.Option("--format", metavar="NAME", help="fountain, fdx, pdf or html; by default from the name of FILE."),
    ] = "",
    font: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, metavar="FILE.ttf", help="A font for the PDF.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Another seed gives another draft.")] = SEED,
    temperature: Annotated[
        float, typer.Option(min=0, max=2, metavar="T", help="Randomness; 0 always takes the most likely character.")
    ] = 0.8,
    top_p: Annotated[
        float, typer.Option(min=0.01, max=1, metavar="P", help="Share of the most likely characters to draw from.")
    ] = 0.95,
    model: ModelOption = None,
    trust: TrustOption = None,
    uncertified: UncertifiedOption = False,
) -> None:
    """Write a scene, an outline or a profile, in Fountain."""
    from rushes.loading import load  # noqa: PLC0415  # for a quick --help
    from rushes.output_files import save  # noqa: PLC0415  # for a quick --help
    from rushes.screenplay.fountain import write  # noqa: PLC0415  # for a quick --help
    from rushes.script.length import parse_length  # noqa: PLC0415  # for a quick --help
    from rushes.script.request import Request  # noqa: PLC0415  # for a quick --help

    given = {
        "--characters": characters, "--heading": heading, "--continue": continued, "--character": character,
        "--scenes": scenes > 1, "--outline": outline,
    }  # fmt: skip
    mode = _mode({option for option, value in given.items() if value})
    named = _names("--character", character) if mode == "profile" else _names("--characters", characters)
    words = {name: _words(f"--{name}", text) for name, text in (("theme", theme), ("mood", mood), ("heading", heading))}
    asked, form = parse_length(length), _checked_format(out, form)
    draft = _read_draft(continued) if continued else None
    request = Request(
        **words, characters=_cast(named, draft), mode=mode, length=asked, scenes=scenes, seed=seed,
        temperature=temperature, top_p=top_p, before=draft.elements if draft else (),
    )  # fmt: skip
    opened = load("script", store=model, trust=trust, uncertified=uncertified)
    writing = opened.writer.write(request, _log)
    text, is_whole = _streamed(writing)
    if writing.elements:
        note = _note(writing, opened.writer.memorization, opened.bundle, seed)
        text += _shown("\n" + write([note]).lstrip())
        if out is not None:
            save(out.expanduser(), _content(text, [*writing.elements, note], draft, form, font))
    _end(writing, out, is_whole=is_whole)


def _read_draft(path: Path) -> Draft:
    """Reads a draft to be continued. One in another format than Fountain becomes Fountain."""
    from rushes.screenplay_files.read_file import FOUNTAIN, read_path  # noqa: PLC0415  # for a quick --help
    from rushes.script.draft import draft_of  # noqa: PLC0415  # for a quick --help

    source = read_path(path, _log)
    return draft_of(path, source.elements, source.original if path.suffix.lower() in FOUNTAIN else "")


def _end(writing: Writing, out: Path | None, *, is_whole: bool) -> None:
    """Prints where the draft is and how fast it was written.

    Raises:
        UserError: It was interrupted with Ctrl-C.
    """
    is_there = bool(out and writing.elements)
    if not is_whole:
        message = f"stopped; {out} holds the text written so far" if is_there else "stopped"
        raise UserError(message)
    if is_there:
        _log(str(out))
    _log(f"{writing.signs:,} characters in {writing.seconds:.1f} s, {writing.signs / writing.seconds:,.0f} a second")


def _mode(given: set[str]) -> Mode:
    """The mode that these options select.

    Raises:
        MisuseError: Two of them exclude each other.
    """
    mode: Mode = "outline" if "--outline" in given else "profile" if "--character" in given else "scene"
    option = {"outline": "--outline", "profile": "--character", "scene": ""}[mode]
    others = {
        "outline": {"--character", "--heading", "--continue", "--scenes"},
        "profile": {"--characters", "--heading", "--continue", "--scenes"},
        "scene": set[str](),
    }[mode]
    if given & others:
        message = f"{option} and {min(given & others)} exclude each other: leave one out"
        raise MisuseError(message)
    return mode


def _words(option: str, text: str) -> str:
    if len(text) > MAX_WORDS:
        message = f"{option}: {len(text)} characters are too many; use at most {MAX_WORDS}"
        raise MisuseError(message)
    return " ".join(text.split())


def _names(option: str, text: str) -> list[str]:
    """Names in capitals, without what may follow them in a cue."""
    names = [" ".join(name.partition("(")[0].split()).upper() for name in text.split(",")]
    names = list(dict.fromkeys(filter(None, names)))
    wrong = next((name for name in names if len(name) > MAX_NAME or not any(map(str.isalnum, name))), None)
    if wrong is not None:
        message = f"{option} {wrong}: a name needs a letter or digit, and at most {MAX_NAME} characters"
        raise MisuseError(message)
    if len(names) > (1 if option == "--character" else MAX_CHARACTERS) or (text and not names):
        message = f"{option} {text}: name {'one' if option == '--character' else f'1 to {MAX_CHARACTERS}'}"
        raise MisuseError(message)
    return names


def _cast(named: list[str], draft: Draft | None) -> tuple[str, ...]:
    """Characters that may speak: those named by option, then those of the draft, spelled as there."""
    from rushes.script.draft import speakers  # noqa: PLC0415  # for a quick --help

    before = speakers(draft.elements)[-MAX_CHARACTERS:] if draft else []
    return tuple({name.upper(): name for name in [*named, *before]}.values())


def _checked_format(out: Path | None, form: str) -> str:
    """The output format, checked before anything is written.

    Raises:
        MisuseError: There is no such format, or nothing can be written there.
    """
    from rushes.output_files import check_out  # noqa: PLC0415  # for a quick --help
    from rushes.screenplay.export import FORMATS, check_format  # noqa: PLC0415  # for a quick --help

    if form and form not in FORMATS:
        message = f"--format {form}: it is one of {', '.join(FORMATS)}"
        raise MisuseError(message)
    if out is None:
        if form not in {"", "fountain"}:
            message = f"--format {form} needs a file: add --out draft.{form}"
            raise MisuseError(message)
        return "fountain"
    out = out.expanduser()
    check_out(out, (out.suffix.lower(),) if form else tuple(SUFFIXES), ", or name the format with --format")
    form = form or SUFFIXES[out.suffix.lower()]
    check_format(form)
    return form


def _streamed(writing: Writing) -> tuple[str, bool]:
    """Prints a draft while it is written; returns its text, and False if Ctrl-C stopped it."""
    texts: list[str] = []
    try:
        for text in writing:
            texts.append(_shown(text))  # noqa: PERF401  # an interrupted draft keeps the text printed so far
    except KeyboardInterrupt:
        return "".join(texts), False
    return "".join(texts), True


def _shown(text: str) -> str:
    typer.echo(text, nl=False)
    return text


def _note(writing: Writing, memorization: MemorizationFilter, bundle: Bundle, seed: int) -> Element:
    import onnxruntime  # noqa: PLC0415  # for a quick --help

    from rushes.script.draft import provenance_note, words  # noqa: PLC0415  # for a quick --help
    from rushes.store.store import model_name  # noqa: PLC0415  # for a quick --help

    found = memorization.runs(words(writing.elements))
    return provenance_note(model_name(bundle), bundle.digest, seed, onnxruntime.__version__, found)


def _content(text: str, new: list[Element], draft: Draft | None, form: str, font: Path | None) -> bytes:
    """Bytes of the whole draft. The text of an earlier draft in Fountain is kept byte for byte."""
    from rushes.screenplay.export import exported  # noqa: PLC0415  # for a quick --help

    if form == "fountain":
        return (draft.text + text if draft else text).encode()
    return exported([*(draft.elements if draft else ()), *new], form, font)


def _log(text: str) -> None:
    with contextlib.suppress(OSError):
        typer.echo(text, err=True)
