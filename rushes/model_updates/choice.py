"""Model with which a capture begins: a folder, a name in the model store, or an alias of a registry to follow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rushes.bundle.signature import load_trust
from rushes.errors import MisuseError, NothingFitsError, RushesError
from rushes.loading import find_named
from rushes.pull.http_guard import LIMITS, Limits
from rushes.pull.mlflow_registry import open_registry
from rushes.pull.pull import pull
from rushes.pull.selection import Wanted, parse_wanted
from rushes.store.store import CHAMPION, default_store, in_use, model_name, pinned, pointed, use_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rushes.bundle.manifest import Bundle

# Before the first frame, where a cached version could begin: a registry that is away costs 2 s, and a larger download
# than that of a usual bundle goes on beside the capture.
START_LIMITS = Limits(connect_s=2.0, silence_s=4.0, window_s=5.0, download_s=20.0, attempts=1)


@dataclass(frozen=True)
class Followed:
    """Alias of a registry that is followed.

    Attributes:
        wanted: The family and its alias.
        registry: URL or folder.
        store: Model store for what is fetched.
        trust: Public keys, or folders of them; see `rushes.loading.load`.
        uncertified: True to accept models without a certificate if no key is trusted.
    """

    wanted: Wanted
    registry: str
    store: Path
    trust: Sequence[Path] | None = None
    uncertified: bool = False

    def fetch(self, log: Callable[[str], None], limits: Limits, *, progress: bool) -> Path:
        """Pulls what the alias names now, and returns its folder; see `rushes.pull.pull.pull` for the errors."""
        trust = load_trust(self.trust)
        return pull(
            str(self.wanted), self.registry, self.store, log, trust,
            uncertified=self.uncertified, limits=limits, progress=progress,
        ).folder  # fmt: skip

    def use(self, folder: Path) -> Bundle:
        """Verifies a bundle; see `rushes.store.store.use_bundle`."""
        return use_bundle(folder, trust=self.trust, uncertified=self.uncertified)


@dataclass(frozen=True)
class Chosen:
    """The model with which a capture begins.

    Attributes:
        bundle: The verified bundle.
        followed: The alias to follow; None for a fixed version.
        fault: Error with which the registry did not give it; None if it did, or was not asked.
    """

    bundle: Bundle
    followed: Followed | None = None
    fault: RushesError | None = None


def choose_model(
    family: str,
    model: str | None,
    registry: str,
    *,
    trust: Sequence[Path] | None = None,
    uncertified: bool = False,
    log: Callable[[str], None] = lambda _: None,
) -> Chosen:
    """Finds and verifies the model of a family with which a capture begins.

    Args:
        family: Family of the model.
        model: A folder (a bundle or a model store), or FAMILY, FAMILY@ALIAS or FAMILY@7; None for the default.
        registry: Registry whose alias is followed; empty to fetch nothing.
        trust: Public keys, or folders of them; see `rushes.loading.load`.
        uncertified: True to accept a model without a certificate if no key is trusted.
        log: Called with a line when a pin or a cached version is used in place of what was named.

    Raises:
        MisuseError: `model` is neither a folder nor the name of a model of this family, or the registry is not one.
        NothingFitsError: There is no such model.
        TransientError: The registry cannot be reached, and no version is cached.
        BundleError: The bundle is damaged, not trusted, or gives other outputs on this machine.
    """
    folder = None if model is None else Path(model).expanduser()
    if folder is not None and folder.is_dir():
        if registry:
            message = (
                f"--registry follows an alias, and --model {model} is a folder: name a model, such as {family}@champion"
            )
            raise MisuseError(message)
        return Chosen(use_bundle(find_named(family, folder), trust=trust, uncertified=uncertified))
    asked = _named(family, model or family)
    if registry and not asked.alias and asked.version is None:
        asked = Wanted(family, CHAMPION)
    followed = Followed(asked, registry, default_store(), trust, uncertified)
    if asked.version is not None:
        return Chosen(followed.use(_fixed(followed, log)))
    if fixed := pinned(followed.store / family):
        bundle = followed.use(fixed.folder)
        if asked.alias:
            log(f"{model_name(bundle)} is pinned, and {asked} not followed. To follow it: rushes pin --remove {family}")
        return Chosen(bundle)
    if not registry:
        return Chosen(followed.use(find_named(str(asked))))
    return _newest(followed, log)


def _named(family: str, model: str) -> Wanted:
    """Parses the name of a model of this family."""
    if Path(model).name != model:
        message = f"--model {model}: there is no such folder"
        raise MisuseError(message)
    asked = parse_wanted(model)
    if asked.name != family:
        message = (
            f"--model {model} is neither a folder here nor a model of the family {family}, such as {family}@champion"
        )
        raise MisuseError(message)
    return asked


def _fixed(followed: Followed, log: Callable[[str], None]) -> Path:
    """Folder of a version that is named by its number, fetched if there is a registry and the store lacks it."""
    try:
        return find_named(str(followed.wanted))
    except NothingFitsError:
        if not followed.registry:
            raise
        return followed.fetch(log, LIMITS, progress=True)


def _newest(followed: Followed, log: Callable[[str], None]) -> Chosen:
    """Model that the alias names now; the cached version if the registry does not give it in time."""
    family_folder = followed.store / followed.wanted.name
    cached = pointed(family_folder, followed.wanted.alias) or in_use(family_folder)
    if cached is None:
        return Chosen(followed.use(followed.fetch(log, LIMITS, progress=True)), followed)
    open_registry(followed.registry, log)  # raises if it is neither a folder nor a URL
    try:
        return Chosen(followed.use(followed.fetch(lambda _: None, START_LIMITS, progress=True)), followed)
    except NothingFitsError:  # the registry has no such alias, which a cached version must not hide
        raise
    except RushesError as error:
        return Chosen(followed.use(cached.folder), followed, error)
