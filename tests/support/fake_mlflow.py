"""An MLflow server with the REST paths that `rushes pull` requests, and with failures on demand."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.local_server import listening

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class FakeMlflow:
    """Contents and faults of a fake MLflow server.

    `cut` and `busy` count down: so many responses for files are cut off in the middle, or are 503.
    """

    versions: dict[int, Path] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)  # of every version
    version_tags: dict[int, dict[str, str]] = field(default_factory=dict)
    source: str = "mlflow-artifacts:/1/run{version}/artifacts/bundle"
    cut: int = 0
    busy: int = 0
    authorization: str = ""  # that a request must carry
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, bytes]:
        """Status and body, as MLflow 3 responds."""
        rest = path.removeprefix("/api/2.0/mlflow/")
        if path.startswith("/api/2.0/mlflow-artifacts/artifacts"):
            return self._artifact(path.removeprefix("/api/2.0/mlflow-artifacts/artifacts").strip("/"), query)
        if path == "/model-versions/get-artifact":
            return 200, (self.versions[int(query["version"])] / query["path"]).read_bytes()
        if rest == "model-versions/search":
            known = self.versions if "expression" in query["filter"] else ()
            return self._json({"model_versions": [self._described(version) for version in known]})
        if rest == "registered-models/search":
            return self._json({"registered_models": [{"name": "expression"}]})
        if rest == "registered-models/alias" and query["alias"] not in self.aliases:
            return self._json({"error_code": "INVALID_PARAMETER_VALUE", "message": "no such alias"}, 400)
        return self._version(rest, query)

    def _version(self, rest: str, query: dict[str, str]) -> tuple[int, bytes]:
        version = self.aliases[query["alias"]] if "alias" in query else int(query["version"])
        if query["name"] != "expression" or version not in self.versions:
            return self._json({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such version"}, 404)
        if rest == "model-versions/get-download-uri":
            return self._json({"artifact_uri": self.source.format(version=version)})
        return self._json({"model_version": self._described(version)})

    def _described(self, version: int) -> dict[str, object]:
        tags = self.tags | self.version_tags.get(version, {})
        return {"version": str(version), "tags": [{"key": key, "value": value} for key, value in tags.items()]}

    def _artifact(self, path: str, query: dict[str, str]) -> tuple[int, bytes]:
        _, run, _, _, *name = (path or query["path"]).split("/")
        folder = self.versions[int(run.removeprefix("run"))]
        if name:
            return 200, (folder / name[0]).read_bytes()
        return self._json({"files": [{"path": one.name, "is_dir": False} for one in folder.iterdir()]})

    def _json(self, document: object, status: int = 200) -> tuple[int, bytes]:
        return status, json.dumps(document).encode()


def _handler(fake: FakeMlflow) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            fake.asked.append(unquote(parts.path))
            if fake.authorization and fake.authorization not in self.headers.get("Authorization", ""):
                return self._send(401, b"You are not authenticated", 25)
            if fake.busy:
                fake.busy -= 1
                return self._send(503, b"busy", 4)
            status, body = fake.answer(parts.path, {key: one[0] for key, one in parse_qs(parts.query).items()})
            is_big = parts.path.endswith(".onnx")
            cuts = is_big and fake.cut > 0
            fake.cut -= cuts
            return self._send(status, body[: len(body) // 2] if cuts else body, len(body))

        def _send(self, status, body, length):
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


@contextlib.contextmanager
def serving(fake: FakeMlflow):
    """Serves it on a free local port."""
    with listening(ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))) as address:
        fake.url = f"http://{address}"
        yield fake
