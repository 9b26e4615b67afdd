"""Model with which a capture begins: a folder, a name in the model store, or an alias of a registry to follow."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rushes.bundle.manifest import BundleError, read_head
from rushes.bundle.signature import load_trust
from rushes.errors import MisuseError, NothingFitsError, RushesError
from rushes.loading import find_named
from rushes.pull.http_guard import LIMITS, Limits
from rushes.pull.mlflow_registry import open_registry
from rushes.pull.pull import pull
from rushes.pull.selection import Wanted, parse_wanted
from rushes.store.freshness import remember
from rushes.store.store import (
    CHAMPION,
    NEWEST,
    admit,
    default_store,
    in_use,
    model_name,
    pinned,
    point,
    pointed,
    pull_hint,
    use_bundle,
)
from rushes.store.swap_backs import SwapBack, add_swap_back, new_swap_back, read_swap_backs, swap_back_of
from rushes.tracking.landmarks import check_landmarks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rushes.bundle.manifest import Bundle
    from rushes.store.store import StoredBundle

TRACKING, MEDIAPIPE = "tracking", "mediapipe"
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

    @property
    def family_folder(self) -> Path:
        """Folder of the family in the model store."""
        return self.store / self.wanted.name

    def remember(self, swap_back: SwapBack, before: Bundle) -> None:
        """Remembers that a version was swapped back, and makes the one before the one in use again.

        Raises:
            OSError: The store cannot be written.
            RushesError: The record of the newest signed version, or a key, cannot be read.
        """
        add_swap_back(self.family_folder, self.wanted.alias, swap_back)
        for pointer in (NEWEST, self.wanted.alias):
            now = pointed(self.family_folder, pointer)
            if now is not None and swap_back.is_of(now.version, now.digest):
                point(self.family_folder, pointer, before.folder)
        remember(before, load_trust(self.trust), reset=True)  # as older than the one that failed it would be refused

    @property
    def retry_hint(self) -> str:
        """Command after which a version that was swapped back is tried again."""
        return f"To try it again in the next capture: {pull_hint(str(self.wanted), self.registry)}"


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
    option = _option(family)
    folder = None if model is None else Path(model).expanduser()
    if folder is not None and folder.is_dir():
        if registry:
            message = (
                f"--registry follows an alias, and {option} {model} is a folder: name a model, such as "
                f"{family}@champion"
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


def choose_units(
    model: str | None,
    registry: str,
    *,
    expression: Bundle | None = None,
    trust: Sequence[Path] | None = None,
    uncertified: bool = False,
    log: Callable[[str], None] = lambda _: None,
) -> Chosen | None:
    """Finds and verifies the model of the family tracking with which a capture begins; None for MediaPipe's network.

    A model that nobody named never stops a capture: where it has no alias in the registry, the stored version is used,
    and where it has learned from other landmarks than those that are found, MediaPipe's network.

    Args:
        model: As of `choose_model`; `mediapipe` for none; None for the one in use in the model store, if there is one.
        registry: As of `choose_model`.
        expression: Bundle whose landmark network runs; None if that is not known yet.
        trust: As of `choose_model`.
        uncertified: As of `choose_model`.
        log: As of `choose_model`.

    Raises:
        RushesError: As of `choose_model`.
    """
    if model == MEDIAPIPE or (model is None and in_use(default_store() / TRACKING) is None):
        return None
    try:
        chosen = choose_model(TRACKING, model, registry, trust=trust, uncertified=uncertified, log=log)
    except NothingFitsError as error:
        if model is not None or not registry:
            raise
        log(f"the stored {TRACKING} model is used, and not followed: {error}. To do without: --tracking {MEDIAPIPE}")
        chosen = choose_model(TRACKING, None, "", trust=trust, uncertified=uncertified, log=log)
    if model is None and expression is not None:
        try:
            check_landmarks(chosen.bundle, expression)
        except NothingFitsError as error:
            log(f"MediaPipe's network reads the units: {error}")
            return None
    return chosen


def _named(family: str, model: str) -> Wanted:
    """Parses the name of a model of this family."""
    option = _option(family)
    if Path(model).name != model:
        message = f"{option} {model}: there is no such folder"
        raise MisuseError(message)
    asked = parse_wanted(model)
    if asked.name != family:
        message = (
            f"{option} {model} is neither a folder here nor a model of the family {family}, such as {family}@champion"
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
    cached = pointed(followed.family_folder, followed.wanted.alias) or in_use(followed.family_folder)
    if cached is None:
        return Chosen(followed.use(followed.fetch(log, LIMITS, progress=True)), followed)
    open_registry(followed.registry, log)  # raises if it is neither a folder nor a URL
    try:
        if swap_back := _swap_back(followed, cached):
            bundle, name = followed.use(cached.folder), f"{followed.wanted.name} {swap_back.shown}"
            log(f"{name} is skipped, and {model_name(bundle)} used: {name} {swap_back}. {followed.retry_hint}")
            return Chosen(bundle, followed)
        folder = followed.fetch(lambda _: None, START_LIMITS, progress=True)
        try:
            return Chosen(followed.use(folder), followed)
        except BundleError as error:
            if folder != cached.folder:
                _set_aside(followed, folder, cached.folder, str(error))
            raise
    except NothingFitsError:  # the registry has no such alias, which a cached version must not hide
        raise
    except RushesError as error:
        return Chosen(followed.use(cached.folder), followed, error)


def _set_aside(followed: Followed, folder: Path, before: Path, why: str) -> None:
    """Remembers a version that was fetched and cannot be used as if it had been swapped back."""
    bundle = read_head(before)
    admit(bundle, load_trust(followed.trust), uncertified=followed.uncertified)
    with suppress(OSError):  # a store that cannot be written: the next capture fetches it again
        followed.remember(new_swap_back(read_head(folder), why), bundle)


def _swap_back(followed: Followed, cached: StoredBundle) -> SwapBack | None:
    """Swap-back of the version that the alias names now, if the cached one is another."""
    alias = followed.wanted.alias
    if alias not in read_swap_backs(followed.family_folder):  # which spares the registry a question
        return None
    offer = open_registry(followed.registry, lambda _: None, START_LIMITS).find(followed.wanted)
    swap_back = swap_back_of(followed.family_folder, alias, offer.version, offer.digest)
    return None if swap_back is None or cached.digest == swap_back.digest else swap_back


def _option(family: str) -> str:
    """Option of the command that names the model."""
    return "--tracking" if family == TRACKING else "--model"
