"""The commands that messages of the runtime print are run: what failed works then, and what is in use stays."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import tomllib
from importlib.metadata import packages_distributions

import cv2
import pytest
from typer.testing import CliRunner

from flows import __main__ as flows
from flows.servers import environment
from rushes.bundle.manifest import read_head
from rushes.bundle.signature import load_trust
from rushes.capture.video_source import open_source
from rushes.errors import MisuseError, RushesError
from rushes.inference.first_use import ChildLimits, prove
from rushes.inference.tflite_network import open_tflite
from rushes.pull import http_retry
from rushes.scene.storyboard_pdf import pdf_of
from rushes.scene.text_encoder import TextEncoder
from rushes.screenplay.export import check_format
from rushes.store.store import find_model, use_bundle
from tests.rushes.media.test_film_pixels import INTERLACED
from tests.rushes.scene.test_storyboard import _board
from tests.support.certified import public_key, signer
from tests.support.command import command_line
from tests.support.encoded import encode_fields, waves
from tests.support.repos import ROOT, git
from tests.support.runtime import NETWORK, capture
from tests.support.scenes import write_encoder, write_tokenizer


@pytest.fixture
def rushes(monkeypatch, capsys, mlflow, tmp_path):
    """The command line, with that registry and a model store of its own."""
    monkeypatch.setenv("RUSHES_REGISTRY", mlflow.url)
    monkeypatch.setenv("RUSHES_MODELS", str(tmp_path / "store"))
    return command_line(monkeypatch, capsys)


def refused(act):
    """The message of a failure."""
    with pytest.raises(RushesError) as caught:
        act()
    return f"{caught.value} {caught.value.remedy}"


def encoder(folder):
    """Opens a text encoder."""
    write_encoder(folder / "encoder.onnx")
    write_tokenizer(folder / "tokenizer.json")
    return TextEncoder(folder / "encoder.onnx", folder / "tokenizer.json")


def network(folder):
    """A network for LiteRT."""
    (folder / "net.tflite").write_bytes(NETWORK)
    return folder / "net.tflite"


def interlaced(folder):
    """A film that OpenCV alone does not read right."""
    name, codec, pix_fmt, options, top_first = next(iter(INTERLACED.values()))
    if (folder / name).is_file():
        return folder / name
    return encode_fields(folder / name, waves(6), codec, pix_fmt=pix_fmt, options=options, top_first=top_first)


PACKAGES = {
    "cryptography": lambda folder: load_trust([public_key(folder / "studio.pub", signer(1))]),
    "screenplain": lambda _: check_format("html"),
    "reportlab": lambda _: check_format("pdf"),
    "reportlab.pdfgen.canvas": lambda _: pdf_of(_board()),
    "tokenizers": encoder,
    "ai_edge_litert": lambda folder: open_tflite(network(folder), "litert"),
    "av": lambda folder: open_source(str(interlaced(folder))),
}


@pytest.mark.parametrize("module", PACKAGES)
def test_a_package_that_is_installed_as_printed_is_found(tmp_path, monkeypatch, module):
    """It has what was missing, and the extra that is named lists it; without it nothing is written."""
    PACKAGES[module](tmp_path)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, module, None)
        message = refused(lambda: PACKAGES[module](tmp_path))
    name, extra = re.search(r"pip install (\S+?)[ ,]", message)[1], re.search(r"extra \[(\w+)\]", message)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = " ".join(project["optional-dependencies"][extra[1]]) if extra else name

    assert name in packages_distributions()[module.partition(".")[0]]
    assert name in listed
    PACKAGES[module](tmp_path)


def test_a_film_is_saved_where_no_window_can_be_opened(clip, detector, classifier, tmp_path, monkeypatch):
    """With the option of the message in place of --show; the clip stays."""
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:                           NONE\n")
    content, lines = clip.read_bytes(), str(tmp_path / "out.jsonl")
    message = refused(lambda: capture(str(clip), detector, classifier, show=True, json_to=lines))
    option, name = re.search(r"Use --(save) (\S+\.mp4)", message).groups()
    capture(str(clip), detector, classifier, json_to=lines, **{option: tmp_path / name})

    assert (tmp_path / name).stat().st_size > 0
    assert clip.read_bytes() == content


def test_an_empty_folder_gets_a_model_by_the_printed_command(rushes, tmp_path):
    """Then it is a registry; the one that it came from has the same."""
    stick = tmp_path / "a stick"
    stick.mkdir()
    words = ("pull", "expression", "--registry", stick, "--to", tmp_path / "set")
    status, _, err = rushes(*words)
    verb, option = re.search(r"`rushes (pull) (--to)`", err).groups()

    assert status == 3
    assert rushes(verb, "expression", option, stick)[0] == 0
    assert rushes(*words)[0] == 0


def test_an_empty_store_is_filled_by_the_printed_command(rushes, tmp_path):
    """As a shell reads it."""
    place = tmp_path / "my models"
    place.mkdir()
    command = re.search(r"rushes (pull .*)", refused(lambda: find_model(place, "expression")))[1]
    status, _, err = rushes(*shlex.split(command))

    assert (status, err.count("Traceback")) == (0, 0), err
    assert use_bundle(find_model(place, "expression"))


def test_a_bundle_is_fetched_where_a_folder_has_none(rushes, tmp_path):
    """The help that is named has the examples of a pull; its result can be read, and the folder is as it was."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/mine.txt").write_text("mine")
    command = re.search(r"rushes (pull --help)", refused(lambda: read_head(tmp_path / "notes")))[1]
    status, out, _ = rushes(*command.split())
    example = next(line for line in out.splitlines() if line.strip().startswith("rushes pull expression --registry"))
    words = shlex.split(example)[1:3]

    assert status == 0
    assert rushes(*words)[0] == 0
    assert read_head(find_model(None, "expression")).digest
    assert (tmp_path / "notes/mine.txt").read_text() == "mine"


def test_another_version_is_pulled_in_place_of_a_hostile_one(rushes, bundle_folder):
    """By the printed command; the refused one is left where it is."""
    message = refused(lambda: prove(read_head(bundle_folder), ChildLimits(wall_s=0.01)))
    command = re.search(r"\(rushes (.*?)\)", message)[1]

    assert rushes(*shlex.split(command))[0] == 0
    assert use_bundle(find_model(None, "expression"))
    assert read_head(bundle_folder)


def test_a_stick_is_named_where_the_server_is_away(rushes, tmp_path, monkeypatch):
    """With the option of the message; the store keeps its model meanwhile."""
    rushes("pull", "expression", "--to", tmp_path / "stick")
    rushes("pull", "expression")
    monkeypatch.setattr(http_retry, "PAUSES_S", (0,))
    status, _, err = rushes("pull", "expression", "--registry", "http://127.0.0.1:9")
    option = re.search(r"name a folder as (--\w+)", err)[1]

    assert status == 1
    assert use_bundle(find_model(None, "expression"))
    assert rushes("pull", "expression", option, tmp_path / "stick", "--to", tmp_path / "other")[0] == 0


def test_a_pair_of_keys_is_made_by_the_printed_command(tmp_path, monkeypatch):
    """Its public key is trusted; the other file stays."""
    (tmp_path / "studio.pub").write_text("no key")
    shutil.copy(ROOT / ".gitignore", tmp_path)
    git(tmp_path, "init", "--quiet")
    monkeypatch.setattr(environment, "checkout_root", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MisuseError, match="is not an Ed25519 public key") as caught:
        load_trust([tmp_path / "studio.pub"])
    words = re.search(r"python -m flows (keys new \S+)", str(caught.value))[1].split()
    done = CliRunner().invoke(flows.app, words)

    assert done.exit_code == 0, done.output
    assert len(load_trust([tmp_path / "keys/studio.pub"]).keys) == 1
    assert (tmp_path / "studio.pub").read_text() == "no key"
