"""Support of `benchmarks.capture`: generated clips, MediaPipe in its own environment, a camera, a long run."""
