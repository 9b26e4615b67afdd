"""Ends with status 1 and a line if there is no CUDA device: python -m tests.support.cuda."""

from __future__ import annotations

import sys

import torch

MISSING = "make test-gpu needs a CUDA device and a PyTorch built for it; this one is {version} and finds none"


def main() -> None:
    """Looks for a device."""
    if not torch.cuda.is_available():
        sys.exit(MISSING.format(version=f"PyTorch {torch.__version__}"))


if __name__ == "__main__":
    main()
