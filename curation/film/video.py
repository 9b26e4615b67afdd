"""A film for ingest: a file that is not a film is refused before it reaches a decoder; the rest is decoded.

Frames are addressed by number, the only address that a film of variable frame rate has; their times are the film's.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from curation.errors import RefusedError
from curation.film.containers import SUFFIXES, is_whole, kind_of
from rushes.media.film import FilmError, open_film

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

    from rushes.media.film import Film, FilmFrame

COPY = "copy it again from its origin"
CONVERT = "convert it: ffmpeg -i FILM -c:v libx264 -pix_fmt yuv420p FILM.mp4; if it contains only sound, leave it out"


def check_file(file: Path) -> None:
    """Checks, before it reaches a decoder, that a file is a complete film.

    Raises:
        RefusedError: It is empty, not a film, or shorter than its parts declare.
    """
    if file.stat().st_size == 0:
        reason = "is empty"
        raise RefusedError(reason, COPY)
    kind = kind_of(file)
    if kind is None:
        reason = "is not a film"
        raise RefusedError(reason, f"save it as one of {', '.join(sorted(SUFFIXES))}")
    if not is_whole(file, kind):
        reason = "is truncated: the file ends before the film does"
        raise RefusedError(reason, COPY)


@contextmanager
def opened(file: Path) -> Iterator[Film]:
    """Opens a film for one pass of reading.

    Raises:
        RefusedError: Nothing in it can be decoded as video.
    """
    try:
        with open_film(file) as film:
            yield film
    except FilmError as error:
        raise RefusedError(str(error), CONVERT) from error


def frames_of(film: Film, wanted: Container[int] | None = None) -> Iterator[FilmFrame]:
    """Reads an opened film from its beginning to its end; yields only the wanted frames if any are given.

    All frames are decoded, since each depends on those before it; unwanted ones are not converted to images.
    """
    return film.frames(wanted)
