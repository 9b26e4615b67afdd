"""Types of the responses of an MLflow server; any other response is refused with the name of the wrong field.

Another server, a proxy or a login page can respond with anything. Each response is parsed once into one of these types,
so that no other code has to handle a missing key, a null or a version of -1.
"""

from __future__ import annotations

import json
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from rushes.errors import UserError

MAX_VERSION = 2**31 - 1  # limit of MLflow's database
T = TypeVar("T", bound=BaseModel)


def _as_number(given: object) -> object:
    """Converts a version from MLflow's JSON, a string of digits; other values are left to the validation."""
    if isinstance(given, str) and given.isascii() and given.isdecimal() and len(given) <= len(str(MAX_VERSION)):
        return int(given)
    return given


VersionNumber = Annotated[int, BeforeValidator(_as_number), Field(strict=True, ge=1, le=MAX_VERSION)]


class _Response(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Tag(_Response):
    """Tag of a version."""

    key: str
    value: str = ""


class ModelVersion(_Response):
    """Version of a registered model."""

    version: VersionNumber
    name: str = ""
    tags: list[Tag] = []

    @property
    def tagged(self) -> dict[str, str]:
        """Values of the tags, by key."""
        return {tag.key: tag.value for tag in self.tags}


class VersionAnswer(_Response):
    """Response of model-versions/get and registered-models/alias."""

    model_version: ModelVersion


class VersionsAnswer(_Response):
    """Response of model-versions/search."""

    model_versions: list[ModelVersion] = []


class UriAnswer(_Response):
    """Response of model-versions/get-download-uri."""

    artifact_uri: str = ""


class RegisteredModel(_Response):
    """Registered model."""

    name: str


class ModelsAnswer(_Response):
    """Response of registered-models/search."""

    registered_models: list[RegisteredModel] = []


class _Info(_Response):
    artifact_uri: str = ""


class _WithInfo(_Response):
    info: _Info


class RunAnswer(_Response):
    """Response of runs/get."""

    run: _WithInfo


class LoggedModelAnswer(_Response):
    """Response of logged-models/ID."""

    model: _WithInfo


class ListedFile(_Response):
    """File in an artifact folder."""

    path: str
    is_dir: bool = False


class FilesAnswer(_Response):
    """Response of mlflow-artifacts/artifacts?path=."""

    files: list[ListedFile] = []


class ErrorResponse(_Response):
    """Error of MLflow, whose 404 has an error code; the 404 of another server has none."""

    error_code: str = ""
    message: str = ""


class MalformedResponseError(UserError):
    """Response of another structure; the message names the first wrong field."""


def read_answer(kind: type[T], content: bytes) -> T:
    """Parses a response.

    Raises:
        MalformedResponseError: The content is not JSON, or has another structure.
    """
    try:
        document = json.loads(content.decode("utf-8"))
    except RecursionError as error:
        message = "nested too deeply"
        raise MalformedResponseError(message) from error
    except ValueError as error:  # not UTF-8, not JSON, a number of thousands of digits
        raise MalformedResponseError(str(error)[:200]) from error
    # A lone surrogate in the reason of a rollback becomes a question mark.
    text = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        message = f"{place}: {first['msg']}" if place else str(first["msg"])
        raise MalformedResponseError(message[:200]) from error


def read_refusal(content: bytes) -> ErrorResponse | None:
    """Error code and message of a response; None if it is not a JSON object."""
    try:
        return read_answer(ErrorResponse, content)
    except MalformedResponseError:
        return None
