import os
import tomllib
from pathlib import Path

import pytest

from registry.settings import Settings, load_settings

EXAMPLE = Path(__file__).parents[2] / "settings.example.toml"


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """No settings but those of the test."""
    for name in [name for name in os.environ if name.startswith("RUSHES_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_example_says_what_holds_without_it(tmp_path):
    """Every setting stands in the example, at its default."""
    written = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    (tmp_path / "settings.toml").write_text(EXAMPLE.read_text(encoding="utf-8"))

    assert written == Settings.model_construct().model_dump(mode="json")
    assert load_settings() == Settings()


def test_environment_goes_before_the_file(tmp_path, monkeypatch):
    """RUSHES_REGISTRY__PORT wins over settings.toml."""
    (tmp_path / "settings.toml").write_text("[registry]\nport = 5001\n[prefect]\nport = 4201\n")
    monkeypatch.setenv("RUSHES_REGISTRY__PORT", "5002")
    settings = load_settings()

    assert (settings.registry.port, settings.prefect.port) == (5002, 4201)


@pytest.mark.parametrize("place", ["http://night.example:5000", "/media/stick"])
def test_registry_of_the_wheel_is_no_setting(monkeypatch, place):
    """RUSHES_REGISTRY says where `rushes pull` fetches from, on a machine that may have a checkout too."""
    monkeypatch.setenv("RUSHES_REGISTRY", place)
    monkeypatch.setenv("RUSHES_REGISTRY__PORT", "5002")

    assert load_settings().registry == Settings(registry={"port": 5002}).registry
