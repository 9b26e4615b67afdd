"""`rushes faces`: photographs to the crops that the expression network is trained on."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  # typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from rushes.cli.options import ModelOption, TrustOption, UncertifiedOption, log_line, quiet
from rushes.errors import MisuseError, NothingFitsError, UserError

if TYPE_CHECKING:
    from rushes.expression.model import ExpressionModel

FACES_EXAMPLES = """\b
Examples:
  rushes faces stills faces
  rushes faces stills faces --model build/expression/bundle
  python -m flows ingest faces faces --layout '{label}/{performer}/*'

\b
Of each picture below PHOTOGRAPHS the largest face is written to FACES, in the same subfolder: cut as capture cuts it
from a frame, with the same margins and the eyes level. A picture that shows no face or does not decode is named and
passed over. Pictures that are crops of faces already, such as those of FER2013, are ingested as they are.

\b
Exit status: 0 done, 1 failed, 2 misuse, 3 no face in any picture.
"""


def faces_command(
    photographs: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, metavar="PHOTOGRAPHS", help="Folder of pictures.")
    ],
    faces: Annotated[Path, typer.Argument(file_okay=False, metavar="FACES", help="Folder for the crops.")],
    model: ModelOption = None,
    trust: TrustOption = None,
    uncertified: UncertifiedOption = False,
) -> None:
    """Cut faces out of photographs as capture does, for training."""
    quiet()
    from rushes.loading import load  # noqa: PLC0415  # for a quick --help
    from rushes.media.image import SUFFIXES  # noqa: PLC0415  # for a quick --help

    if faces.resolve().is_relative_to(photographs.resolve()):
        message = f"{faces} lies in {photographs}, and its crops would be taken for photographs: name another folder"
        raise MisuseError(message)
    opened = load("expression", store=model, trust=trust, uncertified=uncertified)
    paths = sorted(path for path in photographs.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    cut = sum(_cut(opened, path, faces / path.relative_to(photographs)) for path in paths)
    if not cut:
        message = f"none of the {len(paths)} pictures in {photographs} shows a face"
        raise NothingFitsError(message)
    log_line(f"{cut} faces of {len(paths)} pictures")
    typer.echo(faces)


def _cut(model: ExpressionModel, photograph: Path, face: Path) -> bool:
    """Writes the largest face of a photograph; False if it has none."""
    import cv2  # noqa: PLC0415  # for a quick --help

    from rushes.output_files import save  # noqa: PLC0415  # for a quick --help

    try:
        squares = model.crops(photograph)
    except UserError as error:
        log_line(str(error))
        return False
    if not squares:
        log_line(f"{photograph} shows no face")
        return False
    face.parent.mkdir(parents=True, exist_ok=True)
    # PNG, since a second JPEG would add its own losses; the whole name stays, so that a.jpg and a.png give two files.
    save(face.with_name(f"{face.name}.png"), cv2.imencode(".png", squares[0])[1].tobytes())
    return True
