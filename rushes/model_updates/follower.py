"""Follows an alias of a registry in the background: fetches, verifies and prepares each new version.

`poll` looks once. What it prepares waits for the capture, which takes it between two frames. Whatever the registry does
or serves, the version that runs goes on.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rushes import __version__
from rushes.bundle.manifest import DIGEST_CHARS, BundleError, read_head
from rushes.errors import NothingFitsError, RushesError, TransientError, bug_report, place_of
from rushes.pull.http_guard import Limits
from rushes.pull.mlflow_registry import open_registry
from rushes.store.records import read_records
from rushes.store.store import model_name, version_of
from rushes.store.swap_backs import new_swap_back, read_swap_backs, swap_back_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rushes.bundle.manifest import Bundle
    from rushes.capture.analysis import Analyser
    from rushes.model_updates.choice import Followed
    from rushes.pull.selection import Offer
    from rushes.store.swap_backs import SwapBack

    Change = Callable[[Analyser], Analyser]

POLL_S = 30.0
POLL_LIMITS = Limits(attempts=2)  # the next poll is another attempt
CLOSE_S = 2.0  # a fetch that takes longer ends with the process, and the next one resumes it
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400


@dataclass(frozen=True)
class Candidate:
    """Version that is ready to run.

    Attributes:
        bundle: The verified bundle.
        change: Gives the analyser with this version in place of the one that runs.
        beside: For what it was prepared, see `Follower`.
    """

    bundle: Bundle
    change: Change
    beside: object = None


class Follower:
    """Follows an alias of one family.

    Args:
        followed: The alias and the registry.
        running: Version that runs.
        prepare: Opens and warms up a version; it also gets the one that runs.
        log: Called with a line for a person, also from the follower's thread.
        fault: Error with which the registry could not be used before; None if it could.
        beside: What a version depends on of the models of other families that run. One that was prepared for others is
            not taken, and the next poll prepares it again.
        now: Time of day in seconds.

    Attributes:
        running: Version that runs.
        note: What whoever watches should know: since when the registry is away, and the age of the model.
    """

    def __init__(
        self,
        followed: Followed,
        running: Bundle,
        prepare: Callable[[Bundle, Bundle], Change],
        log: Callable[[str], None],
        *,
        fault: RushesError | None = None,
        beside: Callable[[], object] = lambda: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.running, self.note = running, ""
        self._followed, self._prepare, self._log, self._now = followed, prepare, log, now
        self._beside = beside
        self._lock = threading.Lock()
        self._ready: Candidate | None = None
        self._refused: set[tuple[int | None, str]] = set()
        self._swapped_back = read_swap_backs(followed.family_folder).get(followed.wanted.alias)
        self._away_since_s: float | None = None
        self._reported = ""
        self._stop, self._thread = threading.Event(), threading.Thread()
        if fault:
            self._miss(fault)

    def start(self, interval_s: float = POLL_S) -> None:
        """Polls in a thread of its own, at this interval, from one interval after now on."""
        name = f"follower of {self._followed.wanted}"
        self._thread = threading.Thread(target=self._run, args=(interval_s,), name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread; a fetch in progress is waited for only briefly."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    def _run(self, interval_s: float) -> None:
        due_s = time.monotonic() + interval_s
        while not self._stop.wait(max(0.0, due_s - time.monotonic())):
            due_s = time.monotonic() + interval_s
            try:
                self.poll()
            except Exception as error:  # noqa: BLE001  # a bug here must not end the capture
                self._report(str(error), bug_report(error, __version__))

    def poll(self) -> None:
        """Asks the registry once, and prepares the version that the alias names, unless it runs, waits or was refused.

        A version that waits is withdrawn if the alias goes back to the one that runs.
        """
        try:
            offer = open_registry(self._followed.registry, _silent, POLL_LIMITS).find(self._followed.wanted)
            if self._is_news(offer):
                self._fetch(offer)
        except (RushesError, OSError) as error:  # an OSError is of a registry in a folder, such as a stick
            self._miss(error)
            return
        if self._away_since_s is not None:
            self._away_since_s, self._reported, self.note = None, "", ""
            self._log(f"the registry answers again: {self._followed.wanted} is followed")

    def _is_news(self, offer: Offer) -> bool:
        with self._lock:
            if self._swapped_back and not self._swapped_back.is_of(offer.version, offer.digest):
                wanted, family_folder = self._followed.wanted, self._followed.family_folder
                self._swapped_back = swap_back_of(family_folder, wanted.alias, offer.version, offer.digest)
            is_running = _is_of(offer, self.running)
            if self._ready is not None and (is_running or not _is_of(offer, self._ready.bundle)):
                self._ready = None
            return not (is_running or self._ready or self._is_refused(offer.version, offer.digest[:DIGEST_CHARS]))

    def _is_refused(self, version: int | None, digest: str) -> bool:
        """True for a version that could not be prepared, or that was swapped back."""
        if (version, digest) in self._refused:
            return True
        return self._swapped_back is not None and self._swapped_back.is_of(version, digest)

    def _fetch(self, offer: Offer) -> None:
        running, beside, folder = self.running, self._beside(), None
        try:
            folder = self._followed.fetch(_silent, POLL_LIMITS, progress=False)
            bundle = self._followed.use(folder)
            if bundle.digest == running.digest or self._is_refused(*_key(bundle)):  # the alias was moved meanwhile
                return
        except (BundleError, NothingFitsError) as error:
            self._refuse(offer, str(error))
            if folder is not None:  # it was fetched
                self._remember(new_swap_back(read_head(folder), str(error)), running)
            return
        try:
            candidate = Candidate(bundle, self._prepare(bundle, running), beside)
        except Exception as error:  # noqa: BLE001  # whatever a version does when it is opened
            self._refuse(offer, reason_of(error))
            if not isinstance(error, NothingFitsError):  # which depends on what runs beside it
                self._remember(new_swap_back(bundle, reason_of(error)), running)
            return
        with self._lock:
            if self.running is running:  # else it was swapped back meanwhile, and the next poll prepares it again
                self._ready = candidate

    def _refuse(self, offer: Offer, reason: str) -> None:
        with self._lock:
            self._refused.add((offer.version, offer.digest[:DIGEST_CHARS]))
        name = self._followed.wanted.name
        shown = f"{name} v{offer.version}" if offer.version else f"{name} {offer.digest[:DIGEST_CHARS]}"
        self._log(f"{shown} is not taken, and not tried again in this capture: {reason}")

    def take(self) -> Candidate | None:
        """The version that waits, which runs from now on; None if none does, or other models run beside it by now."""
        if self._ready is None:  # without the lock: asked before every frame
            return None
        with self._lock:
            candidate, self._ready = self._ready, None
            if candidate is None or candidate.beside != self._beside():
                return None
            self.running = candidate.bundle
            return candidate

    def swap_back(self, before: Bundle, reason: str) -> None:
        """Notes that a version before runs again; the one that failed is not tried again while the alias names it."""
        followed = self._followed
        with self._lock:
            failed, self.running, self._ready = self.running, before, None
            self._swapped_back = new_swap_back(failed, reason)
        self._log(
            f"{model_name(failed)} was swapped back to {model_name(before)}, and is not tried again until "
            f"{followed.wanted} names another version: {reason}. {followed.retry_hint}. {_how_to_stay(before)}"
        )
        self._remember(self._swapped_back, before)

    def _remember(self, swap_back: SwapBack, before: Bundle) -> None:
        """Lets later captures begin with the version before, until the alias names another one."""
        try:
            self._followed.remember(swap_back, before)
        except (OSError, RushesError) as error:
            name, store = self._followed.wanted.name, self._followed.store
            self._log(f"the next capture tries {name} {swap_back.shown} again, since {store}: {error}")

    def _miss(self, error: RushesError | OSError) -> None:
        """Notes that the registry cannot be used; logs it the first time, and again for an error of another kind."""
        now_s = self._now()
        self._away_since_s = self._away_since_s or now_s
        since, now = (datetime.fromtimestamp(time_s, UTC).astimezone() for time_s in (self._away_since_s, now_s))
        shown = f"{since:%H:%M}" if since.date() == now.date() else f"{since:%Y-%m-%d %H:%M}"
        state = "not reachable" if isinstance(error, TransientError | OSError) else "not used"
        self.note = f"registry {state} since {shown}, {_age(self.running, now_s)}"
        self._report(type(error).__name__, f"{self.note} goes on: {error}")

    def _report(self, kind: str, line: str) -> None:
        """Logs a line unless the one before was of this kind."""
        if kind != self._reported:
            self._reported = kind
            self._log(line)


def _silent(_: str) -> None:
    """Logs nothing."""


def _key(bundle: Bundle) -> tuple[int | None, str]:
    return version_of(bundle.folder), bundle.digest[:DIGEST_CHARS]


def _is_of(offer: Offer, bundle: Bundle) -> bool:
    """True if an offer is this bundle; some registries have no digest, and a single bundle no version."""
    return offer.version == version_of(bundle.folder) and bundle.digest.startswith(offer.digest)


def reason_of(error: Exception) -> str:
    """Text of an error: with its remedy, or with its type and place if it is not one for a person."""
    if isinstance(error, RushesError):
        return error.full_message
    return f"{type(error).__name__}: {error}{place_of(error)}"


def _how_to_stay(bundle: Bundle) -> str:
    """Command that fixes a version."""
    version = version_of(bundle.folder)
    return f"To stay with {model_name(bundle)}: rushes pin {bundle.manifest.family}@{version}" if version else ""


def _age(bundle: Bundle, now_s: float) -> str:
    """Name of a model with the time since it was pulled."""
    record = read_records(bundle.folder.parent).pulled.get(bundle.folder.name)
    if record is None:
        return model_name(bundle)
    age_s = max(0, int(now_s - datetime.fromisoformat(record.pulled).timestamp()))
    for unit, name in ((DAY_S, "day"), (HOUR_S, "hour"), (MINUTE_S, "minute")):
        if count := age_s // unit:
            return f"{model_name(bundle)} (pulled {count} {name}{'' if count == 1 else 's'} ago)"
    return f"{model_name(bundle)} (pulled just now)"
