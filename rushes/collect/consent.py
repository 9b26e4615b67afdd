"""Consent of a performer, from a YAML file: who gives it, for which uses, until which day.

    who: anna
    use: training, report
    until: 2027-06-30

They become the columns performer, use and until of the pictures. Other keys, such as who signed, are ignored.
"""

from __future__ import annotations

import re
from datetime import date  # pydantic reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from rushes.errors import MisuseError, plain

if TYPE_CHECKING:
    from pathlib import Path

TRAINING = "training"
MOST_BYTES = 1 << 16
LONGEST = 200
FORM = "write who: NAME, use: training and until: YYYY-MM-DD, one a line"

Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST, pattern=r"^[^\x00-\x1f]+$")
]


class Consent(BaseModel):
    """Consent of one performer.

    Attributes:
        who: The performer.
        use: Permitted uses, separated by commas, semicolons or bars.
        until: Last day of the permission.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    who: Text
    use: Text
    until: date

    @property
    def allows_training(self) -> bool:
        """True if training is one of the uses; "no training" is another one."""
        return TRAINING in {use.strip().casefold() for use in re.split(r"[,;|]", self.use)}


def read_consent(path: Path, today: date) -> Consent:
    """Reads a consent under which pictures may be collected today.

    Raises:
        MisuseError: The file cannot be read or lacks something, training is not permitted, or the last day has passed.
    """
    consent = _parsed(path)
    if not consent.allows_training:
        raise _refused(path, f"use is {consent.use!r}, without training: ask for that use, and add it")
    if consent.until < today:
        raise _refused(path, f"it ended on {consent.until}: ask for a new one and change until")
    return consent


def _parsed(path: Path) -> Consent:
    try:
        with path.open("rb") as file:
            document = yaml.safe_load(file.read(MOST_BYTES).decode("utf-8-sig"))
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}; {FORM}") from error
    except (ValueError, yaml.YAMLError, RecursionError) as error:  # a date that does not exist is a ValueError
        raise _refused(path, f"is not valid YAML: {FORM}") from error
    try:
        return Consent.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise _refused(path, f"{plain(name) or 'it'}: {plain(first['msg'])}; {FORM}") from error


def _refused(path: Path, why: str) -> MisuseError:
    return MisuseError(f"--consent {path}: {why}")
