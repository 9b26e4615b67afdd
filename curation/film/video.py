"""One film as ingest reads it: what is not a film is refused before a decoder sees it; the rest is decoded.

Frames are counted, since a film of variable frame rate has no other address for them; their times are those that the
film gives.
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

COPY = "copy it again from where it was made"
CONVERT = "convert it: ffmpeg -i FILM -c:v libx264 -pix_fmt yuv420p FILM.mp4; if it holds sound alone, leave it out"


def check_file(file: Path) -> None:
    """Sees, before any decoder does, that a file is a film and whole.

    Raises:
        RefusedError: It is empty, no film, or shorter than its parts say.
    """
    if file.stat().st_size == 0:
        reason = "is empty"
        raise RefusedError(reason, COPY)
    kind = kind_of(file)
    if kind is None:
        reason = "is no film"
        raise RefusedError(reason, f"save it as one of {', '.join(sorted(SUFFIXES))}")
    if not is_whole(file, kind):
        reason = "is truncated: the file ends before the film does"
        raise RefusedError(reason, COPY)


@contextmanager
def opened(file: Path) -> Iterator[Film]:
    """A film that is ready to be read once.

    Raises:
        RefusedError: Nothing in it can be decoded as moving pictures.
    """
    try:
        with open_film(file) as film:
            yield film
    except FilmError as error:
        raise RefusedError(str(error), CONVERT) from error


def frames_of(film: Film, wanted: Container[int] | None = None) -> Iterator[FilmFrame]:
    """Reads an opened film from its beginning to its end; only the frames that are wanted, if that is said.

    All are decoded, for each depends on those before it; those that are not wanted are not turned into pictures.
    """
    return film.frames(wanted)
