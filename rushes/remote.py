"""Where bundles come from: an MLflow server, spoken to over its REST interface, or a folder such as a USB stick.

Both answer the same three questions: which bundle is meant, which files are there, what are the bytes of one.
The endpoints are those of MLflow 3: registered-models, model-versions and mlflow-artifacts under /api/2.0.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlsplit

import requests

from rushes.bundle import MANIFEST, read_head
from rushes.errors import MisuseError, NothingFitsError, RushesError
from rushes.network import BusyError, attempts
from rushes.shelf import CHAMPION, NEWEST, pointed, pull_hint, shelved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

API = "/api/2.0/mlflow"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
CHUNK_BYTES = 1 << 16
TIMEOUT_S = (5.0, 60.0)  # to connect, between two bytes
_BUSY = {429, 500, 502, 503, 504}
_REFUSED = {401, 403}
_NO_PAGE = 404
_NOT_FOUND = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}  # MLflow uses the latter for unknown aliases


@dataclass(frozen=True)
class Wanted:
    """What was asked for: a family, and an alias or a version of it. With neither: what the registry has in use."""

    name: str
    alias: str = ""
    version: int | None = None

    def __str__(self) -> str:
        """As it is typed."""
        if self.version is not None:
            return f"{self.name}@{self.version}"
        return f"{self.name}@{self.alias}" if self.alias else self.name


@dataclass(frozen=True)
class Offer:
    """A bundle that a registry has: its version (None outside any registry) and where its files are."""

    version: int | None
    place: str
    alias: str = ""  # under which it was found
    digest: str = ""  # or its start, where the registry knows it


class Registry(Protocol):
    """A place that bundles come from."""

    def find(self, wanted: Wanted) -> Offer:
        """The bundle that is meant."""
        ...

    def files(self, offer: Offer) -> set[str] | None:
        """The names of its files; None where the registry cannot say."""
        ...

    def chunks(self, offer: Offer, name: str) -> Iterator[bytes]:
        """The bytes of one file."""
        ...


def parse_wanted(text: str) -> Wanted:
    """Reads NAME, NAME@alias, NAME@7 or NAME@v7.

    Raises:
        MisuseError: It is none of them.
    """
    match = re.fullmatch(r"(?P<name>[A-Za-z0-9_-]+)(?:@(?:v?(?P<version>\d+)|(?P<alias>[A-Za-z0-9_.-]+)))?", text)
    if match is None:
        message = f"{text!r} names no model: write expression, expression@champion or expression@7"
        raise MisuseError(message)
    version = match["version"]
    return Wanted(match["name"], match["alias"] or "", None if version is None else int(version))


def open_registry(registry: str, say: Callable[[str], None]) -> Registry:
    """The registry at a URL or in a folder.

    Raises:
        MisuseError: It is neither.
    """
    if urlsplit(registry).scheme in {"http", "https"}:
        return MlflowRegistry(registry, say)
    folder = Path(registry).expanduser()
    if folder.is_dir():
        return FolderRegistry(folder)
    message = f"{registry} is neither a folder here nor a URL that starts with http:// or https://"
    raise MisuseError(message)


@dataclass(frozen=True)
class FolderRegistry:
    """A shelf that `rushes pull --to` has written, or one bundle's folder."""

    folder: Path

    def find(self, wanted: Wanted) -> Offer:
        """The bundle that is meant, by version or pointer file; a bare bundle stands for any alias.

        Raises:
            NothingFitsError: It is not here; the message names those that are.
        """
        if (self.folder / MANIFEST).is_file():
            return self._bare(wanted)
        family_folder = self.folder / wanted.name
        if not family_folder.is_dir():
            family_folder = self.folder  # the family's own folder on a shelf
        there = shelved(family_folder)
        if wanted.version is not None:
            found = [("", one) for one in there if one.version == wanted.version]
        else:
            aliases = [wanted.alias] if wanted.alias else [NEWEST, CHAMPION]
            found = [(alias, one) for alias in aliases if (one := pointed(family_folder, alias))]
        if not found:
            raise _nothing_fits(wanted, str(self.folder), [one.version for one in there])
        alias, last = found[-1]
        return Offer(last.version, str(last.folder), alias, last.digest)

    def _bare(self, wanted: Wanted) -> Offer:
        family = read_head(self.folder).manifest.family
        if wanted.version is None and family == wanted.name:
            return Offer(None, str(self.folder))
        message = (
            f"{self.folder} is a single {family} bundle, without a version. Take it: {pull_hint(family, self.folder)}"
        )
        raise NothingFitsError(message)

    def files(self, offer: Offer) -> set[str]:
        """The names in the bundle's folder."""
        return {path.name for path in Path(offer.place).iterdir()}

    def chunks(self, offer: Offer, name: str) -> Iterator[bytes]:
        """The bytes of one file.

        Raises:
            RushesError: It cannot be read, as when the stick was pulled out.
        """
        path = Path(offer.place) / name
        try:
            with path.open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
        except OSError as error:
            message = f"{path} cannot be read: {error.strerror or error}"
            raise RushesError(message) from error


class MlflowRegistry:
    """An MLflow server with artifact proxying, asked with `requests` alone.

    Credentials come from the variables that MLflow's own client reads: MLFLOW_TRACKING_USERNAME and _PASSWORD or
    MLFLOW_TRACKING_TOKEN; _INSECURE_TLS and _SERVER_CERT_PATH for a server with a certificate of its own. They are
    sent to this server and to no other, whatever host the source of a version names.
    """

    def __init__(self, url: str, say: Callable[[str], None]) -> None:
        self._url = url.rstrip("/")
        self._say = say
        self._session = requests.Session()
        self.where = _without_password(self._url)

    def find(self, wanted: Wanted) -> Offer:
        """The version that is meant.

        Raises:
            NothingFitsError: There is no such model, alias or version; the message names those that exist.
            RushesError: The server does not answer, or refuses.
        """
        alias = wanted.alias or ("" if wanted.version is not None else CHAMPION)
        version = self._version_of(wanted, alias)
        query = {"name": wanted.name, "version": str(version)}
        answer = self._ask(f"{API}/model-versions/get", query)
        if answer is None:
            raise self._nothing_fits(wanted)
        tags = {tag["key"]: tag["value"] for tag in answer["model_version"].get("tags", [])}
        uri = (self._ask(f"{API}/model-versions/get-download-uri", query) or {}).get("artifact_uri", "")
        place = self._proxied(uri) or self._through_version(query)
        if "rushes.rejected" in tags:
            why = tags.get("rushes.rejected_why", "")
            self._say(f"{wanted.name} version {version} was rolled back{f': {why}' if why else ''}; take it with care")
        return Offer(version, place, alias, tags.get("rushes.digest", ""))

    def _version_of(self, wanted: Wanted, alias: str) -> int:
        if wanted.version is not None:
            return wanted.version
        answer = self._ask(f"{API}/registered-models/alias", {"name": wanted.name, "alias": alias})
        if answer is None:
            raise self._nothing_fits(Wanted(wanted.name, alias))
        return int(answer["model_version"]["version"])

    def _nothing_fits(self, wanted: Wanted) -> NothingFitsError:
        query = {"filter": f"name='{wanted.name}'", "max_results": "1000"}
        answer = self._ask(f"{API}/model-versions/search", query) or {}
        versions = sorted(int(one["version"]) for one in answer.get("model_versions", []))
        return _nothing_fits(wanted, self.where, list(versions))

    def _proxied(self, uri: str) -> str:
        """The URL of an artifact folder that the server passes on, or "" where it lies elsewhere."""
        parts = urlsplit(uri)
        if parts.scheme == "mlflow-artifacts":
            return self._at(parts.netloc) + f"{ARTIFACTS}/{quote(parts.path.strip('/'))}"
        if parts.scheme in {"http", "https"} and f"{ARTIFACTS}/" in parts.path:
            return uri.rstrip("/")
        if parts.scheme == "runs":
            run_id, _, path = parts.path.strip("/").partition("/")
            run = self._ask(f"{API}/runs/get", {"run_id": run_id}) or {"run": {"info": {"artifact_uri": ""}}}
            return self._proxied(f"{run['run']['info']['artifact_uri']}/{path}")
        if parts.scheme == "models" and parts.path.strip("/").startswith("m-"):
            model_id, _, path = parts.path.strip("/").partition("/")
            model = self._ask(f"{API}/logged-models/{model_id}", {}) or {"model": {"info": {"artifact_uri": ""}}}
            return self._proxied(f"{model['model']['info']['artifact_uri']}/{path}")
        return ""

    def _at(self, host: str) -> str:
        own = urlsplit(self._url)
        return self._url if host in {"", own.netloc, own.netloc.rpartition("@")[2]} else f"{own.scheme}://{host}"

    def _through_version(self, query: Mapping[str, str]) -> str:
        """Where the server itself fetches what it does not pass on as it stands, such as files in a bucket."""
        return f"{self._url}/model-versions/get-artifact?name={query['name']}&version={query['version']}&path="

    def files(self, offer: Offer) -> set[str] | None:
        """The names in the artifact folder; None where the server has no list of it."""
        base, found, path = offer.place.partition(f"{ARTIFACTS}/")
        if not found:
            return None
        answer = self._json(self._answer(f"{base}{ARTIFACTS}?path={path}"))
        return {file["path"].rpartition("/")[2] for file in answer.get("files", []) if not file.get("is_dir")}

    def chunks(self, offer: Offer, name: str) -> Iterator[bytes]:
        """The bytes of one file. A connection that breaks raises here: the caller starts over, with `attempts`."""
        joint = "" if offer.place.endswith("path=") else "/"
        with self._get(f"{offer.place}{joint}{quote(name)}", None, stream=True) as answer:
            if not answer.ok:
                raise self._refusal(answer)
            yield from answer.iter_content(CHUNK_BYTES)

    def _ask(self, path: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        """What the REST interface answers; None when what was asked for does not exist."""
        answer = self._answer(self._url + path, query, missing_ok=True)
        document = self._json(answer)
        return document if answer.ok else None

    def _json(self, answer: requests.Response) -> dict[str, Any]:
        try:
            document = answer.json()
        except requests.exceptions.JSONDecodeError:
            document = None
        if isinstance(document, dict):
            return document
        raise self._stranger()

    def _stranger(self) -> RushesError:
        return RushesError(f"{self.where} does not answer as MLflow does: is the URL that of the MLflow server?")

    def _answer(
        self, url: str, query: Mapping[str, str] | None = None, *, missing_ok: bool = False
    ) -> requests.Response:
        answer = attempts(lambda: self._get(url, query, stream=False), self.where, self._say)
        if answer.ok or (missing_ok and _error_code(answer) in _NOT_FOUND):
            return answer
        if answer.status_code == _NO_PAGE and not _error_code(answer):  # MLflow's own 404 has a code
            raise self._stranger()
        raise self._refusal(answer)

    def _get(self, url: str, query: Mapping[str, str] | None, *, stream: bool) -> requests.Response:
        verify = _verify()
        answer = self._session.get(
            url, params=query, stream=stream, timeout=TIMEOUT_S, auth=self._auth(url), verify=verify
        )
        if answer.status_code in _BUSY:
            message = f"it answers {answer.status_code}{_error_text(answer)}"
            raise BusyError(message)
        return answer

    def _auth(self, url: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest] | None:
        own, asked = urlsplit(self._url), urlsplit(url)
        if (asked.scheme, asked.netloc) != (own.scheme, own.netloc):  # another host, or this one without TLS
            return _no_auth
        if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
            return _Token(token)
        user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
        return requests.auth.HTTPBasicAuth(user, password) if user and password else None

    def _refusal(self, answer: requests.Response) -> RushesError:
        said = _error_text(answer)
        message = f"{self.where} answers {answer.status_code} to {urlsplit(answer.url).path}{said}"
        if answer.status_code in _REFUSED:
            message += ": set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        return RushesError(message)


class _Token(requests.auth.AuthBase):
    """A bearer token, as MLflow's client sends it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from looking into .netrc for a host that the registry's data named."""
    return request


def _verify() -> bool | str:
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in {"true", "1"}:
        return False
    return os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or True


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _error_code(answer: requests.Response) -> str:
    return str(_error(answer).get("error_code", ""))


def _error_text(answer: requests.Response) -> str:
    said = str(_error(answer).get("message", "")) or (answer.text if "<" not in answer.text else "")
    return f" ({' '.join(said.split())[:200]})" if said.strip() else ""


def _error(answer: requests.Response) -> dict[str, Any]:
    try:
        document = answer.json()
    except requests.exceptions.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _nothing_fits(wanted: Wanted, where: str, versions: list[int | None]) -> NothingFitsError:
    if not versions:
        return NothingFitsError(
            f"{where} has no model {wanted.name!r}: a first `make nightly` or `rushes pull --to` puts it there"
        )
    kept = [version for version in versions if version is not None]
    names = ", ".join(str(version) for version in kept) or "one without a version"
    take = pull_hint(f"{wanted.name}@{kept[-1]}" if kept else wanted.name, where)
    return NothingFitsError(f"{where} has no {wanted}. Versions of {wanted.name} there: {names}. Take one: {take}")
