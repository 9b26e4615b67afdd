"""The trials of a search, the comparison of the best one with the default, and the report."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer
from optuna.importance import get_param_importances
from optuna.trial import TrialState

from flows.cli.console import print_line
from flows.cli.progress import reported
from flows.nightly import params
from flows.search import space as spaces
from flows.search.comparison import compare
from flows.search.params_patch import write_patch
from flows.search.study import NUMBER, REASON, SECONDS, STOPPED
from models.params_file import NAME
from report.formatting import figure_text
from report.search.page import FILES, build
from report.search.result import SearchResult, TrialResult
from rushes.errors import UserError
from training.time_left import left, span

if TYPE_CHECKING:
    from pathlib import Path

    from optuna.trial import FrozenTrial, Trial

    from flows.search.request import SearchPlan
    from flows.search.study import SearchStudy
    from flows.search.tracking import SearchRuns
    from flows.search.training import Rows, Trained, TrialTree
    from flows.servers.session import Session
    from models.family import Monitor
    from report.search.result import Comparison

COMPARED = "compared"  # attribute of the study: figure and seconds of each training of the comparison
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
        session: The lock and the servers.
        tree: Worktree in which trials are trained.
        study: Optuna's study.
        runs: The runs in MLflow.
        record: Commit of the exact tree.
        text: Text of params.yaml there.
    """

    plan: SearchPlan
    session: Session
    tree: TrialTree
    study: SearchStudy
    runs: SearchRuns
    record: str
    text: str

    @property
    def out(self) -> Path:
        """Folder of the report."""
        return self.session.root / "build" / "search" / self.study.study.study_name

    @property
    def folder(self) -> Path:
        """Folder of the checkpoints of trials in progress."""
        return self.session.state / "search" / self.study.study.study_name

    def run_trials(self) -> None:
        """Runs trials until the budget is spent; those of an earlier call count."""
        for number in self.study.close_killed():
            print_line(f"trial {number} was interrupted; it is tried again")
        request, began, before = self.plan.request, time.monotonic(), len(self.study.ended())
        while (done := len(self.study.ended())) < request.trials and self._in_time():
            trial = self.study.next_trial(spaces.encode(self.plan.space, self.plan.default))
            result = self._run_trial(trial)
            done = len(self.study.ended())
            rest = left(done - before, request.trials - before, time.monotonic() - began)
            print_line(f"[{done}/{request.trials}] {self._line(result)}{rest and f', {rest}'}")
            if result.number == 0 and result.state == "failed":
                message = f"the default params cannot be trained: {result.reason}"
                raise DefaultTrialError(message, f"see {self._log('trial-0')}; correct {NAME}, then search again")
        if done < request.trials:
            print_line(f"the time of {request.hours:g} h is spent after {done} of {request.trials} trials")

    def conclude(self) -> SearchResult:
        """Compares the best trial with the default, and writes the page and the patch."""
        result = self._result()
        best = result.best
        if best is not None and best.number != 0:
            result.comparison = self._compare(best)
            changed = {path: value for path, value in best.params.items() if value != self.plan.default[path]}
            result.patch = write_patch(self.tree.tree, self.text, changed, self.out / FILES.patch)
        else:
            (self.out / FILES.patch).unlink(missing_ok=True)
        result.seconds = self._spent_s()
        page = build(result, self.out)
        gain = result.comparison.gain if result.comparison else None
        figures = {"best": best.value if best else None, "gain": gain}
        self.runs.close(
            {f"search_{name}": value for name, value in figures.items() if value is not None},
            [path for path in (page, self.out / FILES.data, self.out / FILES.patch) if path.is_file()],
            result.verdict(),
        )
        shutil.rmtree(self.folder, ignore_errors=True)
        self._print(result, page)
        return result

    def _run_trial(self, trial: Trial) -> TrialResult:
        number = trial.user_attrs[NUMBER]
        chosen = spaces.decode(self.plan.space, trial.params)
        monitor = self.plan.family.monitor

        def stop(row: dict[str, float], seconds: float) -> bool:
            epoch = int(row["epoch"]) + 1
            trial.report(row[monitor.name], epoch)
            trial.set_user_attr(SECONDS, seconds)
            # Asked each time, since Hyperband notes the figures that later trials are compared with.
            return trial.should_prune() and number != 0 and epoch < self.plan.epochs

        try:
            trained = self._train(f"trial-{number}", f"trial {number}", chosen, stop)
        except (KeyboardInterrupt, SystemExit):
            trial.set_user_attr(STOPPED, value=True)
            raise
        trial.set_user_attr(SECONDS, trained.seconds)
        if trained.state == "failed":
            trial.set_user_attr(REASON, trained.reason)
        value = kept_figure(trained.rows, monitor) if trained.state == "complete" else None
        state = next(state for state, name in STATES.items() if name == trained.state)
        self.study.study.tell(trial.number, value, state)
        return self._trial_result(number)

    def _train(self, name: str, title: str, chosen: dict[str, Any], stop: Any = None) -> Trained:  # noqa: ANN401 - a function
        """One training with its nested run in MLflow; its checkpoints go once it has ended by itself."""
        run_id = self.runs.open_trial(title, name)
        print_line(f"{title}: {_spelt(self.plan.family.name, chosen)} ...")
        log = self._log(name)
        with reported(title, log):
            trained = self.tree.train(chosen, self.folder / name, log, run_id, **({"stop": stop} if stop else {}))
        rows = trained.rows
        self.runs.close_trial(run_id, trained.state, kept_figure(rows, self.plan.family.monitor) if rows else None)
        shutil.rmtree(self.folder / name, ignore_errors=True)
        return trained

    def _compare(self, best: TrialResult) -> Comparison:
        """Trains the best trial and the default with other seeds; a repeated call trains nothing again."""
        seeds = [self.plan.train["seed"] + number for number in range(1, self.plan.request.seeds + 1)]
        print_line(f"comparing trial {best.number} with the default, with {len(seeds)} other seeds each ...")
        figures: dict[int, list[float]] = {0: [], best.number: []}
        for seed in seeds:
            for number, chosen in ((0, self.plan.default), (best.number, best.params)):
                value, failed = self._with_seed(number, seed, chosen)
                if failed:
                    return compare([], [], best.number, less_is_better=self.plan.less_is_better, failed=failed)
                figures[number].append(value)
        return compare(figures[0], figures[best.number], best.number, less_is_better=self.plan.less_is_better)

    def _with_seed(self, number: int, seed: int, chosen: dict[str, Any]) -> tuple[float, str]:
        known = dict(self.study.study.user_attrs.get(COMPARED, {}))
        key = f"{number}:{seed}"
        if key not in known:
            title = f"{f'trial {number}' if number else 'default'}, seed {seed}"
            changes = {**chosen, f"{self.plan.family.name}.train.seed": seed}
            trained = self._train(f"seed-{seed}-trial-{number}", title, changes)
            if trained.state == "failed":
                return 0.0, f"{title}: {trained.reason}"
            value = kept_figure(trained.rows, self.plan.family.monitor)
            known[key] = (value, trained.seconds)
            self.study.study.set_user_attr(COMPARED, known)
            print_line(f"  {title}: {self.plan.family.monitor.name} {figure_text(value)}, {span(trained.seconds)}")
        return float(known[key][0]), ""

    def _in_time(self) -> bool:
        """True if another trial and the comparison at the end fit into the hours that were given."""
        limit_s = self.plan.request.hours * HOUR_S
        if not limit_s:
            return True
        complete = [trial.seconds for trial in self._trials() if trial.state == "complete"]
        longest = max(complete, default=0.0)
        return self._spent_s() + (1 + 2 * self.plan.request.seeds) * longest <= limit_s or not complete

    def _spent_s(self) -> float:
        compared = self.study.study.user_attrs.get(COMPARED, {}).values()
        return self.study.seconds() + float(sum(seconds for _, seconds in compared))

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
        trials, plan = self._trials(), self.plan
        complete = sum(trial.state == "complete" for trial in trials)
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
            trials=trials,
            importance=get_param_importances(self.study.study) if complete >= FEWEST_TRIALS else {},
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

    def _log(self, name: str) -> Path:
        return self.out / "logs" / f"{name}.log"

    def _print(self, result: SearchResult, page: Path) -> None:
        shown = page.relative_to(self.session.root)
        typer.echo(result.verdict())
        typer.echo(f"  report  {shown}")
        if result.patch:
            how = "review it, then apply it" if result.is_better else "its params all the same"
            typer.echo(f"  {how}: git apply {shown.with_name(FILES.patch)}")


def kept_figure(rows: Rows, monitor: Monitor) -> float:
    """Figure of the epoch whose weights a training keeps."""
    figures = [row[monitor.name] for row in rows]
    return figures[-1] if monitor.mode == "last" else max(figures) if monitor.mode == "max" else min(figures)


def _spelt(family: str, chosen: dict[str, Any]) -> str:
    return ", ".join(f"{path.removeprefix(f'{family}.')}={value}" for path, value in chosen.items())
