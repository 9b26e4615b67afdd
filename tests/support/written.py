"""Scripts as another parser reads them, hypothesis strategies for scripts, and a tiny bundle that writes some."""

from __future__ import annotations

import io
import itertools
import re
from typing import TYPE_CHECKING

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from screenplain.parsers import fountain as screenplain

from rushes.bundle.manifest import BundledFile, Manifest, sha256_file, write_manifest
from rushes.screenplay.fountain import Element, canonical, parse, write
from rushes.script import markup, memorization
from tests.support.certified import certify

if TYPE_CHECKING:
    from pathlib import Path

# Elements of a script, and texts that may break a parser of it.
PIECES = [
    "INT. HALL - DAY", "int. sea", "EXT/INT. CAR", "EST.", ".FORCED", "..", ".", "BOB", "BOB (V.O.)", "BOB ^", "@Bo",
    "^", "(aside)", "(", ")", "Hello.", "hello: you", "[[", "]]", "[", "]", "[[note]]", "/*", "*/", "/* gone */", "/",
    "*", "**", "_", "\\", "~la", "~", "!", "!!", "# One", "#1#", "#", "= syn", "===", "==", "> X <", "> CUT:", ">", "<",
    "CUT TO:", "FADE IN:", "TO:", "Title: X", "Author:", "   Bo", "\t", " ", "  ", "\ufeff", "\ue700", "\0", "\1", "é",
    "海", "\x85", "\xa0", "ß", "\u0131", "😀", ":", "\r", "\u2028",
]  # fmt: skip
GAPS = ["", "", " ", "\n", "\n", "\n\n", "\n  \n"]
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(GAPS)), max_size=14).map(
        lambda pairs: "".join(piece + gap for piece, gap in pairs)
    ),
)
KINDS = [
    "title", "heading", "action", "character", "parenthetical", "dialogue", "transition", "section", "synopsis", "note",
    "centered", "lyrics", "page_break", "boneyard",
]  # fmt: skip
ELEMENTS = st.builds(
    Element,
    st.sampled_from([*KINDS, "character", "dialogue"]),
    TEXTS,
    dual=st.booleans(),
    number=st.sampled_from(["", "1", "2A", "x y", "#"]),
    depth=st.integers(-1, 9),
)


def seen_by_screenplain(text: str) -> list[tuple[str, str]]:
    """Kind and text of each element that screenplain would print, and of sections."""
    return [pair for paragraph in screenplain.parse(io.StringIO(text)) for pair in _pairs(paragraph)]


def _pairs(paragraph) -> list[tuple[str, str]]:
    kind = type(paragraph).__name__
    if kind == "DualDialog":
        return [*_pairs(paragraph.left), ("dual", ""), *_pairs(paragraph.right)]
    if kind == "Dialog":
        blocks = [("parenthetical" if aside else "dialogue", str(line)) for aside, line in paragraph.blocks]
        return [("character", str(paragraph.character)), *blocks]
    if kind == "Action":
        lines = "\n".join(str(line) for line in paragraph.lines)
        return [("centered" if paragraph.centered else "action", lines)]
    if kind == "Section":
        return [("section", str(paragraph.text))]
    if kind == "PageBreak":
        return [("page_break", "")]
    return [({"Slug": "heading", "Transition": "transition"}[kind], str(paragraph.line))]


def as_screenplain(elements: list[Element]) -> list[tuple[str, str]]:
    """The expected reading of these elements: headings in capitals, each line of dialogue on its own."""
    pairs = []
    for element in elements:
        if element.kind == "heading":
            pairs.append(("heading", element.text.upper()))
        elif element.kind == "parenthetical":
            pairs.append(("parenthetical", f"({element.text})"))
        elif element.kind == "dialogue":
            pairs += [("dialogue", line) for line in element.text.split("\n")]
        elif element.kind == "character":
            pairs += [("dual", "")] * element.dual + [("character", element.text)]
        elif element.kind == "transition":
            pairs.append(("transition", element.text if element.text.endswith("TO:") else element.text.upper()))
        elif element.kind in {"action", "centered", "section", "page_break"}:
            pairs.append((element.kind, element.text))
    return pairs


# --- Faults of a draft ---

SPOKEN = {"parenthetical", "dialogue"}


def faults(elements: list[Element], cast: tuple[str, ...] = ()) -> list[str]:
    """Reasons why a text is not a scene, or is read as something else than intended; empty if it is valid."""
    text = write(elements)
    cues = [one.text for one in elements if one.kind == "character"]
    kinds = [one.kind for one in elements]
    found = {
        "it is not canonical": canonical(elements) != elements,
        "it is read as other elements": parse(text) != elements,
        "its text is another when written again": write(parse(text)) != text,
        "screenplain reads it as something else": seen_by_screenplain(text) != as_screenplain(elements),
        "it begins without a heading": kinds[:1] != ["heading"],
        "there is no more than a heading": len(kinds) < 2,
        "a cue has no dialogue": any(
            after not in {"dialogue", "parenthetical"}
            for kind, after in itertools.pairwise([*kinds, "end"])
            if kind in {"character", "parenthetical"}
        ),
        "somebody else speaks": bool(cast) and not {cue.partition(" (")[0] for cue in cues} <= set(cast),
        "somebody else is called": bool(cast) and not set(called(elements)) <= {*_words(" ".join(cast).upper())},
        "somebody answers himself": len(cast) > 1 and _answers_himself(elements),
        "a line is too long": any(len(line) > 480 for one in elements for line in one.text.split("\n")),
    }
    return [fault for fault, is_so in found.items() if is_so]


def called(elements: list[Element]) -> list[str]:
    """Words of directions that begin with two capitals."""
    directions = [one.text for one in elements if one.kind in {"action", "parenthetical"}]
    return [word for text in directions for word in _words(text) if word[0].isupper() and word[1:2].isupper()]


def _answers_himself(elements: list[Element]) -> bool:
    """True if two consecutive cues, with only speech between them, are of the same person."""
    cues = [
        one.text.partition(" (")[0] if one.kind == "character" else "" for one in elements if one.kind not in SPOKEN
    ]
    return any(cue and cue == after for cue, after in itertools.pairwise(cues))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text)


# --- A tiny bundle ---

SIGNS = "\n abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,!?;:'\"()-/0123456789"
VOCABULARY = ["", *markup.ALL, *SIGNS]
WINDOW, STATE = 4, 8
SOURCE = "It was the best of times, it was the worst of times, it was the age of wisdom."


def write_network(path: Path, seed: int = 0, *, vocabulary: int = len(VOCABULARY), output: str = "logits") -> None:
    """A recurrent network of random weights; control tokens, blanks and vowels are likelier than others."""
    random = np.random.default_rng(seed)
    weights = {
        "embedded": random.normal(size=(vocabulary, STATE)).astype(np.float32),
        "again": random.normal(size=(STATE, STATE)).astype(np.float32),
        "out": (2 * random.normal(size=(STATE, vocabulary))).astype(np.float32),
        "likely": np.array([2.0 * (sign in " eaoinst.\x03\x04\x06") for sign in VOCABULARY[:vocabulary]], np.float32),
        "axis": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["embedded", "window"], ["seen"]),
        helper.make_node("ReduceSum", ["seen", "axis"], ["sum"], keepdims=0),
        helper.make_node("MatMul", ["state", "again"], ["kept"]),
        helper.make_node("Add", ["sum", "kept"], ["both"]),
        helper.make_node("Tanh", ["both"], ["next_state"]),
        helper.make_node("MatMul", ["next_state", "out"], ["scores"]),
        helper.make_node("Add", ["scores", "likely"], [output]),
    ]
    inputs = [
        helper.make_tensor_value_info("window", TensorProto.INT64, ["N", WINDOW]),
        helper.make_tensor_value_info("state", TensorProto.FLOAT, ["N", STATE]),
    ]
    outputs = [
        helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", vocabulary]),
        helper.make_tensor_value_info("next_state", TensorProto.FLOAT, ["N", STATE]),
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def write_bundle(folder: Path, **changes: object) -> str:
    """A bundle of the family `script`; `changes` are fields of its input. Returns its digest."""
    folder.mkdir(parents=True, exist_ok=True)
    write_network(folder / "script.onnx")
    (folder / "verbatim.bin").write_bytes(memorization.build(SOURCE))
    return seal(folder, **changes)


def seal(folder: Path, **changes: object) -> str:
    """Writes manifest and certificate for the two files."""
    files = {
        name: BundledFile(role=role, sha256=sha256_file(folder / name), size_bytes=(folder / name).stat().st_size)
        for name, role in {"script.onnx": "graph", "verbatim.bin": "verbatim"}.items()
    }
    cache = {"weights": [0.1, 0.2, 0.4, 0.8], "discount": 0.5}
    given = {"window": WINDOW, "state": STATE, "vocabulary": VOCABULARY, "cache": cache} | changes
    return certify(folder, write_manifest(folder, Manifest(family="script", files=files, input=given)))
