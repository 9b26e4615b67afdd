"""Runs one stage on one item, as dvc.yaml does: python -m steps STAGE ITEM.

Exit status: 0 done, 1 failed (build/failures/STAGE@ITEM.json has the reason), 2 misuse, or params that are not valid.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import yaml

from common.memory import keep_freed_memory
from common.threads import throttle_spin
from rushes.errors import FAILED, MisuseError, RushesError
from steps.runtime.failures import clear_failure, write_failure

STAGES = ("clean", "augment", "train", "compress", "evaluate")
WORDS = 2
BY_PARAMS = (ValueError, LookupError, TypeError, AttributeError, FileNotFoundError, yaml.YAMLError)


def main(words: list[str]) -> int:
    """Runs the stage; a failure is described in build/failures/, since `dvc repro` exits 255 whatever happened."""
    if len(words) != WORDS or words[0] not in STAGES:
        print(f"usage: python -m steps {{{'|'.join(STAGES)}}} ITEM", file=sys.stderr)  # noqa: T201  # a stage speaks through its log
        return 2
    stage, item = words
    clear_failure(Path(), stage, item)
    fault = _fault_of_inputs()
    try:
        # By name, as the stage is: a check of the input changes no result, and is not a dep of a stage in dvc.yaml.
        importlib.import_module("registry.dvc.verify").verify_inputs(Path(), stage, item)
        importlib.import_module(f"steps.{stage}").run(item)
    except Exception as error:  # noqa: BLE001  # whatever it was, it is described, and the stage has failed
        if isinstance(fault, MisuseError) and not isinstance(error, BY_PARAMS):
            fault = None
        failure = write_failure(Path(), stage, item, fault or error)
        print(f"{stage} {item}: {failure.message}\n{failure.remedy}", file=sys.stderr)  # noqa: T201  # a stage speaks through its log
        if failure.kind == "bug":
            print(failure.traceback, file=sys.stderr)  # noqa: T201  # a stage speaks through its log
        return fault.exit_status if fault else FAILED
    return 0


def _fault_of_inputs() -> RushesError | None:
    """The error of params.yaml, dvc.yaml, dvc.lock or datasets.dvc that a run would report; None if all can be read.

    Found before the stage runs, since a person may edit them meanwhile; reported if the stage fails, since it may not
    need what is wrong. An error of params is reported only in place of one that invalid params may have caused.
    """
    try:
        # By name: these know every family, and a stage depends on its own alone.
        importlib.import_module("registry.dvc.params").read_params(Path())
        importlib.import_module("registry.dvc.records").check_records(Path())
    except RushesError as fault:
        return fault
    return None


if __name__ == "__main__":
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before a stage imports ONNX Runtime
    throttle_spin()
    keep_freed_memory()
    sys.exit(main(sys.argv[1:]))
