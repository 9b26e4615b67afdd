import doctest
import subprocess
import sys

import cv2
import numpy as np
import pytest

import rushes
from rushes import loading
from rushes.bundle.manifest import MANIFEST, BundleError, read_head, sha256_file
from rushes.errors import MisuseError, NothingFitsError, UserError
from rushes.expression import model as expression_model
from rushes.expression.model import ExpressionModel
from rushes.faces import face_search
from rushes.scene import model as scene_model
from rushes.script import model as script_model
from tests.support import model_store, runtime
from tests.support.certified import certify


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A model store with version 7 of each family."""
    return model_store.fill(tmp_path_factory.mktemp("models"))


@pytest.fixture
def store(filled, tmp_path, monkeypatch):
    """That store as the default one, and an image in the current folder; the face is the bright area."""
    monkeypatch.setenv("RUSHES_MODELS", str(filled))
    monkeypatch.setattr(face_search, "open_finder", lambda _: runtime.BrightSquare())
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("face.jpg", runtime.draw_frame(0))
    return filled


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("module", [loading, expression_model, scene_model, script_model], ids=lambda one: one.__name__)
def test_doctests(module):
    """Each example in the docstrings of the public interface gives the documented output."""
    found = doctest.testmod(module)

    assert found.attempted > 1
    assert found.failed == 0


@pytest.mark.usefixtures("store")
def test_a_planted_doctest_fails(monkeypatch):
    """The test above can fail."""
    monkeypatch.setattr(ExpressionModel, "labels", property(lambda _: ("angry",)))

    assert doctest.testmod(loading).failed == 1


def test_names_and_folders_open_the_same_model(store):
    """A family, an alias, a version, the bundle's folder, the family's folder, and a named store."""
    (folder,) = (store / "expression").glob("v7-*")
    wanted = ["expression", "expression@champion", "expression@7", folder, str(folder), store / "expression"]
    opened = [rushes.load(one) for one in wanted] + [rushes.load("expression", store=str(store))]

    assert all(isinstance(one, ExpressionModel) for one in opened)
    assert {one.bundle.folder for one in opened} == {folder}


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("wanted", "error", "message"),
    [
        ("expresion", NothingFitsError, "Did you mean 'expression'"),
        ("expression@8", NothingFitsError, "Versions of expression there: 7"),
        ("a b", MisuseError, "write expression, expression@champion or expression@7"),
        ("./nowhere", NothingFitsError, "holds no bundle"),
    ],
)
def test_a_model_that_is_not_there(wanted, error, message):
    """The error lists the available ones."""
    with pytest.raises(error, match=message):
        rushes.load(wanted)


def test_a_name_never_means_the_current_folder(store, tmp_path):
    """An unknown bundle in a folder `expression` is not opened by `rushes.load("expression")`."""
    runtime.write_bundle(tmp_path / "expression", b"another")

    assert rushes.load("expression").bundle.folder.parent == store / "expression"
    assert rushes.load("./expression").bundle.folder.resolve() == tmp_path / "expression"


def test_a_changed_file_is_refused(tmp_path):
    """A model is checked before it runs."""
    runtime.write_bundle(tmp_path / "bundle")
    (tmp_path / "bundle/expression.onnx").write_bytes(b"another graph")

    with pytest.raises(BundleError):
        rushes.load(tmp_path / "bundle")


def test_a_family_without_a_runtime_is_named(tmp_path):
    """For a bundle of a later version of Rushes, the error lists the supported families."""
    runtime.write_bundle(tmp_path)
    (tmp_path / MANIFEST).write_text((tmp_path / MANIFEST).read_text().replace('"expression"', '"sound"'))
    certify(tmp_path, sha256_file(tmp_path / MANIFEST))

    with pytest.raises(
        NothingFitsError, match=r"family .sound.; this version runs expression, scene, script, tracking"
    ):
        loading.open_model(read_head(tmp_path))


def test_an_image_is_a_file_or_an_array(store):
    """Both give the same faces; anything else is refused with the expected shape."""
    model = rushes.load("expression")
    [from_file], [from_array] = model.predict("face.jpg"), model.predict(cv2.imread("face.jpg"))
    (store.parent / "text.jpg").write_text("not an image")

    assert from_file == from_array
    assert (from_file.label, sum(from_file.probabilities)) == ("happy", pytest.approx(1))
    assert model.predict(np.zeros((40, 40, 3), np.uint8)) == []
    with pytest.raises(MisuseError, match=r"float64 of \(4, 4\): pass uint8 H,W,3"):
        model.predict(np.zeros((4, 4)))
    with pytest.raises(UserError, match="cannot be decoded"):
        model.predict(store.parent / "text.jpg")


@pytest.mark.usefixtures("store")
def test_a_photograph_is_read_mirrored_too(monkeypatch):
    """There is time for it, other than in a capture."""
    model, read = rushes.load("expression"), []
    monkeypatch.setattr(model.classifier, "classify", lambda squares: read.extend(squares) or np.full((1, 3), 1 / 3))
    model.predict("face.jpg")

    assert len(read) == 2
    assert np.array_equal(read[1], read[0][:, ::-1])


def test_import_rushes_loads_nothing_heavy():
    """`import rushes` takes milliseconds: NumPy and OpenCV come with the first model."""
    code = "import sys, rushes; print(*sorted({'numpy', 'cv2', 'onnxruntime', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == ""
    assert rushes.load is loading.load
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        rushes.lod  # noqa: B018
