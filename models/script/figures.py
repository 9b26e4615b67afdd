"""Figures of the script family, as people read them."""

from models.components.figures import MetricLabel

FIGURES = {
    "bits": MetricLabel("bits", less_is_better=True),
    "neg_bits_per_character": MetricLabel("\u2212bits a character"),
    "bits_per_character_64": MetricLabel("bits a character, windows of 64 from nothing", less_is_better=True),
    "unspelled": MetricLabel("characters that the vocabulary lacks", less_is_better=True),
    "valid": MetricLabel("valid scenes"),
    "distinct_2": MetricLabel("distinct pairs of words"),
    "repeated_lines": MetricLabel("repeated lines", less_is_better=True),
    "verbatim_share": MetricLabel("words out of the training text, in runs of 8", less_is_better=True),
    "verbatim_longest": MetricLabel("longest run out of the training text, words", less_is_better=True),
    "compressed_bits": MetricLabel("compressed, divergence in bits", less_is_better=True),
}
PARTS: dict[str, str] = {}
