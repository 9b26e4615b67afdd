"""Figures as text: their digits, their names, and whom pictures are owed to; knows no run, so steps may use it."""

from __future__ import annotations

import re
from typing import Any

KIB, LARGE_FIGURE, MIDDLE_FIGURE, SMALL_FIGURE = 1024, 100, 10, 0.001
FEW_DIGITS = 0.01  # below it four decimals would be fewer than three digits
NONE, MINUS, TIMES = "\u2013", "\u2212", "\u00d7"  # as typeset: a dash, a minus as wide as the plus, a times sign
NAMES = {
    "macro_f1": "macro F1",
    "ece": "calibration error",
    "lr": "learning rate",
    "nll": "log loss",
    "f1": "F1",
    "fp32_max": "fp32, largest difference",
    "compressed_mean": "compressed, mean difference",
    "compressed_agreement": "compressed, share of the same answers",
    "psnr_db": "compressed, signal to noise in dB",
    # Of a generator; the name of what it was seen with stays in the figure's.
    "neg_kid_efficientnet_lite0": "\u2212KID (EfficientNet-lite0)",
    "kid_efficientnet_lite0": "KID (EfficientNet-lite0)",
    "frechet_efficientnet_lite0": "Fr\u00e9chet distance (EfficientNet-lite0)",
    "nearest_ratio": "nearest training picture, over the usual",
    "originality": "originality, no near copies",
    "distinct": "distinct, without a twin",
    "diversity": "diversity, of real pictures'",
    "conditional_accuracy": "drawn as the category asked for",
    "real_accuracy": "the same of real pictures, the ceiling",
    "finite": "finite, no picture of one colour",
    # Of a writer.
    "neg_bits_per_character": "\u2212bits a character",
    "bits_per_character_64": "bits a character, windows of 64 from nothing",
    "unspelled": "characters that the vocabulary lacks",
    "valid": "valid scenes",
    "distinct_2": "distinct pairs of words",
    "repeated_lines": "repeated lines",
    "verbatim_share": "words out of the training text, in runs of 8",
    "verbatim_longest": "longest run out of the training text, in words",
    "compressed_bits": "compressed, divergence in bits",
}
_KEY = re.compile(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b")
# Parts that a family watches; labels are parts too, and stand as they are.
PARTS = {
    "inside": "drawings among the real",
    "covered": "real ones covered",
    "original": "drawings that are not copies",
    "fits": "drawings that fit their category",
}


def bytes_text(size_bytes: float) -> str:
    """`812 B`, `96.5 KB`, `3.4 MB`; in steps of 1024."""
    for unit in ("B", "KB", "MB"):
        if size_bytes < KIB:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= KIB
    return f"{size_bytes:.1f} GB"


def figure_text(value: Any, *, signed: bool = False) -> str:  # noqa: ANN401  figures come out of JSON
    """A figure at a precision that can be read: 0.8462, 12.31, 1,204, 0.00412; a dash for none."""
    if value is None or value != value:  # noqa: PLR0124  NaN
        return NONE
    if isinstance(value, bool | str):
        return str(value)
    if signed:
        return f"{'+' if value >= 0 else MINUS}{figure_text(abs(value))}"
    if value < 0:
        return f"{MINUS}{figure_text(-value)}"
    return f"{value:,}" if isinstance(value, int) else _decimals(value)


def _decimals(value: float) -> str:
    if 0 < value < FEW_DIGITS:
        return f"{value:.1e}" if value < SMALL_FIGURE else f"{value:.3g}"
    digits = 1 if value >= LARGE_FIGURE else 2 if value >= MIDDLE_FIGURE else 4
    return f"{value:,.{digits}f}"


def metric_name(name: str) -> str:
    """`macro_f1` as a person writes it."""
    return NAMES.get(name, name.replace("_", " "))


def part_name(name: str) -> str:
    """A part that a family watches, as a person writes it; a label stays as it is."""
    return PARTS.get(name, name)


def reason_text(reason: str) -> str:
    """A reason of the registry with its figures called as a person writes them."""
    return _KEY.sub(lambda found: NAMES.get(found[0], found[0]), reason)


def credits_of(settings: Any) -> list[str]:  # noqa: ANN401  any JSON
    """Credits of pictures, one line each: the values of `credits` in a manifest's settings or in set.json."""
    given = settings.get("credits") if isinstance(settings, dict) else None
    lines = [str(line).strip() for line in given.values()] if isinstance(given, dict) else []
    return list(dict.fromkeys(filter(None, lines)))


def credit_line(credited: list[str]) -> str:
    """Credit line below a picture that derives from the work of others; empty if none is due."""
    return f"Made from: {'; '.join(credited)}" if credited else ""
