"""Runs one stage on one item, as dvc.yaml does: python -m steps STAGE ITEM.

Exit status: 0 done, 1 failed (build/failures/STAGE@ITEM.json has the reason), 2 misuse.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from pydantic import ValidationError

from common.yaml_numbers import read_params_file
from rushes.errors import MisuseError
from steps.runtime.failures import clear_failure, write_failure
from steps.runtime.threads import throttle_spin

STAGES = ("clean", "augment", "train", "compress", "evaluate")
WORDS = 2


def main(words: list[str]) -> int:
    """Runs the stage; a failure is described in build/failures/, since `dvc repro` exits 255 whatever happened."""
    if len(words) != WORDS or words[0] not in STAGES:
        print(f"usage: python -m steps {{{'|'.join(STAGES)}}} ITEM", file=sys.stderr)  # noqa: T201  # a stage speaks through its log
        return 2
    stage, item = words
    clear_failure(Path(), stage, item)
    try:
        # By name, as the stage is: a check of the input changes no result, and is not a dep of a stage in dvc.yaml.
        importlib.import_module("registry.dvc.verify").verify_inputs(Path(), stage, item)
        importlib.import_module(f"steps.{stage}").run(item)
    except Exception as error:  # noqa: BLE001  # whatever it was, it is described, and the stage has failed
        failure = write_failure(Path(), stage, item, _explained(error))
        print(f"{stage} {item}: {failure.message}\n{failure.remedy}", file=sys.stderr)  # noqa: T201  # a stage speaks through its log
        if failure.kind == "bug":
            print(failure.traceback, file=sys.stderr)  # noqa: T201  # a stage speaks through its log
        return 1
    return 0


def _explained(error: Exception) -> Exception:
    """The error of params.yaml that a run would report, such as a renamed key, instead of pydantic's."""
    if isinstance(error, ValidationError):
        try:
            # By name: it knows every family, and a stage depends on its own alone.
            importlib.import_module("models.params_file").check(read_params_file(Path("params.yaml")))
        except MisuseError as refused:
            return refused
    return error


if __name__ == "__main__":
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before a stage imports ONNX Runtime
    throttle_spin()
    sys.exit(main(sys.argv[1:]))
