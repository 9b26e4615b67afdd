"""The request of a search, checked before anything starts."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flows.nightly import params
from flows.search import space as spaces
from flows.servers import environment
from models.components.figures import less_is_better
from models.components.sections import sections

if TYPE_CHECKING:
    from pathlib import Path

    from models.components.search_space import Choice, Range
    from models.family import Family


@dataclass(frozen=True)
class SearchRequest:
    """The request of a person.

    Attributes:
        family: The family.
        trials: Trials, the default among them.
        hours: Time for all trainings; 0: no limit.
        seeds: Seeds with which the best trial and the default are compared.
        seed: Of the order of trials.
        changes: `PATH=VALUE` texts: params of all trials.
        ranges: `PATH=RANGE` texts: see `flows.search.space.read_space`.
        only: True to search nothing but `ranges`.
        parallel: Trainings at once.
    """

    family: str
    trials: int
    hours: float = 0.0
    seeds: int = 3
    seed: int = 0
    changes: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    only: bool = False
    parallel: int = 1

    def command(self) -> str:
        """The command that repeats it, and continues it if it was stopped."""
        words = [f"--trials {self.trials}"]
        words += [f"--hours {self.hours:g}"] if self.hours else []
        words += [f"--seeds {self.seeds}", f"--seed {self.seed}"]
        words += [f"--set {shlex.quote(text)}" for text in self.changes]
        words += [f"--range {shlex.quote(text)}" for text in self.ranges]
        words += ["--only-ranges"] if self.only else []
        words += [f"--parallel {self.parallel}"] if self.parallel > 1 else []
        return " ".join([f"{environment.python()} -m flows search {self.family}", *words])


@dataclass(frozen=True)
class SearchPlan:
    """A checked request.

    Attributes:
        request: The request.
        family: The family.
        values: All params, with the changes of the request.
        patch: These changes.
        space: The searched params, by whole path.
        default: Their values without the search.
    """

    request: SearchRequest
    family: Family
    values: dict[str, Any]
    patch: dict[str, Any]
    space: dict[str, Range | Choice]
    default: dict[str, Any]

    @property
    def less_is_better(self) -> bool:
        """True if the monitored figure is to be low."""
        monitor = self.family.monitor
        return monitor.mode == "min" or (monitor.mode == "last" and less_is_better(monitor.name.rpartition("/")[2]))

    @property
    def train(self) -> dict[str, Any]:
        """All params of the section `train`, with the defaults of those that params.yaml omits."""
        return dict(
            sections()[self.family.name].model_validate(self.values[self.family.name]).train.model_dump(mode="json")
        )

    @property
    def epochs(self) -> int:
        """The most epochs of a trial."""
        searched = self.space.get(f"{self.family.name}.train.epochs")
        return int(getattr(searched, "high", 0) or max(getattr(searched, "values", ()) or (self.train["epochs"],)))

    @property
    def augments(self) -> bool:
        """True if trials change the set that they learn from, so that each packs its own."""
        return any(path.startswith(f"{self.family.name}.augment.") for path in self.space)

    def space_texts(self) -> dict[str, str]:
        """The space as text, by path."""
        return {path: str(one) for path, one in self.space.items()}

    def lines(self) -> list[str]:
        """The space as a table."""
        rows = [(path, str(one), str(self.default[path])) for path, one in self.space.items()]
        wide, middle = (max(len(row[place]) for row in rows) for place in (0, 1))
        return [f"  {path:<{wide}}  {one:<{middle}}  default {value}" for path, one, value in rows]


def make_plan(root: Path, request: SearchRequest) -> SearchPlan:
    """Checks a request.

    Raises:
        ParamsError: The family or a param does not exist, or a value or a range is not valid.
    """
    values = params.read_params(root)
    params.choose(values, [request.family])
    patch = params.parse(values, spaces.whole_paths(request.family, request.changes))
    # Trials have the epochs of own data on starter data too.
    epochs = values[request.family].get("train", {}).get("epochs")
    values = params.lay(values, params.merged({request.family: {"train": {"epochs": epochs}}} if epochs else {}, patch))
    from models.families import by_name  # noqa: PLC0415  # PyTorch, only once the rest is right

    family = by_name(request.family)
    space = spaces.read_space(
        family.name, family.search_space, values, request.ranges, fixed=params.flatten(patch), only=request.only
    )
    return SearchPlan(request, family, values, patch, space, spaces.default_params(family.name, values, space))
