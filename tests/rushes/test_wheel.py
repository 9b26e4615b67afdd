"""The wheel alone, in a clean environment, as on a laptop on set."""

import json
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from benchmarks.support.capture.install import FOREIGN, build_wheel, drive, install, new_environment, run_clean
from tests.support import scenes, scripts
from tests.support.filmed_heads import fetch_heads, film_head
from tests.support.runtime import put_head, write_bundle

pytestmark = pytest.mark.slow
HEAVY = ("torch", "pytorch_lightning", "mlflow", "prefect", "dvc", "onnx", "pandas", "matplotlib", "flows", "models")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The folder of programs of a new environment with only the wheel and its dependencies."""
    folder = tmp_path_factory.mktemp("set")
    programs = new_environment(folder / "venv")
    install(programs, build_wheel(folder))
    return programs


@pytest.fixture(scope="module")
def on_set(blazeface_file, tmp_path_factory):
    """A folder with a stick, and a clip of a moving head."""
    folder = tmp_path_factory.mktemp("work")
    write_bundle(folder / "stick", blazeface_file.read_bytes())
    video = cv2.VideoWriter(str(folder / "clip.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25, (640, 360))
    for number in range(12):
        video.write(put_head(np.full((360, 640, 3), (150, 140, 130), np.uint8), 150 + 4 * number, 50, 240))
    video.release()
    return folder


def test_python_opens_a_model(environment, on_set):
    """`import rushes` from the wheel has `load`, with its types."""
    code = "import rushes; print(*rushes.load('./stick').labels, rushes.load('./stick').predict('clip.png'))"
    cv2.imwrite(str(on_set / "clip.png"), np.zeros((40, 40, 3), np.uint8))
    state = {"RUSHES_MACHINE_STATE": str(on_set / "state")}
    clean = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    done = subprocess.run(
        [environment / "python", "-I", "-c", code], cwd=on_set, env=clean | state, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    [types] = (environment.parent / "lib").glob("python*/site-packages/rushes/__init__.pyi")

    assert (done.returncode, done.stdout) == (0, "angry happy sad []\n"), done.stderr
    assert (types.parent / "py.typed").exists()


def test_the_wheel_brings_nothing_heavy(environment):
    """It has only rushes, and its dependencies do not include training packages."""
    # -I: without it, the tests' working folder, which has the project's packages, would be on the path too.
    check = f"import importlib.util as u; print([n for n in {HEAVY} if u.find_spec(n)])"

    assert run_clean(environment / "python", "-I", "-c", check).stdout.strip() == "[]"


def test_the_page_of_a_capture_is_in_the_wheel(environment):
    """Its HTML, style and scripts are data of the package."""
    code = "from rushes.capture.web.document import document; html, _ = document(); print(len(html), b'<!-- ' in html)"
    size, missing = run_clean(environment / "python", "-I", "-c", code).stdout.split()

    assert (int(size) > 30_000, missing) == (True, "False")


def test_a_set_pulls_and_captures(environment, on_set):
    """From the stick to lines of JSON and a film, with the real detector."""
    home = {"RUSHES_MODELS": str(on_set / "models")}
    pulled = run_clean(environment / "rushes", "pull", "expression", "--registry", on_set / "stick", **home)
    words = ["--source", on_set / "clip.mp4", "--save", on_set / "out.mp4"]
    captured = run_clean(environment / "rushes", "capture", *words, **home)
    lines = [json.loads(line) for line in captured.stdout.splitlines()]

    assert pulled.returncode == 0, pulled.stderr
    assert captured.returncode == 0, captured.stderr
    assert [len(line["faces"]) for line in lines] == [1] * 12
    assert "12 frames, 12 faces" in captured.stderr
    assert (on_set / "out.mp4").stat().st_size > 1000


def test_a_unit_moves(environment, blazeface_file, full_range_file, landmark_files, tmp_path):
    """From the wheel, over a real socket: the jaw that a rendered head opens."""
    roles = dict(zip(landmark_files, ("face_landmarks", "face_units", "face_geometry"), strict=True))
    write_bundle(tmp_path / "stick", blazeface_file.read_bytes(), {**roles, full_range_file: "detector_full_range"})
    home = {"RUSHES_MODELS": str(tmp_path / "models")}
    pulled = run_clean(environment / "rushes", "pull", "expression", "--registry", tmp_path / "stick", **home)
    heads = fetch_heads(tmp_path)
    video = cv2.VideoWriter(str(tmp_path / "clip.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25, (320, 320))
    for jaw in (0.0, 1.0):
        for picture_bgr in [film_head(heads, units={"jawOpen": jaw}).picture_bgr] * 10:
            video.write(picture_bgr)
    video.release()
    moved = drive(environment, tmp_path / "clip.mp4", **home)

    assert pulled.returncode == 0, pulled.stderr
    assert (moved.unit, 0 < moved.first_packet_s < moved.moved_s) == ("JawOpen", True)


def test_what_draws_is_an_extra(environment, tmp_path):
    """The wheel alone is light; missing packages are named, and can be installed."""
    scenes.write_bundle(tmp_path / "stick")
    drawn = run_clean(
        environment / "rushes", "scene", "--model", tmp_path / "stick", "--text", "sea", "--out", tmp_path / "s.png"
    )
    (tmp_path / "s.fountain").write_text("EXT. SEA")
    words = ["--model", tmp_path / "stick", "--out", tmp_path / "s.html"]
    failed = run_clean(environment / "rushes", "storyboard", tmp_path / "s.fountain", *words)

    assert (drawn.returncode, "pip install tokenizers" in drawn.stderr) == (1, True), drawn.stderr
    assert (failed.returncode, "pip install tokenizers" in failed.stderr) == (1, True), failed.stderr


def test_scripts_of_every_format_are_read(environment, tmp_path):
    """Without an extra: Final Draft, whose parser the wheel brings, and a page in a wrong encoding."""
    (tmp_path / "s.fdx").write_bytes(scripts.fdx(scripts.scene(1)))
    (tmp_path / "s.txt").write_text(f"{scripts.typed(scripts.scene(1))}\n    Don\u00e2\u20ac\u2122t.\n", "utf-8")
    code = (
        "from pathlib import Path; from rushes.screenplay_files.read_file import read_path; "
        f"print(*[read_path(Path({str(tmp_path)!r}, name)).elements[-1].text for name in ('s.fdx', 's.txt')], sep='|')"
    )
    read = run_clean(environment / "python", "-I", "-X", "utf8", "-c", code)

    assert read.stdout.strip() == f"{scripts.scene(1)[-1].text}|Don\u2019t.", read.stderr


@pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("Xvfb"), reason="needs Linux and Xvfb: apt-get install xvfb"
)
def test_it_shows_a_window(environment, on_set):
    """On a real, if invisible, screen the clip plays to its end; without one the error names --save."""
    words = [environment / "rushes", "capture", "--model", on_set / "stick", "--source", on_set / "clip.mp4", "--show"]
    screen = subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x800x24"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        shown = run_clean(*words, DISPLAY=f":{screen.stdout.readline().decode().strip()}")
    finally:
        screen.kill()
        screen.wait()
    refused = run_clean(*words)

    assert (shown.returncode, len(shown.stdout.splitlines())) == (0, 12), shown.stderr
    assert refused.returncode == 1
    assert "Use --save out.mp4" in refused.stderr
