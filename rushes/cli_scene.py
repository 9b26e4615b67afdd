"""The commands that draw: `rushes scene`, and `rushes storyboard`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rushes.cli_options import ModelOption, TrustOption, UncertifiedOption  # noqa: TC001  # typer reads them when it runs

if TYPE_CHECKING:
    from rushes.storyboard import Board

SEED = 1
MAX_PICTURES = 1000
MAX_A_SCENE = 12  # that a page holds
USES = {"scene": 'rushes scene --text "EXT. FOREST - DAY"'}

SCENE_EXAMPLES = """\b
Examples:
  rushes scene --text "EXT. FOREST - DAY" --count 8 --seed 7 --out sheet.png
  rushes scene --text "EXT. PIER - NIGHT" --category sea
  rushes scene --text "EXT. PIER - NIGHT" --count 8 --seed 7 --out pier/
  rushes scene --text "a street in the rain" --count 3 --scale 8 --model models

\b
A text that is no heading is taken as it is. The same text, seed and model give the same pictures.
A folder (with / at its end, or one that is there) gets each picture as a PNG of its own, named after text, seed and
number: pier/ext-pier-night-7-0003.png is the third that --seed 7 draws, whatever --count is. Who must be named stands
in each of them and in CREDITS.txt beside them; show it where you show a picture.

\b
Exit status: 0 done, 1 failed, 2 misuse, 3 no such model.
"""

STORYBOARD_EXAMPLES = """\b
Examples:
  rushes storyboard script.fountain --out board.html
  rushes storyboard script.fountain --out board.pdf --pictures 3 --seed 7
  rushes storyboard script.fountain --out board.pdf --redraw 12A=9 --redraw 4=2

\b
A place looks alike each time the script comes back to it. --redraw changes one scene and keeps all others.
Exit status: 0 done, 1 failed, 2 misuse, 3 no scene heading in the script, or no such model.
"""


def scene_command(
    text: Annotated[str, typer.Option(metavar="HEADING", help="A scene heading, or what is to be seen.")],
    count: Annotated[int, typer.Option(min=1, max=MAX_PICTURES, metavar="N", help="How many pictures.")] = 8,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Another one gives other pictures.")] = SEED,
    out: Annotated[
        str, typer.Option(metavar="SHEET.png|FOLDER/", help="Where to; named after text and seed if left out.")
    ] = "",
    category: Annotated[
        str | None, typer.Option(metavar="NAME", help="A category of the model; the text alone decides if left out.")
    ] = None,
    scale: Annotated[
        int, typer.Option(min=0, max=64, metavar="N", help="How much the pictures are enlarged; 0 for what fits.")
    ] = 0,
    model: ModelOption = None,
    trust: TrustOption = None,
    uncertified: UncertifiedOption = False,
) -> None:
    """Draw pictures of a place: on one sheet, or each as a file in a folder."""
    from rushes.errors import MisuseError  # noqa: PLC0415  # imported when used, so that --help is quick
    from rushes.scene import FAMILY, SceneDrawer, credit_line, credits_of  # noqa: PLC0415  # for a quick --help
    from rushes.sheet import SUFFIXES, check_out, compose, encoded, file_name, save  # noqa: PLC0415  # for a quick --help
    from rushes.shelf import model_name, use_model  # noqa: PLC0415  # for a quick --help
    from rushes.singles import Asked, check_folder, is_folder, save_singles  # noqa: PLC0415  # for a quick --help

    if not text.strip():
        message = '--text is empty: say what is to be seen, such as "EXT. FOREST - DAY"'
        raise MisuseError(message)
    asked, path = Asked(text, seed, category), Path(out or file_name(text, seed)).expanduser()
    as_files = is_folder(out)
    if as_files:
        check_folder(path, asked, count)
    else:
        check_out(path, SUFFIXES, ", or in / for a folder")
    bundle = use_model(model, FAMILY, "scene draws with", trust=trust, uncertified=uncertified)
    pictures_nhwc = SceneDrawer.from_bundle(bundle).draw(text, count, seed, category)
    name, credit, written = model_name(bundle), credit_line(credits_of(bundle)), [path]
    if as_files:
        written = save_singles(pictures_nhwc, path, asked, model=name, credit=credit, scale=scale)
    else:
        made_by = f"drawn by rushes {name}, {asked.about}"
        save(path, encoded(compose(pictures_nhwc, text, [made_by], [credit], scale), path.suffix.lower()))
    for file in written:
        typer.echo(file)


def storyboard_command(
    script: Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="SCRIPT", help="A file in Fountain.")],
    out: Annotated[
        Path | None, typer.Option(metavar="BOARD.html|.pdf", help="Where to; SCRIPT.html, in this folder, if left out.")
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, max=MAX_A_SCENE, metavar="N", help="How many a scene.")] = 1,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Another one gives other pictures.")] = SEED,
    redraw: Annotated[
        list[str] | None, typer.Option(metavar="SCENE=SEED", help="Another seed for one scene; may be repeated.")
    ] = None,
    font: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, metavar="FILE.ttf", help="A font for the PDF.")
    ] = None,
    model: ModelOption = None,
    trust: TrustOption = None,
    uncertified: UncertifiedOption = False,
) -> None:
    """Make a storyboard of a script.

    Each scene with its number, heading, pictures, first line of action, who speaks, and its length in pages, under
    the script's sections (# Act One) as chapters.
    """
    from rushes.scene import FAMILY, SceneDrawer, credits_of  # noqa: PLC0415  # for a quick --help
    from rushes.screenplay import read_script  # noqa: PLC0415  # for a quick --help
    from rushes.sheet import check_out, save  # noqa: PLC0415  # for a quick --help
    from rushes.shelf import model_name, use_model  # noqa: PLC0415  # for a quick --help
    from rushes.storyboard import check_redraw, draw_board, parse_redraw  # noqa: PLC0415  # for a quick --help

    path = (out or Path(f"{script.stem}.html")).expanduser()
    check_out(path, (".html", ".htm", ".pdf"))
    seeds = parse_redraw(redraw or [])
    parsed = read_script(script, lambda line: typer.echo(line, err=True))
    check_redraw(parsed, seeds)
    bundle = use_model(model, FAMILY, "storyboard draws with", trust=trust, uncertified=uncertified)
    owed, name = credits_of(bundle), model_name(bundle)
    board = draw_board(
        parsed, SceneDrawer.from_bundle(bundle), pictures=pictures, seed=seed, redraw=seeds, model=name, credits=owed
    )
    save(path, _board_bytes(board, path, font))
    typer.echo(path)


def _board_bytes(board: Board, path: Path, font: Path | None) -> bytes:
    if path.suffix.lower() == ".pdf":
        from rushes.board_pdf import pdf_of  # noqa: PLC0415  # for a quick --help

        return pdf_of(board, font)
    from rushes.board_html import html_of  # noqa: PLC0415  # for a quick --help

    return html_of(board).encode()
