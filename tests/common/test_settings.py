import os
import subprocess
import tomllib
from pathlib import Path

import pytest

from common.settings import Settings, SettingsFileError, load_settings

EXAMPLE = Path(__file__).parents[2] / "settings.example.toml"


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """No settings but those of the test."""
    for name in [name for name in os.environ if name.startswith("RUSHES_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_example_has_the_defaults(tmp_path):
    """Every setting is in the example, with its default."""
    written = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    (tmp_path / "settings.toml").write_text(EXAMPLE.read_text(encoding="utf-8"))

    assert written == Settings.model_construct().model_dump(mode="json")
    assert load_settings() == Settings()


def test_environment_goes_before_the_file(tmp_path, monkeypatch):
    """RUSHES_REGISTRY__PORT overrides settings.toml."""
    (tmp_path / "settings.toml").write_text("[registry]\nport = 5001\n[prefect]\nport = 4201\n")
    monkeypatch.setenv("RUSHES_REGISTRY__PORT", "5002")
    settings = load_settings()

    assert (settings.registry.port, settings.prefect.port) == (5002, 4201)


def test_a_file_with_the_mark_of_windows_is_read(tmp_path):
    """Windows' editor puts a byte order mark before UTF-8; TOML calls that an invalid statement at line 1, column 1."""
    (tmp_path / "settings.toml").write_bytes(b"\xef\xbb\xbf[registry]\r\nport = 5001\r\n")

    assert load_settings().registry.port == 5001


def test_a_file_that_is_nested_too_deeply_is_named(tmp_path):
    """The error is not a traceback of a thousand lines."""
    (tmp_path / "settings.toml").write_text("a = " + "[" * 5000 + "]" * 5000)

    with pytest.raises(SettingsFileError, match="is nested too deeply"):
        load_settings()


@pytest.mark.parametrize("place", ["http://night.example:5000", "/media/stick"])
def test_registry_of_the_wheel_is_not_a_setting(monkeypatch, place):
    """RUSHES_REGISTRY is the source of `rushes pull`, on a machine that may have a checkout too."""
    monkeypatch.setenv("RUSHES_REGISTRY", place)
    monkeypatch.setenv("RUSHES_REGISTRY__PORT", "5002")

    assert load_settings().registry == Settings(registry={"port": 5002}).registry


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        (
            lambda file: file.write_bytes(b"[registry]\n# caf\xe9\n"),
            "settings.toml cannot be read: it is not UTF-8: line 2",
        ),
        (lambda file: file.mkdir(), "settings.toml cannot be read: it is a folder, not a file"),
        (os.mkfifo, "settings.toml cannot be read: it is a pipe or a device, not a file"),
        (lambda file: file.symlink_to("away.toml"), "settings.toml cannot be read: No such file"),
    ],
)
def test_file_that_cannot_be_read(tmp_path, plant, message):
    """It is an error with status 2, never ignored; the printed command moves it away, after which loading succeeds."""
    plant(tmp_path / "settings.toml")
    with pytest.raises(SettingsFileError, match=message) as refused:
        load_settings()
    subprocess.run(refused.value.remedy, shell=True, check=True)  # noqa: S602 - as pasted

    assert refused.value.exit_status == 2
    assert load_settings() == Settings()
