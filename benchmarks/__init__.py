"""Speed and memory as ratios to a peer, interleaved in one run: python -m benchmarks.NAME [--quick].

May import every package but flows. No figure here is a test: a benchmark prints, and exits with 1 if a goal is missed.
"""

import os

from common.threads import bound_spin

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
bound_spin(os.environ)  # before PyTorch is imported
