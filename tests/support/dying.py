"""A client of MLflow that records its changes, and fails before one of them as a killed process would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ACTS = ("create_", "set_", "log_", "update_", "delete_", "restore_")


class Killed(BaseException):
    """The process is gone."""


class DyingClient:
    """Forwards every call, and counts those that change the server. From change number `last` on, each raises."""

    def __init__(self, client: Any, last: int | None = None) -> None:
        self._client = client
        self._last = last
        self.acts: list[str] = []

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._client, name)
        return self._counted(name, value) if name.startswith(ACTS) else value

    def _counted(self, name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self._last is not None and len(self.acts) >= self._last:
                raise Killed(name)
            self.acts.append(name)
            return act(*args, **kwargs)

        return call
