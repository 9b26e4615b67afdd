"""A search with planted figures: 24 trials of four params, one failed, some pruned."""

from __future__ import annotations

import random
from typing import Any

from report.search.result import Comparison, SearchResult, TrialResult

SPACE = {
    "expression.train.learning_rate": "0.001..0.5,log",
    "expression.train.dropout": "0..0.5",
    "expression.train.batch_size": "32|64|128",
    "expression.train.widths": "[16, 32]|[32, 64]",
}
DEFAULT = {
    "expression.train.learning_rate": 0.1,
    "expression.train.dropout": 0.1,
    "expression.train.batch_size": 64,
    "expression.train.widths": [16, 32],
}
PATCH = "diff --git a/params.yaml b/params.yaml\n--- a/params.yaml\n+++ b/params.yaml\n@@ -1 +1 @@\n-a: 1\n+a: 2\n"


def planted_trial(number: int, chance: random.Random) -> TrialResult:
    """A trial whose figure depends on learning rate and dropout."""
    chosen: dict[str, Any] = {
        "expression.train.learning_rate": float(f"{10 ** chance.uniform(-3, -0.3):.4g}"),
        "expression.train.dropout": round(chance.uniform(0, 0.5), 4),
        "expression.train.batch_size": chance.choice([32, 64, 128]),
        "expression.train.widths": chance.choice([[16, 32], [32, 64]]),
    }
    chosen = DEFAULT if number == 0 else chosen
    rate = chosen["expression.train.learning_rate"]
    value = 0.82 - 0.3 * abs(rate - 0.05) - 0.1 * chosen["expression.train.dropout"] + chance.gauss(0, 0.005)
    state = "complete" if number == 0 or number % 3 == 1 else "pruned"
    epochs = 32 if state == "complete" else chance.choice([3, 9])
    return TrialResult(
        number=number, state=state, params=chosen, value=value - (state == "pruned") * 0.1, epochs=epochs,
        seconds=12.0 * epochs, attempts=1 + (number == 5),
    )  # fmt: skip


def searched(**changes: Any) -> SearchResult:
    """The search; `changes` replace fields of it."""
    chance = random.Random(3)  # noqa: S311 - planted figures
    trials = [planted_trial(number, chance) for number in range(24)]
    trials[7] = trials[7].model_copy(
        update={"state": "failed", "value": None, "epochs": 2, "reason": "the loss became NaN in epoch 3"}
    )
    best = max((trial for trial in trials if trial.state == "complete"), key=lambda trial: trial.value or 0.0)
    fields: dict[str, Any] = {
        "family": "expression",
        "study": "expression-5b4f6840f81e",
        "record": "c" * 40,
        "command": ".venv/bin/python -m flows search expression --trials 24 --seeds 3 --seed 0",
        "monitor": "val/macro_f1",
        "less_is_better": False,
        "space": SPACE,
        "default": DEFAULT,
        "overrides": {"expression.train.epochs": 32},
        "trials": trials,
        "importance": dict(zip(SPACE, (0.62, 0.24, 0.09, 0.05), strict=True)),
        "comparison": Comparison(
            trial=best.number, default=[0.8011, 0.7985, 0.8032], best=[0.8131, 0.8155, 0.8122],
            gain=0.0127, low=0.0081, high=0.0171,
        ),
        "seconds": 8123.0,
        "patch": PATCH,
    }  # fmt: skip
    return SearchResult(**fields | changes)
