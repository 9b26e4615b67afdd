"""Calibrations beside the models of a machine: STORE/performers/anna.json."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from unicodedata import normalize
from urllib.parse import quote

from pydantic import ValidationError

from rushes.bundle.manifest import GRAPH
from rushes.bundle.regular_files import read_regular
from rushes.calibration.calibration import Calibration
from rushes.calibration.recording import SessionRecording, computed_again, write_recording
from rushes.errors import MisuseError, RushesError, UserError, plain
from rushes.output_files import save
from rushes.store.store import default_store, model_name, quoted
from rushes.tracking.face import UNITS
from rushes.tracking.landmarks import GEOMETRY_ROLE, LANDMARKS_ROLE, UNITS_ROLE, open_landmarks
from rushes.tracking.units_network import UnitsNetwork

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rushes.bundle.manifest import Bundle
    from rushes.calibration.recording import UnitsReader

MAX_BYTES = 1 << 16
LONGEST_NAME = 60
MOST_NAME_BYTES = 200  # of a file system's 255; a temporary file has a longer name


def calibration_path(performer: str) -> Path:
    """File of a performer's calibration, whether it is there or not.

    Raises:
        MisuseError: The name is empty or too long, also as a file name, where a character may take nine bytes.
    """
    name = normalize("NFC", performer.strip().casefold())
    if not 0 < len(name) <= LONGEST_NAME:
        message = f"--performer: the name has {len(name)} characters; 1 to {LONGEST_NAME} are allowed"
        raise MisuseError(message)
    file_name = quote(name, safe=" ")
    if len(file_name) > MOST_NAME_BYTES:
        message = (
            f"--performer: the name takes {len(file_name)} bytes in the name of a file, and {MOST_NAME_BYTES} are "
            f"allowed: shorten it, such as to {name[: LONGEST_NAME // 4]}"
        )
        raise MisuseError(message)
    return default_store() / "performers" / f"{file_name}.json"


def check_writable(performer: str) -> None:
    """Checks before a session that its calibration can be stored.

    Raises:
        UserError: Its folder cannot be made or written to.
    """
    folder = next(place for place in calibration_path(performer).absolute().parents if place.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        message = f"{folder} cannot be written to: give this user the right to, or name another store in RUSHES_MODELS"
        raise UserError(message)


def networks_of(bundle: Bundle, tracking: Bundle | None = None) -> dict[str, str]:
    """SHA-256 of the landmark networks of a bundle, by their roles; and of the network that reads the units from them.

    Args:
        bundle: Bundle with the landmark networks.
        tracking: Bundle of the family tracking; None where MediaPipe's network reads the units.
    """
    roles = {LANDMARKS_ROLE, UNITS_ROLE, GEOMETRY_ROLE}
    found = {file.role: file.sha256 for file in bundle.manifest.files.values() if file.role in roles}
    graphs = [] if tracking is None else tracking.manifest.files.values()
    return found | {f"tracking {file.role}": file.sha256 for file in graphs if file.role == GRAPH}


def write_calibration(calibration: Calibration, recording: SessionRecording | None = None) -> Path:
    """Stores a calibration in the place of an older one of the same performer.

    Args:
        calibration: The calibration.
        recording: Its frames; None if it cannot be computed again.

    Raises:
        UserError: It cannot be written.
    """
    path = calibration_path(calibration.performer)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Between the two writes there is no recording, so that a calibration never has that of another session.
        _recording_path(path).unlink(missing_ok=True)
    except OSError as error:
        message = f"{error.filename or path.parent} cannot be written: {error.strerror}"
        raise UserError(message) from error
    save(path, calibration.model_dump_json(indent=2).encode())
    if recording is not None:
        write_recording(_recording_path(path), recording)
    return path


def find_calibration(
    performer: str, bundle: Bundle, log: Callable[[str], None], tracking: Bundle | None = None
) -> Calibration | None:
    """Calibration of a performer that holds for the networks of a model; None, with a line in the log, if none does.

    One of the same landmark network is computed again for another network of the units, which is logged. For `bundle`
    and `tracking` see `networks_of`.

    Raises:
        UserError: The file cannot be read.
    """
    path = calibration_path(performer)
    try:
        calibration = Calibration.model_validate_json(read_regular(path, MAX_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        log(f"{performer} is not calibrated: {hint(performer)}")
        return None
    except ValidationError as error:
        message = f"{path} is not a calibration that can be read: {hint(performer)}"
        raise UserError(message) from error
    except RushesError as error:
        message = f"{path} is not a calibration that can be read ({error}): {hint(performer)}"
        raise UserError(message) from error
    networks = networks_of(bundle, tracking)
    if {*calibration.neutral} == {*UNITS} and calibration.networks == networks:
        return calibration
    found = computed_again(calibration, _recording_path(path), networks, lambda: _reader(bundle, tracking))
    if found is None:
        log(f"{performer} was calibrated with other networks, which does not hold: {hint(performer)}")
    else:
        log(f"the calibration of {performer} is computed again for {model_name(tracking or bundle)}")
    return found


def _reader(bundle: Bundle, tracking: Bundle | None) -> UnitsNetwork | UnitsReader:
    return open_landmarks(bundle) if tracking is None else UnitsNetwork.from_bundle(tracking)


def _recording_path(calibration: Path) -> Path:
    return calibration.with_suffix(".npz")


def hint(performer: str) -> str:
    """Command that calibrates a performer."""
    return f"rushes calibrate --performer {quoted(plain(performer))}"
