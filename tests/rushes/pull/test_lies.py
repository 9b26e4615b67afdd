import contextlib
import gzip
import json
import os
import re
import socket
import threading
import time
import tracemalloc
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushes.bundle.manifest import BundleError
from rushes.errors import RushesError
from rushes.loading import find_named
from rushes.pull.http_guard import Limits
from rushes.pull.pull import pull
from rushes.store.store import find_model, folder_name, use_bundle
from tests.support.lying import (
    bomb,
    chunked,
    document,
    drop_by_drop,
    endless,
    endless_without_length,
    hang_up,
    lying,
    redirect,
    silence,
    text,
)
from tests.support.runtime import write_bundle

QUICK = Limits(connect_s=1, silence_s=0.25, window_s=0.3, min_bytes_per_s=5000, download_s=3)
ALIAS, GET, URI, FILES = "registered-models/alias", "model-versions/get?", "get-download-uri", "artifacts/artifacts?"
MANIFEST, CERTIFICATE, GRAPH = "bundle/manifest.json", "bundle/certificate.json", "bundle/expression.onnx"
ANSWERS = {
    ALIAS: {"model_version": {"version": "7"}},
    GET: {"model_version": {"version": "7", "name": "expression", "tags": [{"key": "a", "value": "b"}]}},
    URI: {"artifact_uri": "mlflow-artifacts:/1/run7/artifacts/bundle"},
    FILES: {"files": [{"path": "manifest.json", "is_dir": False}]},
}
ODD = (None, [], {}, "", "x", -1, 0, 1.5, True, "-1", "7.0", "\u0667", 10**30, "9" * 4000, [None], [[[]]], {"a": None})
HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n" * 100
DEEP = b"[" * 100_000 + b"]" * 100_000
SLOW, LARGE, LIE, BROKEN = "too slow|in time", "larger than", "does not respond as MLflow does", "cannot be reached"

LIES = {
    "endless JSON": (ALIAS, endless(b'{"model_version": "', b"x" * 65536), LARGE),
    "endless JSON without a length": (GET, endless_without_length(b"[" * 65536), LARGE),
    "endless list of files": (FILES, chunked(b"10000\r\n" + b"," * 65536 + b"\r\n"), LARGE),
    "endless line of a chunk's size": (FILES, chunked(b"0" * 65536), BROKEN),
    "gzip bomb": (ALIAS, bomb(), LARGE),
    "gzip bomb as manifest": (MANIFEST, bomb(), LARGE),
    "gzip bomb as graph": (GRAPH, bomb(), "does not have the"),
    "gzip that is none": (ALIAS, text(b"no gzip", Content_Encoding="gzip"), BROKEN),
    "gzip that ends early": (ALIAS, text(b"\x1f\x8b\x08\0\0\0\0\0\0\3", Content_Encoding="gzip"), BROKEN),
    "packed as nobody asked": (ALIAS, text(b"{}", Content_Encoding="br"), "the unrequested Content-Encoding 'br'"),
    "endless manifest": (MANIFEST, endless_without_length(b" " * 65536), LARGE),
    "endless certificate": (CERTIFICATE, endless_without_length(b" " * 65536), LARGE),
    "endless graph": (GRAPH, endless_without_length(b" " * 65536), "does not have the"),
    "graph larger than in its manifest": (GRAPH, endless(b"", b" "), "does not have the"),
    "a byte now and then": (ALIAS, drop_by_drop(HEAD + b"\r\n{"), SLOW),
    "a byte now and then in the headers": (ALIAS, drop_by_drop(HEAD + b"X-Slow: "), SLOW),
    "a byte now and then in the status": (ALIAS, drop_by_drop(b"HTTP/1.0 200 "), SLOW),
    "a byte now and then of a manifest": (MANIFEST, drop_by_drop(HEAD + b"\r\n{"), SLOW),
    "a byte now and then of a graph": (GRAPH, drop_by_drop(HEAD + b"\r\n"), SLOW),
    "silence": (ALIAS, silence, SLOW),
    "silence before a graph": (GRAPH, silence, SLOW),
    "silence in a refusal": (ALIAS, lambda liar: (liar.send(b"", 401, length=9), silence(liar)), SLOW),
    "hangs up": (ALIAS, hang_up, BROKEN),
    "no HTTP": (ALIAS, lambda liar: liar.wfile.write(b"220 mail.example ESMTP\r\n"), BROKEN),
    "endless headers": (ALIAS, lambda liar: liar.wfile.write(HEAD + b"X: y\r\n" * 1000), BROKEN),
    "Content-Length too large": (ALIAS, text(b"{}", length=99), BROKEN),
    "Content-Length too small": (GRAPH, lambda liar: liar.send(b"123456", length=3), r"has 3 bytes, not"),
    "Content-Length negative": (ALIAS, text(b"nothing", length=-5), LIE),
    "truncated manifest": (MANIFEST, text(b'{"family": "expre'), "cannot be read"),
    "empty": (ALIAS, text(b""), LIE),
    "HTML": (ALIAS, text(b"<html>log in</html>"), LIE),
    "HTML as manifest": (MANIFEST, text(b"<html>log in</html>"), "cannot be read"),
    "no UTF-8": (ALIAS, text(b'{"model_version": "\xff\xfe"}'), LIE),
    "no UTF-8 as manifest": (MANIFEST, text(b'{"family": "\xff\xfe"}'), "cannot be read"),
    "no UTF-8 as certificate": (CERTIFICATE, text(b'{"digest": "\xff\xfe"}'), "cannot be read"),
    "nested": (ALIAS, text(DEEP), LIE),
    "nested manifest": (MANIFEST, text(DEEP), "cannot be read"),
    "nested certificate": (CERTIFICATE, text(DEEP), "cannot be read"),
    "a number of 5,000 digits": (ALIAS, text(b'{"model_version": {"version": %s}}' % (b"9" * 5000)), LIE),
    "another version": (GET, document({"model_version": {"version": "8"}}), "asked for expression 7, it responds with"),
    "another model": (GET, document({"model_version": {"version": "7", "name": "scene"}}), "responds with scene 7"),
    "version -1": (ALIAS, document({"model_version": {"version": "-1"}}), LIE),
    "version 0": (ALIAS, document({"model_version": {"version": "0"}}), LIE),
    "another digest": (GET, document({"model_version": {"version": "7", "tags": [{"key": "rushes.digest",
                       "value": "f" * 64}]}}), "registered with the digest ffffffffffff"),
    "redirect to a file": (ALIAS, redirect("file:///etc/passwd"), "redirects to another server, file:///etc/passwd"),
    "redirect to another host": (ALIAS, redirect("http://localhost:9/"), "redirects to another server, http://localhost:9/"),
    "redirect to another port": (GRAPH, redirect("http://127.0.0.1:9/"), "redirects to another server, http://127.0.0.1:9/"),
    "redirects for ever": (ALIAS, redirect("/again?registered-models/alias"), "more than 5 redirects"),
    "redirect to nowhere": (ALIAS, redirect("http://[::"), "is not an address"),
    "redirect without a place": (ALIAS, text(b"", 302), "more than 5 redirects"),
    "source without an end": ("", None, "refer to each other in a loop"),
    "source at a port that is none": (URI, document({"artifact_uri": "mlflow-artifacts://h:port/x"}), "not an address"),
    "source at a host that is none": (URI, document({"artifact_uri": "mlflow-artifacts://[::/x"}), "not an address"),
    "source at a host with a blank": (URI, document({"artifact_uri": "mlflow-artifacts://a b/x"}), "cannot be"),
    "no manifest among the files": (FILES, document({"files": [{"path": "../manifest"}]}), "holds no bundle"),
    **{f"status {code}": (ALIAS, text(b"no", code), f"with status {code}") for code in (204, 206, 304, 401, 403, 410)},
    **{f"status {status}": (ALIAS, text(b"no", status), f"with status {status}") for status in (429, 500, 502, 503)},
    "chunk of the size -1": (ALIAS, chunked(b"-1\r\n" + b"x" * 65536), BROKEN),
    "chunk of the size -1 of a graph": (GRAPH, chunked(b"-1\r\n" + b"x" * 65536), BROKEN),
    "chunk of the size -5": (ALIAS, chunked(b"-5\r\n" + b"x" * 65536), BROKEN),
    "interim responses for ever": (ALIAS, lambda liar: [liar.wfile.write(CONTINUE) for _ in iter(int, 1)], LARGE),
    "trailers for ever": (ALIAS, chunked(b"0\r\n" + b"X: %s\r\n" % (b"y" * 9999)), LARGE),
    "cookies of megabytes": (ALIAS, text(b"{}", **dict.fromkeys(map("X-{}".format, range(90)), "y" * 60_000)), LARGE),
    "two lengths": (ALIAS, text(b"{}", length=2, Content_length="5"), "unmatching values"),
    "reason of a megabyte": (GET, document({"model_version": {"version": "7", "tags": [{"key": "rushes.rejected",
                             "value": "2031"}, {"key": "rushes.rejected_why", "value": "y" * 10**6}]}}), "rolled back"),
    "status 404": (ALIAS, text(b"no", 404), LIE),
    "status 404 of a graph": (GRAPH, text(b"no", 404), "responds with status 404"),
}  # fmt: skip


@pytest.fixture
def registry(fake_mlflow):
    """A registry with version 7 as champion, for false responses."""
    with lying(fake_mlflow) as liar_registry:
        yield liar_registry


def _refused(liar_registry, store):
    """Message of a refused pull: in time, in little memory, as one kind of error, in one line, and nothing is kept."""
    started = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(RushesError) as caught:
            pull("expression", liar_registry.url, store, limits=QUICK)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    assert time.monotonic() - started < 5
    assert not list(store.glob("expression/[!.]*"))
    return str(caught.value)


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_refused(registry, tmp_path, name):
    """Any malformed response is refused by name, soon, in little memory, and nothing of it reaches the store."""
    registry.place, registry.lie, reason = LIES[name]
    if name == "source without an end":
        registry.place, registry.lie = "get-download-uri", document({"artifact_uri": "runs:/a/b"})
        loop, honest = json.dumps({"run": {"info": {"artifact_uri": "runs:/a/b"}}}).encode(), registry.fake.answer
        registry.fake.answer = lambda path, query: (200, loop) if "runs/get" in path else honest(path, query)
    message = _refused(registry, tmp_path / "store")

    assert re.search(reason, message), message
    assert len(message) < 1000


def _places(tree, path=()):
    """Every field of a document, itself included."""
    yield path
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from _places(value, (*path, key))


def _with(tree, path, value):
    """The document with one field changed, or removed for the value `...`."""
    if not path:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    if value is ... and len(path) == 1:
        copy.pop(path[0])
    else:
        copy[path[0]] = _with(tree[path[0]], path[1:], value)
    return copy


@pytest.mark.parametrize(("place", "path"), [(place, path) for place in ANSWERS for path in _places(ANSWERS[place])])
def test_every_field_may_be_anything(registry, tmp_path, place, path):
    """Each field missing, null, of another type, huge or negative: the bundle is pulled, or refused by name."""
    registry.place = place
    for number, value in enumerate((*ODD, *([...] if path else []))):
        registry.lie = document(_with(ANSWERS[place], path, value))
        store = tmp_path / f"store{number}"
        message = _message(registry, store)
        there = [path.name for path in store.glob("expression/v*")]
        assert there if message is None else ((not there and "expression" in message) or registry.url in message)


def _message(liar_registry, store):
    """Message of a refused pull; None if it succeeded."""
    try:
        pull("expression", liar_registry.url, store, limits=QUICK)
    except RushesError as error:
        return str(error)
    return None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["model_version", "version", "tags", "key", "files", "path"]), inner, max_size=3
        )
    ),
    max_leaves=9,
)


@given(place=st.sampled_from(sorted(ANSWERS)), tree=_JSON)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_document_is_refused_by_name(registry, tmp_path, place, tree):
    """Any JSON document raises the one error."""
    registry.place, registry.lie = place, document(tree)

    assert "\n" not in (_message(registry, tmp_path / "store") or "")


def test_the_whole_takes_no_longer_than_stated(registry, tmp_path):
    """A server that is always fast enough, and never done, ends at the total time limit."""
    piece = b" " * 600
    registry.place, registry.lie = MANIFEST, lambda liar: (
        liar.wfile.write(HEAD + b"\r\n"),
        [liar.wfile.write(piece) for _ in iter(lambda: liar.told.stop.wait(0.02), True)],
    )  # fmt: skip
    limits = Limits(silence_s=1, window_s=0.3, min_bytes_per_s=5000, download_s=1)

    with pytest.raises(RushesError, match=r"longer than 1 s, and the download was stopped.*to resume"):
        pull("expression", registry.url, tmp_path / "store", limits=limits)


def test_a_slow_but_honest_server_is_waited_for(registry, tmp_path):
    """A server slower than any local network and faster than the minimum rate succeeds."""
    body = (tmp_path / "v7/expression.onnx").read_bytes()
    step = len(body) // 10 + 1
    registry.place, registry.lie = GRAPH, lambda liar: (
        liar.wfile.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(body)),
        [liar.wfile.write(body[i : i + step]) for i in range(0, len(body), step) if not liar.told.stop.wait(0.05)],
    )  # fmt: skip

    assert pull("expression", registry.url, tmp_path / "store", limits=QUICK).fetched == 2


def test_honest_gzip_is_read(registry, tmp_path):
    """A proxy that compresses anyway is accepted."""
    registry.place, registry.lie = ALIAS, text(gzip.compress(
        json.dumps(ANSWERS[ALIAS]).encode()), Content_Encoding="gzip")  # fmt: skip

    assert pull("expression", registry.url, tmp_path / "store", limits=QUICK).version == 7


def _fifo(path):
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _device(path):
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


def _socket(path):
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as bound, contextlib.chdir(path.parent):  # its path is limited to 107 bytes
        bound.bind(path.name)


def _sparse(path):
    with path.open("wb") as file:
        file.truncate(1 << 40)


def _folder(path):
    path.unlink(missing_ok=True)
    path.mkdir()


@pytest.mark.parametrize("name", ["manifest.json", "certificate.json", "certificate.sig", "expression.onnx", "newest"])
@pytest.mark.parametrize("plant", [_fifo, _device, _socket, _sparse, _folder])
def test_a_stick_with_special_files(tmp_path, name, plant):
    """A pipe, a device, a socket, a folder or a terabyte in place of a file: refused at once, by pull and on use."""
    stick = tmp_path / "s"
    folder = stick / "expression" / folder_name(7, "0" * 64)
    digest = write_bundle(folder)
    folder = folder.rename(folder.with_name(folder_name(7, digest)))
    (stick / "expression/newest").write_text(folder.name)
    plant(stick / "expression/newest" if name == "newest" else folder / name)
    messages = []

    def act():
        for use in (
            lambda: pull("expression", str(stick), tmp_path / "store"),
            lambda: use_bundle(find_named("expression", stick)),
        ):
            with pytest.raises(RushesError) as caught:
                use()
            messages.append(str(caught.value))

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(10)

    assert len(messages) == 2, "it hangs, or was taken"
    assert all(name in message or "no expression model" in message or "has no model" in message for message in messages)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * 100_000, b"\0"])
def test_a_pointer_of_other_bytes(tmp_path, content):
    """A pointer file with other bytes: one line with a remedy, and the remedy works."""
    store = tmp_path / "store"
    write_bundle(tmp_path / "bundle")
    folder = pull("expression", str(tmp_path / "bundle"), store).folder
    (store / "expression/newest").write_bytes(content)
    if content != b"\0":
        with pytest.raises(BundleError, match=r"newest should name the folder of a bundle.*Remove it and pull again"):
            find_model(store, "expression")
    pull("expression", str(tmp_path / "bundle"), store)

    assert find_model(store, "expression") == folder


def test_a_disk_without_room_is_detected_before(registry, tmp_path, monkeypatch):
    """A bundle larger than the free space is refused before the first byte."""
    path = tmp_path / "v7/manifest.json"
    (tmp_path / "v7/certificate.json").unlink()
    manifest = json.loads(path.read_text())
    manifest["files"]["expression.onnx"]["size_bytes"] = 1 << 33
    path.write_text(json.dumps(manifest))
    monkeypatch.setattr("rushes.pull.pull.shutil.disk_usage", lambda _: SimpleNamespace(free=1 << 20))

    with pytest.raises(RushesError, match=r"8,192 MiB are needed, and .* has 1 MiB free.*--to"):
        pull("expression", registry.url, tmp_path / "store", uncertified=True)
    assert not [path for path in registry.asked if path.endswith(".onnx")]


@pytest.mark.parametrize("sizes", [{"a": 1 << 60}, dict.fromkeys(map("f{}".format, range(2000)), 1)])
def test_a_manifest_beyond_all_measure(registry, tmp_path, sizes):
    """An exbibyte, or 2,000 files: the bundle is refused, and nothing is fetched."""
    path = tmp_path / "v7/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"] = {name: {"role": name, "sha256": "0", "size_bytes": size} for name, size in sizes.items()}
    path.write_text(json.dumps(manifest))

    assert "names more than 1000 files or 16 GiB" in _refused(registry, tmp_path / "store")
