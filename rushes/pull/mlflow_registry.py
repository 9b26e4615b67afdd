"""Bundles from an MLflow server, through its REST interface.

The endpoints are those of MLflow 3: registered-models, model-versions and mlflow-artifacts under /api/2.0. Responses
are limited in time and size (`rushes.pull.http_guard`) and validated (`rushes.pull.mlflow_responses`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import requests
import urllib3
from pydantic import BaseModel

from rushes.bundle.manifest import DIGEST_CHARS
from rushes.errors import MisuseError, UserError
from rushes.pull.folder_registry import FolderRegistry
from rushes.pull.http_guard import LIMITS, Limits, Meter, body, metered_session
from rushes.pull.http_retry import ServerBusyError, attempts
from rushes.pull.mlflow_responses import (
    FilesAnswer,
    LoggedModelAnswer,
    MalformedResponseError,
    ModelsAnswer,
    ModelVersion,
    RunAnswer,
    UriAnswer,
    VersionAnswer,
    VersionsAnswer,
    read_answer,
    read_refusal,
)
from rushes.pull.selection import Offer, Wanted, nothing_fits
from rushes.redaction import redact, split_login
from rushes.store.records import MAX_REASON_CHARS, Rejection
from rushes.store.store import CHAMPION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rushes.errors import NothingFitsError
    from rushes.pull.selection import Registry

API = "/api/2.0/mlflow"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
VERSIONS, SOURCE = "model-versions/get", "model-versions/get-download-uri"
REJECTED, REJECTED_WHY = "rushes.rejected", "rushes.rejected_why"
MAX_ERROR_BYTES = 1 << 16
MAX_REDIRECTS = 5
MAX_HOPS = 4  # from a source to its folder, such as through a run or a logged model
_OK, _NO_PAGE = 200, 404
_BUSY = {429, 500, 502, 503, 504}
_REFUSED = {401, 403}
_REDIRECTS = {301, 302, 303, 307, 308}
_NOT_FOUND = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}  # MLflow uses the latter for unknown aliases
A = TypeVar("A", bound=BaseModel)


def open_registry(registry: str, log: Callable[[str], None], limits: Limits = LIMITS) -> Registry:
    """Opens the registry at a URL or in a folder.

    Raises:
        MisuseError: The argument is neither a URL nor a folder.
    """
    try:
        scheme = urlsplit(registry).scheme
    except ValueError:  # brackets that are not an IPv6 address
        scheme = ""
    if scheme in {"http", "https"}:
        return MlflowRegistry(registry, log, limits)
    folder = Path(registry).expanduser()
    if folder.is_dir():
        return FolderRegistry(folder)
    message = f"{registry} is neither a folder here nor a URL that starts with http:// or https://"
    raise MisuseError(message)


@dataclass(frozen=True)
class _Reply:
    """Response that was read completely."""

    status: int
    path: str
    content: bytes

    @property
    def ok(self) -> bool:
        return self.status == _OK

    @property
    def error_code(self) -> str:
        refusal = read_refusal(self.content)
        return refusal.error_code if refusal else ""

    @property
    def reason(self) -> str:
        """Reason of a refusal, in brackets; empty for an HTML page."""
        refusal = read_refusal(self.content)
        text = self.content.decode("utf-8", "replace")
        reason = (refusal.message if refusal else "") or (text if "<" not in text else "")
        return f" ({' '.join(reason.split())[:200]})" if reason.strip() else ""


class MlflowRegistry:
    """MLflow server with artifact proxying, accessed through `requests` alone.

    Credentials come from the environment variables of MLflow's own client: MLFLOW_TRACKING_USERNAME and _PASSWORD or
    MLFLOW_TRACKING_TOKEN; _INSECURE_TLS and _SERVER_CERT_PATH for a server with a certificate of its own. They are
    sent only to this server, whatever host the source of a version or a redirect names.
    """

    def __init__(self, url: str, log: Callable[[str], None], limits: Limits = LIMITS) -> None:
        self._url, self._login = split_login(url.rstrip("/"))
        self._log = log
        self.where = self._url
        self._limits, self._meter = limits, Meter(limits, self.where)
        self._session = metered_session(self._meter)

    def find(self, wanted: Wanted) -> Offer:
        """Finds the wanted version.

        Raises:
            NothingFitsError: The model, alias or version does not exist; the message lists those that exist.
            TransientError: The server does not respond.
            UserError: The server refuses, or does not respond as MLflow does.
        """
        alias = wanted.alias or ("" if wanted.version is not None else CHAMPION)
        version = self._version_of(wanted, alias)
        query = {"name": wanted.name, "version": str(version)}
        answer = self._ask(f"{API}/{VERSIONS}", query, VersionAnswer)
        if answer is None:
            raise self._nothing_fits(wanted)
        self._check_same(answer.model_version, wanted.name, version)
        tags = answer.model_version.tagged
        uri = self._ask(f"{API}/{SOURCE}", query, UriAnswer) or UriAnswer()
        place = self._proxied(uri.artifact_uri) or self._through_version(query)
        return Offer(version, place, alias, tags.get("rushes.digest", ""), _rejection(answer.model_version))

    def rejections(self, name: str) -> dict[str, Rejection]:
        """Versions of a family that were rolled back, by the start of the digest.

        Raises:
            TransientError: The server does not respond.
            UserError: The server refuses, or does not respond as MLflow does.
        """
        found = {one.tagged.get("rushes.digest", "")[:DIGEST_CHARS]: _rejection(one) for one in self._versions(name)}
        return {digest: rejection for digest, rejection in found.items() if digest and rejection}

    def _version_of(self, wanted: Wanted, alias: str) -> int:
        if wanted.version is not None:
            return wanted.version
        query = {"name": wanted.name, "alias": alias}
        answer = self._ask(f"{API}/registered-models/alias", query, VersionAnswer)
        if answer is None:
            raise self._nothing_fits(Wanted(wanted.name, alias))
        self._check_same(answer.model_version, wanted.name, answer.model_version.version)
        return answer.model_version.version

    def _check_same(self, found: ModelVersion, name: str, version: int) -> None:
        """Refuses a response for another model or version."""
        if found.name not in {"", name} or found.version != version:
            raise self._malformed(
                VERSIONS, f"asked for {name} {version}, it responds with {found.name} {found.version}"
            )

    def _nothing_fits(self, wanted: Wanted) -> NothingFitsError:
        known = self._versions(wanted.name)
        rejected = [one.version for one in known if REJECTED in one.tagged]
        versions = sorted(one.version for one in known)
        return nothing_fits(wanted, self.where, versions, [] if versions else self._families(), rejected)

    def _versions(self, name: str) -> list[ModelVersion]:
        query = {"filter": f"name='{name}'", "max_results": "1000"}
        answer = self._ask(f"{API}/model-versions/search", query, VersionsAnswer)
        return answer.model_versions if answer else []

    def _families(self) -> list[str]:
        answer = self._ask(f"{API}/registered-models/search", {"max_results": "1000"}, ModelsAnswer)
        return [model.name for model in answer.registered_models] if answer else []

    def _proxied(self, uri: str, hops: int = 0) -> str:
        """URL of an artifact folder that the server proxies; "" if it does not proxy it."""
        parts = self._split(uri)
        if hops > MAX_HOPS:
            raise self._malformed(SOURCE, "its sources refer to each other in a loop")
        if parts.scheme == "mlflow-artifacts":
            return self._at(parts.netloc) + f"{ARTIFACTS}/{quote(parts.path.strip('/'))}"
        if parts.scheme in {"http", "https"} and f"{ARTIFACTS}/" in parts.path:
            return uri.rstrip("/")
        ident, _, path = parts.path.strip("/").partition("/")
        if parts.scheme == "runs":
            run = self._ask(f"{API}/runs/get", {"run_id": ident}, RunAnswer)
            return self._proxied(f"{run.run.info.artifact_uri}/{path}", hops + 1) if run else ""
        if parts.scheme == "models" and ident.startswith("m-"):
            model = self._ask(f"{API}/logged-models/{quote(ident)}", {}, LoggedModelAnswer)
            return self._proxied(f"{model.model.info.artifact_uri}/{path}", hops + 1) if model else ""
        return ""

    def _split(self, uri: str) -> SplitResult:
        try:
            parts = urlsplit(uri)
            _ = parts.port  # raises if it is not a number
        except ValueError as error:
            raise self._malformed(SOURCE, f"{uri[:100]!r} is not an address") from error
        return parts

    def _at(self, host: str) -> str:
        own = urlsplit(self._url)
        return self._url if host in {"", own.netloc, own.netloc.rpartition("@")[2]} else f"{own.scheme}://{host}"

    def _through_version(self, query: Mapping[str, str]) -> str:
        """URL of artifacts that the server fetches itself, such as files in a bucket."""
        return f"{self._url}/model-versions/get-artifact?name={query['name']}&version={query['version']}&path="

    def files(self, offer: Offer) -> set[str] | None:
        """File names in the artifact folder; None if the server cannot list it."""
        base, found, path = offer.place.partition(f"{ARTIFACTS}/")
        if not found:
            return None
        reply = self._reply(f"{base}{ARTIFACTS}?path={path}")
        answer = self._read(reply, FilesAnswer)
        return {file.path.rpartition("/")[2] for file in answer.files if not file.is_dir}

    def chunks(self, offer: Offer, name: str, max_bytes: int) -> Iterator[bytes]:
        """Yields one file in chunks. A broken connection raises an exception: the caller retries with `attempts`.

        Raises:
            UserError: The server refuses, or the file is larger than `max_bytes`.
            TransientError: The time for all downloads is over.
        """
        joint = "" if offer.place.endswith("path=") else "/"
        with self._get(f"{offer.place}{joint}{quote(name)}", None) as answer:
            if answer.status_code != _OK:
                raise self._refusal(self._read_whole(answer, MAX_ERROR_BYTES))
            self._meter.allow_body(max_bytes)
            yield from body(answer, max_bytes, f"{self.where}: {name}")

    def _ask(self, path: str, query: Mapping[str, str], kind: type[A]) -> A | None:
        """Response of the REST interface; None if the requested object does not exist."""
        reply = self._reply(self._url + path, query, missing_ok=True)
        return self._read(reply, kind) if reply.ok else None

    def _read(self, reply: _Reply, kind: type[A]) -> A:
        try:
            return read_answer(kind, reply.content)
        except MalformedResponseError as error:
            raise self._malformed(reply.path, str(error)) from error

    def _malformed(self, path: str, what: str) -> UserError:
        """Error for a response that MLflow never gives: from another server, a proxy, or a manipulated server."""
        message = (
            f"{self.where} does not respond as MLflow does: is this the URL of the MLflow server? ({path}: {what})"
        )
        return UserError(message)

    def _reply(self, url: str, query: Mapping[str, str] | None = None, *, missing_ok: bool = False) -> _Reply:
        def act() -> _Reply:
            with self._get(url, query) as answer:
                ok = answer.status_code == _OK
                return self._read_whole(answer, self._limits.answer_bytes if ok else MAX_ERROR_BYTES)

        reply = attempts(act, self.where, self._log, self._limits.attempts)
        if reply.ok or (missing_ok and reply.error_code in _NOT_FOUND):
            return reply
        if reply.status == _NO_PAGE and not reply.error_code:  # MLflow's own 404 has a code
            raise self._malformed(reply.path, "it has no such endpoint")
        raise self._refusal(reply)

    def _read_whole(self, answer: requests.Response, max_bytes: int) -> _Reply:
        path = urlsplit(answer.url).path
        self._meter.allow_body(max_bytes)
        content = b"".join(body(answer, max_bytes, f"{self.where}: the response to {path}"))
        return _Reply(answer.status_code, path, content)

    def _get(self, url: str, query: Mapping[str, str] | None) -> requests.Response:
        """Requests a URL and leaves the body unread; redirects are followed only on this server."""
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._get_once(url, query)
            if answer.status_code not in _REDIRECTS:
                break
            url, query = self._redirected(answer, url), None
        else:
            raise self._malformed(urlsplit(url).path, f"more than {MAX_REDIRECTS} redirects")
        if answer.status_code in _BUSY:
            with answer:
                message = (
                    f"it responds with status {answer.status_code}{self._read_whole(answer, MAX_ERROR_BYTES).reason}"
                )
            raise ServerBusyError(message)
        return answer

    def _redirected(self, answer: requests.Response, url: str) -> str:
        answer.close()
        location = answer.headers.get("Location", "")
        try:
            target = urljoin(url, location)
        except ValueError as error:
            raise self._malformed(
                urlsplit(url).path, f"its redirect to {location[:100]!r} is not an address"
            ) from error
        there, here = self._split(target), self._split(url)
        upgraded = (here.scheme, there.scheme) == ("http", "https") and here.hostname == there.hostname
        if (there.scheme, there.netloc) == (here.scheme, here.netloc) or upgraded:
            return target
        message = (
            f"{self.where} redirects to another server, {redact(target)[:100]}, which is not followed. "
            "If that is the registry, name it with --registry; if it is a login page, set MLFLOW_TRACKING_TOKEN"
        )
        raise UserError(message)

    def _get_once(self, url: str, query: Mapping[str, str] | None) -> requests.Response:
        self._meter.start()
        timeout_s, auth, verify = (self._limits.connect_s, self._limits.silence_s), self._auth(url), _verify()
        try:
            return self._session.get(
                url, params=query, stream=True, timeout=timeout_s, auth=auth, verify=verify, allow_redirects=False
            )
        except (UnicodeError, urllib3.exceptions.HTTPError) as error:  # a malformed address
            message = f"{self.where} names an address that cannot be used: {' '.join(str(error).split())[:200]}"
            raise UserError(message) from error

    def _auth(self, url: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest] | None:
        own, asked = urlsplit(self._url), urlsplit(url)
        if (asked.scheme, asked.netloc) != (own.scheme, own.netloc):  # another host, or this host without TLS
            return _no_auth
        if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
            return _Token(token)
        if self._login:
            return requests.auth.HTTPBasicAuth(*self._login)
        user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
        return requests.auth.HTTPBasicAuth(user, password) if user and password else None

    def _refusal(self, reply: _Reply) -> UserError:
        message = f"{self.where} responds with status {reply.status} to {reply.path}{reply.reason}"
        if reply.status in _REFUSED:
            message += ": set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        else:
            message += ": see the log of the server, or name a folder as --registry, such as a stick"
        return UserError(message)


def _rejection(found: ModelVersion) -> Rejection | None:
    tags = found.tagged
    if REJECTED not in tags:
        return None
    why = tags.get(REJECTED_WHY, "")[:MAX_REASON_CHARS]
    return Rejection(version=found.version, when=tags[REJECTED][:MAX_REASON_CHARS], why=why)


class _Token(requests.auth.AuthBase):
    """Bearer token, sent in the same way as by MLflow's client."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Prevents requests from reading .netrc for a host named by the registry's data."""
    return request


def _verify() -> bool | str:
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in {"true", "1"}:
        return False
    return os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or True
