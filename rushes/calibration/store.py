"""Calibrations beside the models of a machine: STORE/performers/anna.json."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from pydantic import ValidationError

from rushes.bundle.regular_files import read_regular
from rushes.calibration.calibration import Calibration
from rushes.errors import MisuseError, RushesError, UserError, plain
from rushes.output_files import save
from rushes.store.store import default_store
from rushes.tracking.face import UNITS
from rushes.tracking.landmarks import GEOMETRY_ROLE, LANDMARKS_ROLE, UNITS_ROLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rushes.bundle.manifest import Bundle

MAX_BYTES = 1 << 16
LONGEST_NAME = 60


def calibration_path(performer: str) -> Path:
    """File of a performer's calibration, whether it is there or not.

    Raises:
        MisuseError: The name is empty or too long.
    """
    name = performer.strip().casefold()
    if not 0 < len(name) <= LONGEST_NAME:
        message = f"--performer: the name has {len(name)} characters; 1 to {LONGEST_NAME} are allowed"
        raise MisuseError(message)
    return default_store() / "performers" / f"{quote(name, safe=' ')}.json"


def networks_of(bundle: Bundle) -> dict[str, str]:
    """SHA-256 of the landmark networks of a bundle, by their roles."""
    roles = {LANDMARKS_ROLE, UNITS_ROLE, GEOMETRY_ROLE}
    return {file.role: file.sha256 for file in bundle.manifest.files.values() if file.role in roles}


def write_calibration(calibration: Calibration) -> Path:
    """Stores a calibration in the place of an older one of the same performer.

    Raises:
        UserError: It cannot be written.
    """
    path = calibration_path(calibration.performer)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{path.parent} cannot be made: {error.strerror}"
        raise UserError(message) from error
    save(path, calibration.model_dump_json(indent=2).encode())
    return path


def find_calibration(performer: str, bundle: Bundle, log: Callable[[str], None]) -> Calibration | None:
    """Calibration of a performer that holds for the networks of a model; None, with a line in the log, if none does.

    Raises:
        UserError: The file cannot be read.
    """
    path = calibration_path(performer)
    try:
        calibration = Calibration.model_validate_json(read_regular(path, MAX_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        log(f"{performer} is not calibrated: {hint(performer)}")
        return None
    except (ValidationError, RushesError) as error:
        message = f"{path} is not a calibration that can be read: {hint(performer)}"
        raise UserError(message) from error
    if calibration.networks != networks_of(bundle) or {*calibration.neutral} != {*UNITS}:
        log(f"{performer} was calibrated with other landmark networks, which does not hold: {hint(performer)}")
        return None
    return calibration


def hint(performer: str) -> str:
    """Command that calibrates a performer."""
    name = plain(performer)
    return f"rushes calibrate --performer {name if name.isalnum() else repr(name)}"
