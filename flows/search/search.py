"""The trials of a search, the comparison of the best one with the default, and the report."""

from __future__ import annotations

import math
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import typer
from optuna.importance import get_param_importances
from optuna.trial import TrialState

from flows.cli.console import print_line
from flows.nightly import params
from flows.search import space as spaces
from flows.search.comparison import compare
from flows.search.params_patch import write_patch
from flows.search.pool import kept_figure
from flows.search.study import BEGAN, NUMBER, REASON, SECONDS, STOPPED
from flows.search.training import Job
from models.params_file import NAME
from report.formatting import figure_text
from report.search.page import FILES, build
from report.search.result import SearchResult, TrialResult
from rushes.errors import UserError
from training import storage
from training.monitoring.time_left import left, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from optuna.trial import FrozenTrial, Trial

    from flows.search.pool import Pool
    from flows.search.request import SearchPlan
    from flows.search.study import SearchStudy
    from flows.search.training import Trained
    from report.search.result import Comparison

COMPARED = "compared"  # attribute of the study: figure, begin and seconds of each training of the comparison
HOUR_S = 3600
FEWEST_TRIALS = 8  # complete ones; with fewer the importance of a param is noise
STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


class DefaultTrialError(UserError):
    """Raised if the default params cannot be trained: there is nothing to compare with."""


@dataclass
class Search:
    """A search in progress.

    Attributes:
        plan: The checked request.
        root: The checkout.
        pool: Worktrees in which trials are trained.
        study: Optuna's study.
        record: Commit of the exact tree.
        text: Text of params.yaml there.
        out: Folder of the report.
        clock: Returns the time in seconds.
    """

    plan: SearchPlan
    root: Path
    pool: Pool
    study: SearchStudy
    record: str
    text: str
    out: Path
    clock: Callable[[], float] = time.time
    _open: dict[str, Trial] = field(default_factory=dict)  # attempts in progress, by the name of their trainings

    def run_trials(self) -> None:
        """Runs trials until the budget is spent; those of an earlier call count."""
        self._open = {}
        for number in self.study.close_killed():
            print_line(f"trial {number} was interrupted; it is tried again")
        request, began, before = self.plan.request, time.monotonic(), len(self.study.ended())
        try:
            with closing(self.pool.run(self._next_trial)) as trainings:
                for job, trained in trainings:
                    result = self._end_trial(self._open.pop(job.name), trained)
                    done = len(self.study.ended())
                    rest = left(done - before, request.trials - before, time.monotonic() - began)
                    print_line(f"[{done}/{request.trials}] {self._line(result)}{rest and f', {rest}'}")
                    self._check_default(result)
        except (Exception, KeyboardInterrupt, SystemExit):
            for trial in self._open.values():  # an attempt that a person or another trial has ended does not count
                with suppress(Exception):  # the reason of the end matters more
                    trial.set_user_attr(STOPPED, value=True)
            raise
        done = len(self.study.ended())
        if done < request.trials:
            print_line(f"{done} of {request.trials} trials done: {request.hours:g} h leave no time for another")

    def conclude(self) -> SearchResult:
        """Compares the best trial with the default, and writes the page and the patch."""
        result = self._result()
        complete = sum(trial.state == "complete" for trial in result.trials)
        result.importance = get_param_importances(self.study.study) if complete >= FEWEST_TRIALS else {}
        best = result.best
        if best is not None and best.number != 0:
            result.comparison = self._compare(best)
            changed = {path: value for path, value in best.params.items() if value != self.plan.default[path]}
            result.patch = write_patch(self.pool.trees[0].tree, self.text, changed, self.out / FILES.patch)
        else:
            (self.out / FILES.patch).unlink(missing_ok=True)
        result.seconds = self._spent_s()
        page = build(result, self.out)
        gain = result.comparison.gain if result.comparison else None
        figures = {"best": best.value if best else None, "gain": gain}
        self.pool.runs.close(
            {f"search_{name}": value for name, value in figures.items() if value is not None},
            [path for path in (page, self.out / FILES.data, self.out / FILES.patch) if path.is_file()],
            result.verdict(),
        )
        storage.remove_folder(self.pool.folder)
        self._print(result, page)
        return result

    def _next_trial(self) -> Job | None:
        """The next trial, if another one is wanted and in time."""
        if len(self.study.ended()) + len(self._open) >= self.plan.request.trials or not self._in_time():
            return None
        trial = self.study.next_trial(spaces.encode(self.plan.space, self.plan.default))
        trial.set_user_attr(BEGAN, self.clock())
        number, monitor = trial.user_attrs[NUMBER], self.plan.family.monitor

        def stop(row: dict[str, float], seconds: float) -> bool:
            epoch = int(row["epoch"]) + 1
            trial.report(row[monitor.name], epoch)
            trial.set_user_attr(SECONDS, seconds)
            # Asked each time, since Hyperband notes the figures that later trials are compared with.
            return trial.should_prune() and number != 0 and epoch < self.plan.epochs

        job = Job(f"trial-{number}", f"trial {number}", spaces.decode(self.plan.space, trial.params), stop)
        self._open[job.name] = trial
        return job

    def _end_trial(self, trial: Trial, trained: Trained) -> TrialResult:
        trial.set_user_attr(SECONDS, trained.seconds)
        if trained.state == "failed":
            trial.set_user_attr(REASON, trained.reason)
        value = kept_figure(trained.rows, self.plan.family.monitor) if trained.state == "complete" else None
        state = next(state for state, name in STATES.items() if name == trained.state)
        self.study.study.tell(trial.number, value, state)
        return self._trial_result(trial.user_attrs[NUMBER])

    def _check_default(self, result: TrialResult) -> None:
        if result.number == 0 and result.state == "failed":
            message = f"the default params cannot be trained: {result.reason}"
            log = self.pool.logs / "trial-0.log"
            raise DefaultTrialError(message, f"see {log}; correct {NAME}, then search again")

    def _compare(self, best: TrialResult) -> Comparison:
        """Trains the best trial and the default with other seeds; a repeated call trains nothing again."""
        seeds = [self.plan.train["seed"] + number for number in range(1, self.plan.request.seeds + 1)]
        print_line(f"comparing trial {best.number} with the default, with {len(seeds)} other seeds each ...")
        known = dict(self.study.study.user_attrs.get(COMPARED, {}))
        compared = {0: self.plan.default, best.number: best.params}
        wanted = [self._with_seed(seed, number, compared[number]) for seed in seeds for number in compared]
        jobs = iter([job for job in wanted if job.name not in known])
        began, failed = dict[str, float](), list[str]()

        def next_job() -> Job | None:
            job = None if failed else next(jobs, None)
            if job is not None:
                began[job.name] = self.clock()
            return job

        with closing(self.pool.run(next_job)) as trainings:
            for job, trained in trainings:
                if trained.state == "failed":
                    failed.append(f"{job.title}: {trained.reason}")
                    continue
                value = kept_figure(trained.rows, self.plan.family.monitor)
                known[job.name] = (value, began[job.name], trained.seconds)
                self.study.study.set_user_attr(COMPARED, known)
                shown = f"{self.plan.family.monitor.name} {figure_text(value)}, {span(trained.seconds)}"
                print_line(f"  {job.title}: {shown}")
        less = self.plan.less_is_better
        if failed:
            return compare([], [], best.number, less_is_better=less, failed=failed[0])
        default, better = ([float(known[_seed_name(seed, number)][0]) for seed in seeds] for number in compared)
        return compare(default, better, best.number, less_is_better=less)

    def _with_seed(self, seed: int, number: int, chosen: dict[str, Any]) -> Job:
        title = f"{f'trial {number}' if number else 'default'}, seed {seed}"
        return Job(_seed_name(seed, number), title, {**chosen, f"{self.plan.family.name}.train.seed": seed})

    def _in_time(self) -> bool:
        """True if another trial and the comparison at the end fit into the hours that were given."""
        limit_s, longest_s = self.plan.request.hours * HOUR_S, self._longest_s()
        if not limit_s or not longest_s:
            return True
        compared = math.ceil(2 * self.plan.request.seeds / len(self.pool.trees))
        return self._spent_s() + (1 + compared) * longest_s <= limit_s

    def _longest_s(self) -> float:
        """Time of the longest training; that of the default at its pace as long as none is complete, 0 if unknown."""
        complete = [trial.seconds for trial in self._trials() if trial.state == "complete"]
        default = self._open.get("trial-0")
        if complete or default is None:
            return max(complete, default=0.0)
        now = self.study.attempts(0)[-1]
        epochs = self.plan.default.get(f"{self.plan.family.name}.train.epochs", self.plan.train["epochs"])
        return float(now.user_attrs.get(SECONDS, 0.0) * epochs / max(now.intermediate_values, default=1))

    def _spent_s(self) -> float:
        """Time in which at least one training was in progress."""
        compared = self.study.study.user_attrs.get(COMPARED, {}).values()
        return covered_s([*self.study.spans(), *((began, seconds) for _, began, seconds in compared)])

    def _trials(self) -> list[TrialResult]:
        return [self._trial_result(number) for number in self.study.ended()]

    def _trial_result(self, number: int) -> TrialResult:
        attempts = self.study.attempts(number)
        last: FrozenTrial = attempts[-1]
        seen = last.intermediate_values
        killed = "its process was killed" if last.state == TrialState.FAIL else ""
        return TrialResult(
            number=number,
            state=STATES[last.state],
            params=spaces.decode(self.plan.space, last.params),
            value=last.value if last.state == TrialState.COMPLETE else seen[max(seen)] if seen else None,
            epochs=max(seen, default=0),
            seconds=last.user_attrs.get(SECONDS, 0.0),
            reason=last.user_attrs.get(REASON, killed),
            attempts=len(attempts),
        )

    def _result(self) -> SearchResult:
        plan = self.plan
        return SearchResult(
            family=plan.family.name,
            study=self.study.study.study_name,
            record=self.record,
            command=plan.request.command(),
            monitor=plan.family.monitor.name,
            less_is_better=plan.less_is_better,
            loosely=plan.family.monitor.mode == "last",
            space=plan.space_texts(),
            default=plan.default,
            overrides=params.flatten(plan.patch),
            trials=self._trials(),
        )

    def _line(self, trial: TrialResult) -> str:
        figure = f"{self.plan.family.monitor.name} {figure_text(trial.value)}" if trial.value is not None else ""
        end = {"complete": "", "pruned": f"pruned after epoch {trial.epochs}", "failed": f"failed: {trial.reason}"}
        best = self._result_best()
        words = [f"trial {trial.number}", end[trial.state], figure, best, span(trial.seconds)]
        return ", ".join(filter(None, words))

    def _result_best(self) -> str:
        best = self._result().best
        return f"best {figure_text(best.value)} (trial {best.number})" if best else ""

    def _print(self, result: SearchResult, page: Path) -> None:
        shown = page.relative_to(self.root)
        typer.echo(result.verdict())
        typer.echo(f"  report  {shown}")
        if result.patch:
            how = "review it, then apply it" if result.is_better else "its params all the same"
            typer.echo(f"  {how}: git apply {shown.with_name(FILES.patch)}")


def covered_s(spans: Iterable[tuple[float, float]]) -> float:
    """Time that spans, each of its begin and its seconds, cover together: what several have in common counts once."""
    total, until = 0.0, -math.inf
    for began, seconds in sorted(spans):
        total += max(0.0, began + seconds - max(began, until))
        until = max(until, began + seconds)
    return total


def _seed_name(seed: int, number: int) -> str:
    return f"seed-{seed}-trial-{number}"
