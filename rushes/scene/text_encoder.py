"""Sentence embeddings of texts, computed in the same way for training and at run time.

The encoder is all-MiniLM-L6-v2 as an int8 ONNX graph, with its own tokenizer.json; both are in the bundle. It needs
neither PyTorch nor a network connection.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import numpy as np

from rushes.bundle.manifest import BundleError
from rushes.errors import UserError
from rushes.inference.session import open_graph

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tokenizers import Tokenizer

    from rushes.bundle.manifest import Bundle

WIDTH = 384
MAX_TOKENS = 128
BATCH = 32
INPUTS, OUTPUT = ("input_ids", "attention_mask", "token_type_ids"), "last_hidden_state"

# Texts of a category. Chosen, with `heading_phrase`, over 68 headings of buildings, forests, glaciers, mountains, seas
# and streets: the nearest template has the right category for 97 % of them after it, and for 85 % without it.
TEMPLATES = (
    "{}",
    "a photo of a {}",
    "a photo of the {}",
    "a view of the {}",
    "a photo of the {} at night",
    "a photo of the {} at dawn",
)

_WHERE = re.compile(
    r"(?P<where>(?:INT|EXT)\.?\s*/\s*(?:INT|EXT)|I\s*/\s*E|INT|EXT|EST)(?:\s*\.\s*|\s+)(?=[^\s.\-\u2013\u2014])",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\s*#[^#\n]*#\s*$")
_DASH = re.compile(r"\s+[-\u2013\u2014]+\s*|\s*[\u2013\u2014]+\s*|\s*--+\s*")
_ARTICLE = re.compile(r"^(?:the|an?)\s+", re.IGNORECASE)
# Times in a heading that a picture can show. Day is omitted: most pictures are by day.
_TIMES = {
    "night": "at night", "midnight": "at night", "dawn": "at dawn", "sunrise": "at dawn", "dusk": "at dusk",
    "twilight": "at dusk", "sunset": "at sunset", "magic hour": "at sunset", "morning": "in the morning",
    "afternoon": "in the afternoon", "evening": "in the evening", "rain": "in the rain", "storm": "in a storm",
    "snow": "in the snow", "fog": "in the fog", "winter": "in winter", "summer": "in summer", "autumn": "in autumn",
    "spring": "in spring",
}  # fmt: skip
# Other words in place of the time, which a picture cannot show.
_UNSEEN = re.compile(
    r"day|noon|midday|(?:(?:the )?same|present)(?: time| day)?|continuous|continued|cont'd|.*\blater"
    r"|intercut|flashback|montage|establishing|resume|back to scene|stock(?: footage)?"
)
_REMARK = re.compile(r"\([^()]*\)")


def heading_phrase(heading: str) -> str:
    """Rewrites a scene heading as a sentence suited to the encoder; other text only loses its scene number.

    `EXT. WOODS - NIGHT` becomes `a photo of the woods at night`, `INT. OFFICE - DAY` becomes
    `an indoor photo of the office`.
    """
    text, where, parts = _read(heading)
    if not parts:
        return text
    times = [_TIMES[part] for part in parts[1:] if part in _TIMES]
    opening = "an indoor photo" if where == "INT" else "a photo"
    return " ".join([opening, "of the", _place(parts), *times])


def place_of(heading: str) -> str:
    """Place of a heading without its time; equal for `EXT. THE WOODS - NIGHT` and `EXT. WOODS - LATER`."""
    text, where, parts = _read(heading)
    return f"{where} {_place(parts)}" if parts else text.lower()


def _read(heading: str) -> tuple[str, str, list[str]]:
    """Heading without its number; its prefix, such as INT or EXT; and its parts, none if it is not a heading."""
    text = " ".join(_NUMBER.sub("", heading).split())
    bare = re.sub(r"^\.(?=\w)", "", text)  # the leading full stop that forces a heading
    where = _WHERE.match(bare)
    if not where and not bare.isupper():
        return text, "", []
    kind = re.sub(r"[\s.]", "", where["where"]).upper() if where else ""
    return text, kind, _parts(bare[where.end() :] if where else bare) or [bare]


def _place(parts: list[str]) -> str:
    kept = (part for part in parts[1:] if part not in _TIMES and not _UNSEEN.fullmatch(part))
    return ", ".join([_ARTICLE.sub("", parts[0], count=1), *kept])


def _parts(heading: str) -> list[str]:
    """Parts between the dashes, in lower case, without remarks in brackets."""
    parts = (" ".join(_REMARK.sub(" ", part).split()).strip(" .,") for part in _DASH.split(heading.lower()))
    return [part for part in parts if part]


class TextEncoder:
    """Sentence embeddings on the CPU: the mean of the last hidden state over the tokens, at unit length.

    Reimers and Gurevych 2019 (arXiv 1908.10084), with the weights of sentence-transformers/all-MiniLM-L6-v2.
    """

    def __init__(self, model: Path, tokenizer: Path, threads: int = 1) -> None:
        self._tokenizer = _open_tokenizer(tokenizer)
        self._session = open_graph(model, threads)
        self._check(model)

    @classmethod
    def from_bundle(cls, bundle: Bundle) -> TextEncoder:
        """Opens the encoder of a bundle.

        Raises:
            BundleError: The bundle has no encoder, or its encoder is not valid.
            UserError: The package `tokenizers` is not installed.
        """
        return cls(bundle.path("text_encoder"), bundle.path("tokenizer"))

    def _check(self, model: Path) -> None:
        inputs = {one.name for one in self._session.get_inputs()}
        outputs = {one.name: one.shape for one in self._session.get_outputs()}
        self._inputs = [name for name in INPUTS if name in inputs]
        if inputs != set(self._inputs) or "input_ids" not in inputs or outputs.get(OUTPUT, [0])[-1] != WIDTH:
            message = (
                f"{model} takes {', '.join(sorted(inputs))} and gives {', '.join(outputs)}: it is not the text encoder"
            )
            raise BundleError(message)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embeds texts as float32 N,384 of unit length; a text is cut after 128 tokens.

        The embedding of a text does not depend on the number or the lengths of the other texts.
        """
        batches = [self._embed(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        return np.concatenate([np.zeros((0, WIDTH), np.float32), *batches])

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        # Tokenize, and pad to the longest text.
        encodings = self._tokenizer.encode_batch(list(texts))
        tokens_nt = np.array([one.ids for one in encodings], np.int64)
        mask_nt = np.array([one.attention_mask for one in encodings], np.int64)
        # Run the network on the inputs that it has; the third input is zero for every token.
        feed = dict(zip(INPUTS, (tokens_nt, mask_nt, np.zeros_like(tokens_nt)), strict=True))
        states_ntw = self._session.run([OUTPUT], {name: feed[name] for name in self._inputs})[0]
        # Sum the states over the tokens, with padding masked out; the mean has the same direction.
        sums_nw = (states_ntw * mask_nt[..., None]).sum(axis=1, dtype=np.float32)
        # Normalise to unit length.
        return np.asarray(sums_nw / np.linalg.norm(sums_nw, axis=1, keepdims=True).clip(1e-9))


def _open_tokenizer(path: Path) -> Tokenizer:
    """Loads a tokenizer that pads to the longest text of a batch; it needs no network connection."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its thread pool gains nothing for a line of text
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415  # an extra
    except ImportError as error:
        message = "the text encoder needs the package tokenizers: pip install tokenizers (in the wheel's extra [scene])"
        raise UserError(message) from error
    try:
        tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except OSError:
        raise
    except Exception as error:  # tokenizers raises bare exceptions
        message = f"{path} is not a tokenizer that this version of tokenizers can load: {error}"
        raise BundleError(message) from error
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id("[PAD]") or 0)
    return tokenizer
