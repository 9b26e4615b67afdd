"""Examples and exit statuses in the help of `python -m flows`."""

from __future__ import annotations

# Appended to the examples of every command: if only the first line of a help is not indented, its indent is dropped.
STATUSES = "Exit status: 0 done, 1 failed, 2 misuse, 3 nothing fits, 4 another run holds the lock."
EXAMPLES = {
    "nightly": """Examples:

    python -m flows nightly
    python -m flows nightly --families expression --set expression.train.epochs=3
    python -m flows nightly --families expression --quick
    python -m flows nightly --set expression.train.epochs=40 --promote
""",
    "ingest": """Examples:

    python -m flows ingest faces ~/rushes/day-12
    python -m flows ingest faces ~/shoot --layout '{label}/{performer}/*' --source day-12
    python -m flows ingest faces fer2013.csv --votes fer2013new.csv
    python -m flows ingest films ~/rushes/day-12.mov --licence "studio, internal"
    python -m flows ingest scenes ~/location-photos
    python -m flows ingest scripts ~/scripts/the-ferry.fdx
    python -m flows ingest --undo
""",
    "candidates": """Examples:

    python -m flows candidates expression
    python -m flows candidates expression --set expression.budget.max_latency_ms=0.5
""",
    "search": """Examples:

    python -m flows search expression --trials 20 --hours 2
    python -m flows search expression --trials 40 --parallel 4
    python -m flows search expression --show
    python -m flows search expression --range train.learning_rate=1e-3..1e-1,log --only-ranges
    python -m flows search expression --set train.epochs=12 --range 'train.widths=[16,32,64]|[32,64,128]'
""",
    "rollback": """Examples:

    python -m flows rollback expression --reason "calls every beard angry"
    python -m flows release expression
""",
    "checkout": """Examples:

    python -m flows checkout expression@3
    python -m flows checkout expression@3 --to /tmp/v3
""",
    "runs": """Examples:

    python -m flows runs
    python -m flows runs --family expression --limit 5
    python -m flows runs --json | jq .metrics
""",
    "compare": """Examples:

    python -m flows compare last-nightly last-trial
    python -m flows compare 20261127-041500 20261128-041500
""",
    "push": """Examples:

    python -m flows push
    python -m flows push --verify 6d0950e2acd0
""",
    "rayjob": """Examples:

    python -m flows rayjob --image registry.example.org/rushes:1 --families expression
    python -m flows rayjob --image registry.example.org/rushes:1 --out build/rayjob.yaml
    python -m flows rayjob --check deploy/kubernetes/rayjob.yaml
    python -m flows rayjob --check deploy/kubernetes/rayjob.yaml --definition build/rayjobs.json
""",
    "down": """Examples:

    python -m flows down
    python -m flows down --force
""",
    "logs": """Examples:

    python -m flows logs
    python -m flows logs train@expression --lines 50
    python -m flows logs train@expression --follow
    python -m flows logs compress@script --run last-trial
    python -m flows logs mlflow
""",
    "up": """Example:

    python -m flows up
""",
    "status": """Example:

    python -m flows status
""",
    "serve": """Example:

    PREFECT_API_URL=http://127.0.0.1:4200/api python -m flows serve
""",
}
EXAMPLES["release"] = EXAMPLES["rollback"]
