"""Figures of the script family, as people read them."""

from models.components.figures import Figure

FIGURES = {
    "bits": Figure("bits", less_is_better=True),
    "neg_bits_per_character": Figure("\u2212bits a character"),
    "bits_per_character_64": Figure("bits a character, windows of 64 from nothing", less_is_better=True),
    "unspelled": Figure("characters that the vocabulary lacks", less_is_better=True),
    "valid": Figure("valid scenes"),
    "distinct_2": Figure("distinct pairs of words"),
    "repeated_lines": Figure("repeated lines", less_is_better=True),
    "verbatim_share": Figure("words out of the training text, in runs of 8", less_is_better=True),
    "verbatim_longest": Figure("longest run out of the training text, words", less_is_better=True),
    "compressed_bits": Figure("compressed, divergence in bits", less_is_better=True),
}
PARTS: dict[str, str] = {}
