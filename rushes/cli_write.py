"""The command that writes: `rushes write`."""

from __future__ import annotations

import contextlib
from pathlib import Path  # noqa: TC003  # typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from rushes.cli_options import ModelOption, TrustOption, UncertifiedOption  # noqa: TC001  # typer reads them when it runs
from rushes.cli_scene import SEED
from rushes.errors import MisuseError, RushesError

if TYPE_CHECKING:
    from rushes.bundle import Bundle
    from rushes.draft import Draft
    from rushes.elements import Element
    from rushes.marks import Mode
    from rushes.verbatim import Verbatim
    from rushes.writing import Writing

MAX_SCENES = 12
MAX_CHARACTERS = 20
MAX_NAME = 40  # signs
MAX_WORDS = 200  # signs of a theme
SUFFIXES = {".fountain": "fountain", ".fdx": "fdx", ".pdf": "pdf", ".html": "html", ".htm": "html"}
USES = {"script": 'rushes write --theme "betrayal at court" --heading "INT. THRONE ROOM - NIGHT"'}

WRITE_EXAMPLES = """\b
Examples:
  rushes write --theme "betrayal at court" --characters "ANNA, MARK" --heading "INT. THRONE ROOM - NIGHT" --seed 3
  rushes write --theme revenge --mood dark --length 2p --out scene.fountain
  rushes write --continue scene.fountain --length 300w --out longer.pdf
  rushes write --outline --theme "a ring that is lost" --characters "ANNA, MARK"
  rushes write --character ANNA --mood proud

\b
The draft goes to standard output as it is written, in Fountain; a note at its end, which does not print, says what
wrote it and how much of it stands word for word in the text that the model learned from. The same request, seed and
model give the same draft on one machine. Where --characters names somebody, nobody else speaks, nor is
  called in capitals in a direction.
With --continue only what is new goes to standard output, and --out gets the draft with it; its characters speak, and
its last scene goes on, unless --heading opens another.

\b
Exit status: 0 done, 1 failed, 2 misuse, 3 nothing to go on from, or no such model.
"""


def write_command(
    theme: Annotated[str, typer.Option(metavar="WORDS", help="What it is about.")] = "",
    characters: Annotated[str, typer.Option(metavar="NAMES", help="Who speaks, parted by commas.")] = "",
    heading: Annotated[
        str, typer.Option(metavar="HEADING", help="Where it plays; found by the model if left out.")
    ] = "",
    mood: Annotated[str, typer.Option(metavar="WORD", help="Such as dark, or merry.")] = "",
    length: Annotated[str, typer.Option(metavar="2p|300w", help="Pages or words of a scene, at most.")] = "1p",
    scenes: Annotated[int, typer.Option(min=1, max=MAX_SCENES, metavar="N", help="How many scenes.")] = 1,
    outline: Annotated[bool, typer.Option("--outline", help="Write what happens, scene by scene, instead.")] = False,
    character: Annotated[str, typer.Option(metavar="NAME", help="Write a profile of somebody instead.")] = "",
    continued: Annotated[
        Path | None,
        typer.Option(
            "--continue", exists=True, dir_okay=False, metavar="DRAFT", help="A file in Fountain that goes on."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the whole draft goes too: .fountain, .fdx, .pdf, .html.")
    ] = None,
    form: Annotated[
        str,
        typer.Option("--format", metavar="NAME", help="fountain, fdx, pdf or html; by the name of FILE if left out."),
    ] = "",
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Another one gives another draft.")] = SEED,
    temperature: Annotated[
        float, typer.Option(min=0, max=2, metavar="T", help="How daring: 0 takes the likeliest sign.")
    ] = 0.8,
    top_p: Annotated[float, typer.Option(min=0.01, max=1, metavar="P", help="The share of signs to draw from.")] = 0.95,
    model: ModelOption = None,
    trust: TrustOption = None,
    uncertified: UncertifiedOption = False,
) -> None:
    """Write a scene, an outline or a profile, in Fountain."""
    from rushes.draft import read_draft  # noqa: PLC0415  # imported when used, so that --help is quick
    from rushes.fountain import write  # noqa: PLC0415  # for a quick --help
    from rushes.length import parse_length  # noqa: PLC0415  # for a quick --help
    from rushes.request import Request  # noqa: PLC0415  # for a quick --help
    from rushes.sheet import save  # noqa: PLC0415  # for a quick --help
    from rushes.shelf import use_model  # noqa: PLC0415  # for a quick --help
    from rushes.writer import FAMILY, ScriptWriter  # noqa: PLC0415  # for a quick --help

    given = {
        "--characters": characters, "--heading": heading, "--continue": continued, "--character": character,
        "--scenes": scenes > 1, "--outline": outline,
    }  # fmt: skip
    mode = _mode({option for option, value in given.items() if value})
    named = _names("--character", character) if mode == "profile" else _names("--characters", characters)
    words = {name: _words(f"--{name}", text) for name, text in (("theme", theme), ("mood", mood), ("heading", heading))}
    asked, form = parse_length(length), _checked_format(out, form)
    draft = read_draft(continued, _say) if continued else None
    request = Request(
        **words, characters=_cast(named, draft), mode=mode, length=asked, scenes=scenes, seed=seed,
        temperature=temperature, top_p=top_p, before=draft.elements if draft else (),
    )  # fmt: skip
    bundle = use_model(model, FAMILY, "write writes with", trust=trust, uncertified=uncertified)
    writer = ScriptWriter.from_bundle(bundle)
    writing = writer.write(request, _say)
    text, is_whole = _streamed(writing)
    if writing.elements:
        note = _note(writing, writer.verbatim, bundle, seed)
        text += _shown("\n" + write([note]).lstrip())
        if out is not None:
            save(out.expanduser(), _content(text, [*writing.elements, note], draft, form))
    _end(writing, out, is_whole=is_whole)


def _end(writing: Writing, out: Path | None, *, is_whole: bool) -> None:
    """Says how it went.

    Raises:
        RushesError: Somebody stopped it.
    """
    is_there = bool(out and writing.elements)
    if not is_whole:
        message = f"stopped; what was written so far is in {out}" if is_there else "stopped"
        raise RushesError(message)
    if is_there:
        _say(str(out))
    _say(f"{writing.signs:,} signs in {writing.seconds:.1f} s, {writing.signs / writing.seconds:,.0f} a second")


def _mode(given: set[str]) -> Mode:
    """What is written, when these options are given.

    Raises:
        MisuseError: Two of them do not go together.
    """
    mode: Mode = "outline" if "--outline" in given else "profile" if "--character" in given else "scene"
    option = {"outline": "--outline", "profile": "--character", "scene": ""}[mode]
    others = {
        "outline": {"--character", "--heading", "--continue", "--scenes"},
        "profile": {"--characters", "--heading", "--continue", "--scenes"},
        "scene": set[str](),
    }[mode]
    if given & others:
        message = f"{option} does not go together with {min(given & others)}"
        raise MisuseError(message)
    return mode


def _words(option: str, text: str) -> str:
    if len(text) > MAX_WORDS:
        message = f"{option}: {len(text)} signs are too many; say it in {MAX_WORDS}"
        raise MisuseError(message)
    return " ".join(text.split())


def _names(option: str, text: str) -> list[str]:
    """Names in capitals, without what may follow them in a cue."""
    names = [" ".join(name.partition("(")[0].split()).upper() for name in text.split(",")]
    names = list(dict.fromkeys(filter(None, names)))
    wrong = next((name for name in names if len(name) > MAX_NAME or not any(map(str.isalnum, name))), None)
    if wrong is not None:
        message = f"{option} {wrong}: a name has a letter, and {MAX_NAME} signs at most"
        raise MisuseError(message)
    if len(names) > (1 if option == "--character" else MAX_CHARACTERS) or (text and not names):
        message = f"{option} {text}: name {'one' if option == '--character' else f'1 to {MAX_CHARACTERS}'}"
        raise MisuseError(message)
    return names


def _cast(named: list[str], draft: Draft | None) -> tuple[str, ...]:
    """Who may speak: who does in the draft, as it is written there, and who is named besides."""
    from rushes.draft import speakers  # noqa: PLC0415  # for a quick --help

    before = speakers(draft.elements)[-MAX_CHARACTERS:] if draft else []
    return tuple({name.upper(): name for name in [*named, *before]}.values())


def _checked_format(out: Path | None, form: str) -> str:
    """The format that is wanted, found out to be possible.

    Raises:
        MisuseError: There is no such format, or nothing can be written there.
    """
    from rushes.export import FORMATS, check_format  # noqa: PLC0415  # for a quick --help
    from rushes.sheet import check_out  # noqa: PLC0415  # for a quick --help

    if form and form not in FORMATS:
        message = f"--format {form}: it is one of {', '.join(FORMATS)}"
        raise MisuseError(message)
    if out is None:
        if form not in {"", "fountain"}:
            message = f"--format {form} wants a file: add --out draft.{form}"
            raise MisuseError(message)
        return "fountain"
    out = out.expanduser()
    check_out(out, (out.suffix.lower(),) if form else tuple(SUFFIXES), ", or say which it is with --format")
    form = form or SUFFIXES[out.suffix.lower()]
    check_format(form)
    return form


def _streamed(writing: Writing) -> tuple[str, bool]:
    """Shows a draft while it is written; gives its text, and whether nobody stopped it."""
    texts: list[str] = []
    try:
        for text in writing:
            texts.append(_shown(text))  # noqa: PERF401  # what is shown is kept when it is stopped
    except KeyboardInterrupt:
        return "".join(texts), False
    return "".join(texts), True


def _shown(text: str) -> str:
    typer.echo(text, nl=False)
    return text


def _note(writing: Writing, verbatim: Verbatim, bundle: Bundle, seed: int) -> Element:
    import onnxruntime  # noqa: PLC0415  # for a quick --help

    from rushes.draft import said_about, words  # noqa: PLC0415  # for a quick --help
    from rushes.shelf import model_name  # noqa: PLC0415  # for a quick --help

    found = verbatim.runs(words(writing.elements))
    return said_about(model_name(bundle), bundle.digest, seed, onnxruntime.__version__, found)


def _content(text: str, new: list[Element], draft: Draft | None, form: str) -> bytes:
    """The file of the whole draft. In Fountain what was there before stands as it was."""
    from rushes.export import exported  # noqa: PLC0415  # for a quick --help

    if form == "fountain":
        return (draft.text + text if draft else text).encode()
    return exported([*(draft.elements if draft else ()), *new], form)


def _say(text: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        typer.echo(text, err=True)
