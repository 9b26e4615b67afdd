"""The commands `rushes scene` and `rushes storyboard`: images of places, and a storyboard of a script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rushes.cli.options import ModelOption, TrustOption, UncertifiedOption  # noqa: TC001  # typer reads them when it runs

if TYPE_CHECKING:
    from rushes.scene.storyboard import Board

SEED = 1
MAX_PICTURES = 1000
MAX_A_SCENE = 12  # as many fit on a page
USES = {"scene": 'rushes scene --text "EXT. FOREST - DAY"'}

SCENE_EXAMPLES = """\b
Examples:
  rushes scene --text "EXT. FOREST - DAY" --count 8 --seed 7 --out sheet.png
  rushes scene --text "EXT. PIER - NIGHT" --category sea
  rushes scene --text "EXT. PIER - NIGHT" --count 8 --seed 7 --out pier/
  rushes scene --text "a street in the rain" --count 3 --scale 8 --model models

\b
The text is a scene heading or any description. The same text, seed and model give the same pictures.
A folder (an existing one, or a name that ends in /) gets one PNG a picture, named after text, seed and number:
pier/ext-pier-night-7-0003.png is the third picture of --seed 7, whatever --count is. Each PNG and CREDITS.txt hold
the credits; show them where you show a picture.

\b
Exit status: 0 done, 1 failed, 2 misuse, 3 no such model.
"""

STORYBOARD_EXAMPLES = """\b
Examples:
  rushes storyboard script.fountain --out board.html
  rushes storyboard script.fdx --out board.pdf --pictures 3 --seed 7
  rushes storyboard script.txt --out board.pdf --redraw 12A=9 --redraw 4=2

\b
SCRIPT is Fountain (.fountain), Final Draft (.fdx) or a typed page (.txt); the suffix decides.
A place looks the same each time the script returns to it. --redraw changes one scene and keeps all others.
Exit status: 0 done, 1 failed, 2 misuse, 3 no scene heading in the script, or no such model.
"""


def scene_command(
    text: Annotated[str, typer.Option(metavar="HEADING", help="A scene heading, or a description.")],
    count: Annotated[int, typer.Option(min=1, max=MAX_PICTURES, metavar="N", help="Number of pictures.")] = 8,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Another seed gives other pictures.")] = SEED,
    out: Annotated[
        str, typer.Option(metavar="SHEET.png|FOLDER/", help="Output; by default a PNG named after text and seed.")
    ] = "",
    category: Annotated[
        str | None, typer.Option(metavar="NAME", help="A category of the model; by default the text decides.")
    ] = None,
    scale: Annotated[
        int,
        typer.Option(
            min=0, max=64, metavar="N", help="Factor by which pictures are enlarged; 0 chooses one that fits."
        ),
    ] = 0,
    model: ModelOption = None,
    trust: TrustOption = None,
    uncertified: UncertifiedOption = False,
) -> None:
    """Draw pictures of a place: on one sheet, or as files in a folder."""
    from rushes.errors import MisuseError  # noqa: PLC0415  # imported when used, so that --help is quick
    from rushes.loading import load  # noqa: PLC0415  # for a quick --help
    from rushes.output_files import check_out, save  # noqa: PLC0415  # for a quick --help
    from rushes.scene.contact_sheet import SUFFIXES, compose, encode_picture, file_name  # noqa: PLC0415  # for a quick --help
    from rushes.scene.generator import credit_line  # noqa: PLC0415  # for a quick --help
    from rushes.scene.png_export import PictureRequest, check_folder, is_folder, save_singles  # noqa: PLC0415  # for a quick --help
    from rushes.store.store import origin_text  # noqa: PLC0415  # for a quick --help

    if not text.strip():
        message = '--text is empty: give a heading or a description, such as "EXT. FOREST - DAY"'
        raise MisuseError(message)
    asked, path = PictureRequest(text, seed, category), Path(out or file_name(text, seed)).expanduser()
    as_files = is_folder(out)
    if as_files:
        check_folder(path, asked, count)
    else:
        check_out(path, SUFFIXES, ", or in / for a folder")
    opened = load("scene", store=model, trust=trust, uncertified=uncertified)
    pictures_nhwc = opened.generate(text, count=count, seed=seed, category=category)
    name, credit, written = origin_text(opened.bundle), credit_line(opened.credits), [path]
    if as_files:
        written = save_singles(pictures_nhwc, path, asked, model=name, credit=credit, scale=scale)
    else:
        made_by = f"drawn by rushes {name}, {asked.about}"
        save(path, encode_picture(compose(pictures_nhwc, text, [made_by], [credit], scale), path.suffix.lower()))
    for file in written:
        typer.echo(file)


def storyboard_command(
    script: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, metavar="SCRIPT", help="A script: .fountain, .fdx or .txt.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="BOARD.html|.pdf", help="Output; by default SCRIPT.html in the current folder."),
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, max=MAX_A_SCENE, metavar="N", help="Pictures a scene.")] = 1,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Another seed gives other pictures.")] = SEED,
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

    Shows number, heading, pictures, first line of action, speakers and length of each scene. Sections of the script
    (# Act One) become chapters.
    """
    from rushes.loading import load  # noqa: PLC0415  # for a quick --help
    from rushes.output_files import check_out, save  # noqa: PLC0415  # for a quick --help
    from rushes.scene.storyboard import check_redraw, draw_board, parse_redraw  # noqa: PLC0415  # for a quick --help
    from rushes.screenplay_files.read_file import read_breakdown  # noqa: PLC0415  # for a quick --help
    from rushes.store.store import origin_text  # noqa: PLC0415  # for a quick --help

    path = (out or Path(f"{script.stem}.html")).expanduser()
    check_out(path, (".html", ".htm", ".pdf"))
    seeds = parse_redraw(redraw or [])
    parsed = read_breakdown(script, lambda line: typer.echo(line, err=True))
    check_redraw(parsed, seeds)
    opened = load("scene", store=model, trust=trust, uncertified=uncertified)
    board = draw_board(
        parsed, opened.generator, pictures=pictures, seed=seed, redraw=seeds,
        model=origin_text(opened.bundle), credits=opened.credits,
    )  # fmt: skip
    save(path, _board_bytes(board, path, font))
    typer.echo(path)


def _board_bytes(board: Board, path: Path, font: Path | None) -> bytes:
    if path.suffix.lower() == ".pdf":
        from rushes.scene.storyboard_pdf import pdf_of  # noqa: PLC0415  # for a quick --help

        return pdf_of(board, font)
    from rushes.scene.storyboard_html import html_of  # noqa: PLC0415  # for a quick --help

    return html_of(board).encode()
