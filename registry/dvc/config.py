"""DVC's configuration: .dvc/config, which is tracked, .dvc/config.local, and the user's and the machine's.

Whoever can push to the repository writes the first. It names the cache and the remote: here the cache lies outside of
what DVC versions and removes, and a default remote exists, or DVC would push nothing, or fail where it is needed.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.commands import python
from common.yaml_files import YamlFileError, read_plain_text
from registry.dvc.faults import restore
from registry.dvc.records import BUILD, DATA, VersionError
from rushes.redaction import Login, redact, split_login

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER, TRACKED, LOCAL = ".dvc", ".dvc/config", ".dvc/config.local"
MAX_BYTES = 1 << 20  # DVC parses a megabyte a second
# Options for user name and password of each kind of remote, and further options that DVC needs with them.
_AS_OPTIONS: dict[str, tuple[str, str, dict[str, str]]] = {
    "http": ("user", "password", {"auth": "basic"}),
    "https": ("user", "password", {"auth": "basic"}),
    "webdav": ("user", "password", {}),
    "webdavs": ("user", "password", {}),
    "ssh": ("user", "password", {}),
    "s3": ("access_key_id", "secret_access_key", {}),
}


@dataclass(frozen=True)
class Config:
    """DVC's merged configuration."""

    cache: Path  # the folder of the cache's objects
    remote: str  # name of the default remote, "" if there is none
    url: str  # without a login
    login: Login = field(default_factory=Login)


def read_config(root: Path) -> Config:
    """DVC's configuration, merged from all its levels.

    Raises:
        VersionError: There is no git repository here, DVC cannot read its configuration, its cache is in a folder that
            DVC versions or is none, or its default remote does not exist.
    """
    found = _merged(root)
    _check_cache(root, cache := root / FOLDER / found["cache"].get("dir", "cache"))
    name = found["core"].get("remote", "")
    _check_remote(root, name, found["remote"])
    remote = found["remote"].get(name, {})
    url, login = split_login(remote.get("url", ""))
    user, password, _ = _AS_OPTIONS.get(url.partition("://")[0], ("user", "password", {}))
    return Config(cache / "files" / "md5", name, url, login or Login(remote.get(user, ""), remote.get(password, "")))


def _merged(root: Path) -> Mapping[str, Any]:
    from dvc.config import Config as Merged  # noqa: PLC0415 - not needed to start
    from dvc.config import ConfigError  # noqa: PLC0415  # not needed to start

    if not (root / ".git").exists():
        message = f"{root} is not a git repository, which DVC needs for versions"
        raise VersionError(message, "git init")
    if not (root / FOLDER).is_dir():
        there = os.path.lexists(root / FOLDER)
        message = f"{FOLDER} is {'not a folder' if there else 'missing'}, and DVC needs it for versions"
        raise VersionError(message, restore(root, FOLDER) if there else f"git checkout HEAD -- {FOLDER}")
    for name in (TRACKED, LOCAL):
        try:
            read_plain_text(root / name, MAX_BYTES)
        except FileNotFoundError:
            continue
        except YamlFileError as error:
            message = f"{name} cannot be read: {error}"
            raise VersionError(message, restore(root, name)) from error
    try:
        found: Mapping[str, Any] = Merged(str(root / FOLDER))
    except ConfigError as error:
        name = _broken(root)
        own = f"mv {shlex.quote(name)} {shlex.quote(f'{name}.damaged')}"  # a home may have spaces
        remedy = restore(root, name) if name in {TRACKED, LOCAL} else own
        raise VersionError(redact(f"{name} cannot be read: {error}"), remedy) from error
    return found


def _broken(root: Path) -> str:
    """The invalid one of DVC's configuration files."""
    from dvc.config import Config as Merged  # noqa: PLC0415 - not needed to start
    from dvc.config import ConfigError  # noqa: PLC0415  # not needed to start

    folders = {str(Path(Merged.get_dir("global"), "config")): None, TRACKED: str(root / FOLDER)}
    for name, folder in folders.items():
        try:
            Merged(folder, local_dvc_dir=str(root / FOLDER / "none"))
        except ConfigError:
            return name
    return LOCAL


def _check_cache(root: Path, cache: Path) -> None:
    """Refuses a cache that would become part of the data, be removed with outs, or cannot be a folder."""
    place, top = Path(os.path.realpath(cache)), Path(os.path.realpath(root))
    for name in (DATA, BUILD, ".git"):
        if place.is_relative_to(top / name):
            raise _refused(root, "cache.dir", f"{place}, which lies in {name}/")
    above = next(folder for folder in (place, *place.parents) if os.path.lexists(folder))
    if not above.is_dir():
        raise _refused(root, "cache.dir", f"{place}, where {above} is not a folder")


def _check_remote(root: Path, name: str, remotes: Mapping[str, Any]) -> None:
    """Refuses a default remote that does not exist, or that refers to one that does not, or to itself."""
    passed: list[str] = []
    while name and name not in passed:
        if name not in remotes:
            raise _refused(root, "core.remote", f"{(passed or [name])[0]!r}, and there is no remote {name!r}")
        passed.append(name)
        url = str(remotes[name].get("url", ""))
        name = url.removeprefix("remote://").partition("/")[0] if url.startswith("remote://") else ""
    if name:
        raise _refused(root, "core.remote", f"{passed[0]!r}, and its address leads back to {name!r}")


def _refused(root: Path, key: str, value: str) -> VersionError:
    """Error for a value of DVC's configuration; the remedy takes it out of the file that has it."""
    from configobj import ConfigObj  # type: ignore[import-untyped]  # noqa: PLC0415  # as DVC reads it

    section, _, option = key.partition(".")
    files = {"--local": LOCAL, "--project": TRACKED}
    level = next((level for level, name in files.items() if option in ConfigObj(str(root / name)).get(section, {})), "")
    message = f"{files.get(level, 'the configuration of DVC')} cannot be used: its {key} is {value}"
    return VersionError(redact(message), f"{python()} -m dvc config {level or '--global'} --unset {key}")


def login_options(url: str, login: Login) -> dict[str, str]:
    """A login as the options of a DVC remote; empty if there is none, or DVC accepts it only in the address."""
    scheme = url.partition("://")[0]
    if not login or scheme not in _AS_OPTIONS:
        return {}
    user, password, others = _AS_OPTIONS[scheme]
    return {user: login.user, password: login.password, **others}


def set_options(root: Path, remote: str, options: dict[str, str]) -> None:
    """Sets options of a remote in .dvc/config.local, which git ignores, and makes that readable by its owner only.

    Uses DVC's library: on a command line a password would be visible in the process list.
    """
    from dvc.config import Config as Merged  # noqa: PLC0415 - not needed to start

    if not options:
        return
    local = root / ".dvc" / "config.local"
    local.chmod(0o600)
    with Merged(str(root / ".dvc")).edit("local") as config:
        config["remote"][remote].update(options)
