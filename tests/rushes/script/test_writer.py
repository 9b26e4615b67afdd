import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushes.bundle.manifest import BundleError, read_bundle
from rushes.errors import MisuseError
from rushes.screenplay.breakdown import PAGE_LINES
from rushes.screenplay.elements import Element
from rushes.screenplay.fountain import parse, write
from rushes.screenplay_files.read_file import read_breakdown
from rushes.script.constraints.cues import EXTENSIONS
from rushes.script.constraints.repetition import Guard
from rushes.script.decoding import Writing, draw, themes
from rushes.script.length import Length, Tally, parse_length
from rushes.script.markup import ACTION, CHARACTER, CONTROL, DIALOGUE, HEADING, encoded
from rushes.script.request import Request
from rushes.script.vocabulary import Spelling, cast_of
from rushes.script.writer import ScriptWriter
from tests.support.written import STATE, VOCABULARY, called, faults, seal, write_bundle, write_network

FERRY = tuple(parse(Path(__file__).parents[2].joinpath("support", "ferry.fountain").read_text(encoding="utf-8")))
SPELLING = Spelling(VOCABULARY)
HEADINGS = ["", "INT. HALL - NIGHT", "int. hut: hall", "The Café #12#", "THE SEA", "INT/EXT. 海"]
NAMES = ["ANNA", "JOSÉ", "JOSE", "李明", "McAllister", "O'NEIL", "GUARD 2", "CUT TO:", "INT. VOICE"]


class Told:
    """A network that writes one text repeatedly, and records its input."""

    def __init__(self, text):
        self.text, self.fed = text, ""

    def reset(self):
        """Resets the network, as the writer requires."""
        self.fed = ""

    def feed(self, token, *, is_own=False):
        """Logits of the token after the text that has been fed."""
        self.fed += VOCABULARY[token]
        done = max(size for size in range(len(self.text)) if self.fed.endswith(self.text[:size]))
        logits_v = np.zeros(len(VOCABULARY), np.float32)
        logits_v[VOCABULARY.index(self.text[done])] = 19
        return logits_v


class Chance(Told):
    """A network with random logits."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        super().__init__("")

    def feed(self, token, *, is_own=False):
        """Different logits each time."""
        return 3 * self.random.normal(size=len(VOCABULARY)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The tiny bundle."""
    place = tmp_path_factory.mktemp("script")
    write_bundle(place)
    return place


@pytest.fixture(scope="module")
def writer(folder):
    """The writer of the tiny bundle."""
    return ScriptWriter.from_bundle(read_bundle(folder))


REQUESTS = st.builds(
    Request,
    theme=st.sampled_from(["", "betrayal at court", "être\nou 海"]),
    characters=st.lists(st.sampled_from(NAMES), max_size=4, unique=True).map(tuple),
    heading=st.sampled_from(HEADINGS),
    length=st.builds(Length, st.integers(5, 90), st.just("words")),
    scenes=st.integers(1, 2),
    seed=st.integers(0, 1000),
    temperature=st.sampled_from([0, 0.5, 1, 2]),
    before=st.sampled_from([(), FERRY, FERRY[:20], FERRY[:34]]),
)


def checked(writing, request):
    """The text, after every scene has passed the check."""
    text = "".join(writing)
    cast = tuple(request.characters)
    starts = [number for number, one in enumerate(writing.elements) if one.kind == "heading"]
    begins = [Element("heading", "EXT. SEA")] if not starts or starts[0] else []
    scenes = [*begins, *writing.elements]
    starts = [number for number, one in enumerate(scenes) if one.kind == "heading"]
    for start, end in zip(starts, [*starts[1:], len(scenes)], strict=True):
        plain = [Element(one.kind, one.text) for one in scenes[start:end]]
        assert faults(plain, cast) == []
    return text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(REQUESTS, st.booleans())
def test_what_comes_is_the_draft(writer, request, is_tiny):
    """With random networks: the joined text is the Fountain of the elements, and each scene is valid."""
    writing = writer.write(request) if is_tiny else Writing(Chance(request.seed), SPELLING, request)
    text = checked(writing, request)

    assert parse(text) == writing.elements
    assert text.lstrip("\n") == write(writing.elements).lstrip("\n")
    assert parse(write(request.before) + text) == [*request.before, *writing.elements]


def test_the_same_seed_gives_the_same_draft(writer):
    """Earlier drafts do not matter; another seed gives another draft."""
    request = Request(theme="sea", length=Length(60, "words"), seed=4)
    first = "".join(writer.write(request))

    assert "".join(writer.write(Request(seed=5, length=Length(60, "words")))) != first
    assert "".join(writer.write(request)) == first


def test_what_a_draft_has_said_is_found_again(writer, tmp_path):
    """Names of characters recur in a new scene and in a continued one; not in a bundle without a cache."""
    write_bundle(tmp_path, cache={"weights": [0.0], "discount": 0.5})
    plain = ScriptWriter.from_bundle(read_bundle(tmp_path))
    begun, letter = [SPELLING.tokens(sign)[0] for sign in f"{CHARACTER}SKIPP"], VOCABULARY.index("E")

    def share(one, **request):
        network = one.network_for(Request(**request))
        network.reset()
        logits_v = [network.feed(token) for token in begun][-1]
        return float(np.exp(logits_v - np.logaddexp.reduce(logits_v))[letter])

    assert share(writer, before=FERRY, heading="SEA") > 0.7 > share(plain, before=FERRY, heading="SEA")
    assert share(writer, before=FERRY) > 0.7 > 10 * share(writer)


def test_what_the_network_reads():
    """The request, the heading, and the nearest known characters for those outside its alphabet."""
    network = Told(f"{ACTION}Go on. Now. ")
    request = Request(
        theme="L\u2019été at the Court of whom, court",
        characters=("JOSÉ", "李明"),
        heading="Café 海",
        length=Length(4, "words"),
    )
    said = []
    writing = Writing(network, SPELLING, request, said.append)
    "".join(writing)

    asked = f"{CONTROL}theme: court, whom\ncharacters: JOSE, PERSON A\n{HEADING}CAFE"
    assert network.fed.startswith(f"{asked}{ACTION}Go on.")
    assert writing.elements[0] == Element("heading", "Café 海")
    assert [line.partition(":")[0] for line in said] == ["this model cannot spell JOSÉ", "this model cannot spell 李明"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("Betrayal at the court", ["betrayal", "court"]), ("the end", ["the end"]), ("", [""]), ("Été, 海", ["Été, 海"])],
)
def test_a_theme_is_its_words(text, words):
    """A theme stands for the words under which a network has learned scenes."""
    assert themes(text) == words


def test_names_are_printed_as_they_were_given():
    """With their extensions; the network is fed its own spelling."""
    network = Told(f"{CHARACTER}JOSE (V.O.){DIALOGUE}Go on now. ")
    writing = Writing(network, SPELLING, Request(characters=("JOSÉ",), heading="SEA", length=Length(9, "words")))

    assert "".join(writing).startswith(".SEA\n\nJOSÉ (V.O.)\nGo on now.")
    assert CHARACTER + "JOSE (V.O.)" + DIALOGUE in network.fed


def test_extensions_are_those_of_the_bundle(tmp_path):
    """Planted: a network that prefers one after every cue, in a bundle whose text had none.

    Older bundles do not list them.
    """
    network, request = Told(f"{CHARACTER}JOE (V.O.){DIALOGUE}Go on now. "), Request(heading="SEA")
    texts = ["".join(Writing(network, SPELLING, request, extensions=some)) for some in ((), (" (V.O.)",))]
    for name, changes in (("new", {"extensions": []}), ("old", {})):
        write_bundle(tmp_path / name, **changes)
    new, old = (ScriptWriter.from_bundle(read_bundle(tmp_path / name)) for name in ("new", "old"))

    assert ["(V.O.)" in text for text in texts] == [False, True]
    assert (new.extensions, old.extensions) == ((), EXTENSIONS)


def directions_of(text, cast=("JOSÉ",)):
    """Directions written by a network that repeats one text, with Jose as the cast."""
    network = Told(f"{ACTION}{text} {CHARACTER}JOSE{DIALOGUE}Go on now. ")
    writing = Writing(network, SPELLING, Request(characters=cast, heading="SEA", length=Length(9, "words")))
    list(writing)
    return writing.elements


def test_who_is_called_is_of_the_cast():
    """The given spelling is used. Planted: a network that prefers Kent, which is allowed without a cast."""
    assert called(directions_of("Enter JOSE."))[0] == "JOSÉ"
    assert "KENT" not in called(directions_of("Enter KENT."))
    assert called(directions_of("Enter KENT.", cast=()))[0] == "KENT"


def test_a_draft_goes_on():
    """The network reads its last scene, heading first; only new text is returned."""
    network = Told(f"{ACTION}Fog. ")
    text = "".join(Writing(network, SPELLING, Request(before=FERRY[:20], length=Length(1, "words"))))
    after_a_speech = "".join(Writing(Told(f"{ACTION}Fog. "), SPELLING, Request(before=FERRY[:23])))

    assert network.fed.startswith(f"{CONTROL}{HEADING}INT./EXT. TRUCK - MOVING - DAY{ACTION}TOMAS (60) drives;")
    assert text == "\nFog.\n"
    assert after_a_speech.startswith("\nFog.")


def test_after_a_transition_another_scene_begins():
    """A given heading begins one too."""
    network = Told(f"{HEADING}EXT. LAKE{ACTION}Fog. ")
    over = Request(before=(*FERRY[:20], Element("transition", "CUT TO:")), length=Length(3, "words"))
    asked = Request(before=FERRY[:20], heading="INT. HUT", length=Length(3, "words"))

    assert "".join(Writing(network, SPELLING, over)).startswith("\nEXT. LAKE\n\nFog.")
    assert "".join(Writing(Told(f"{ACTION}Fog. "), SPELLING, asked)).startswith("\nINT. HUT\n\nFog.")


def test_a_network_that_repeats_itself_is_kept_from_it():
    """No line of three words or more occurs twice, and no six words in the same order."""
    network = Told(f"{CHARACTER}ANNA{DIALOGUE}I do not know.{CHARACTER}BOB{DIALOGUE}Well well.")
    writing = Writing(network, SPELLING, Request(length=Length(150, "words"), heading="SEA"))
    "".join(writing)
    lines = [line.lower() for one in writing.elements if one.kind == "dialogue" for line in one.text.split("\n")]
    lines = [line for line in lines[:-1] if len(line.split()) > 2]

    assert len(lines) == len(set(lines)) > 1
    assert not re.search(r"\b(\w+( \w+){5})\b.*\b\1\b", "\n".join(lines))


def test_the_guard_alone():
    """The sixth word of a known run is excluded, and a learned line may not end; a lone allowed token is kept."""
    guard, mask = Guard(VOCABULARY), np.ones(len(VOCABULARY), bool)
    guard.learn([Element("action", "One two three four five six seven.")])
    for sign in f"{ACTION}And one two three four five ":
        guard.push(sign)
    narrowed = guard.narrowed(mask)

    assert {sign for sign, kept in zip(VOCABULARY, narrowed, strict=True) if not kept} == {"s", "S"}
    for sign in f"{ACTION}one two three four five six seven.":
        guard.push(sign)
    assert not guard.narrowed(mask)[VOCABULARY.index(ACTION)]
    assert guard.narrowed(mask)[VOCABULARY.index(" ")]
    only = np.array([sign == ACTION for sign in VOCABULARY])
    assert guard.narrowed(only) is only


def test_what_was_asked_is_no_text():
    """A line of dialogue that equals a key of the control text gets no colon; later in a line a colon is allowed."""
    guard, mask = Guard(VOCABULARY), np.ones(len(VOCABULARY), bool)
    colon = VOCABULARY.index(":")
    for sign in f"{DIALOGUE}My characters":
        guard.push(sign)
    assert guard.narrowed(mask)[colon]
    for sign in "\ncharacters":
        guard.push(sign)

    assert not guard.narrowed(mask)[colon]
    assert guard.narrowed(mask).sum() == len(VOCABULARY) - 1


@pytest.mark.parametrize(("length", "least", "most"), [("1p", 0.5, 1.2), ("40w", 20, 80), ("2 pages", 1, 2.2)])
def test_the_length(writer, tmp_path, length, least, most):
    """At least half of the requested length, and little more; a storyboard counts the same pages."""
    writing = writer.write(Request(length=parse_length(length), heading="INT. HALL"))
    text = "".join(writing)
    (tmp_path / "draft.fountain").write_text(text, encoding="utf-8")
    [scene] = read_breakdown(tmp_path / "draft.fountain").scenes
    pages, words = scene.eighths / 8, sum(len(one.text.split()) for one in writing.elements)

    assert least <= (words if "w" in length else pages) <= most
    tally = Tally(Length(PAGE_LINES, "lines"))
    for sign in encoded(writing.elements):
        tally.push(sign)
    # A storyboard rounds up to the next eighth of a page, as is usual.
    assert 0 <= pages * PAGE_LINES - tally.amount <= PAGE_LINES / 8


@pytest.mark.parametrize("length", ["", "2", "p", "0p", "31p", "-1p", "2 miles", "20000w", "2pw"])
def test_what_is_no_length(length):
    """The error quotes it, with an example."""
    with pytest.raises(MisuseError, match="write pages as 2p"):
        parse_length(length)


def test_an_outline_and_a_profile():
    """Sections and synopses: speakers in brackets, each once."""
    told = Told(f"{HEADING}INT. HALL{ACTION}She goes.{CHARACTER}ANNA, BOB, ANNA{HEADING}EXT. SEA{ACTION}It rains.")
    cast = ("ANNA", "BOB")
    outline = Writing(told, SPELLING, Request(mode="outline", characters=cast, length=Length(10, "words")))
    proud = Told(f"{ACTION}She is proud.{ACTION}A liar. ")
    profile = Writing(proud, SPELLING, Request(mode="profile", characters=("ANNA",), length=Length(5, "words")))

    assert "".join(outline) == "# 1. INT. HALL\n\n= She goes. (ANNA, BOB)\n\n# 2. EXT. SEA\n\n= It rains.\n"
    assert "".join(profile) == "# ANNA\n\n= She is proud.\n\n= A liar.\n"
    assert proud.fed.startswith(f"{CONTROL}profile\ncharacters: ANNA\n{CHARACTER}ANNA{ACTION}She")


@pytest.mark.parametrize("mode", ["outline", "profile"])
def test_outlines_and_profiles_come_as_they_are(writer, mode):
    """The joined pieces are their Fountain."""
    writing = writer.write(Request(mode=mode, characters=("ANNA", "JOSÉ"), length=Length(80, "words")))
    text = "".join(writing)

    assert text == write(writing.elements)
    assert parse(text) == writing.elements
    assert {one.kind for one in writing.elements} == {"section", "synopsis"}


def test_stopped_at_any_time_it_is_a_draft(writer):
    """The pieces so far are the Fountain of the elements so far."""
    writing, text = writer.write(Request(length=Length(60, "words"), heading="SEA")), ""
    for new in writing:
        text += new

        assert text == write(writing.elements)


def test_what_is_drawn():
    """The likeliest at temperature zero, none beyond top_p, and only allowed tokens."""
    logits_v, random = np.log(np.array([0.5, 0.3, 0.15, 0.05], np.float32)), np.random.default_rng(0)
    everything = np.ones(4, bool)

    def drawn(mask_v, temperature, top_p):
        return {draw(logits_v, mask_v, random, temperature=temperature, top_p=top_p) for _ in range(400)}

    assert drawn(everything, 0, 1) == {0}
    assert drawn(everything, 1, 1) == {0, 1, 2, 3}
    assert drawn(everything, 1, 0.7) == {0, 1}
    assert drawn(np.array([False, False, True, True]), 1, 0.01) == {2}


def test_who_can_be_spelled():
    """Accents are folded; a name without a known letter, or with a taken spelling, gets a stand-in."""
    cast = cast_of(["José", "JOSE", "李明"], SPELLING)

    assert cast == {"JOSE": "José", "PERSON A": "JOSE", "PERSON B": "李明"}
    with pytest.raises(MisuseError, match="cannot spell 李明"):
        cast_of(["李明"], Spelling(["", "a"]))


@pytest.mark.parametrize("name", ["^", "^ ^", " "])
def test_what_is_no_name(writer, name):
    """A Fountain marker alone."""
    with pytest.raises(MisuseError, match="is not a name"):
        writer.write(Request(characters=(name,)))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"window": None}, "usable input"),
        ({"window": 0}, "a window of 0"),
        ({"window": 5}, "cannot be run with what the manifest describes"),
        ({"state": STATE + 1}, "cannot be run with what the manifest describes"),
        ({"vocabulary": VOCABULARY[:-1]}, "not numbers for"),
        ({"vocabulary": [*VOCABULARY[:-1], "ab"]}, "not a list of different signs"),
        ({"vocabulary": [*VOCABULARY[:-1], "a"]}, "not a list of different signs"),
        ({"vocabulary": "abc"}, "not a list of signs"),
        ({"cache": None}, "usable input"),
        ({"extensions": [" (SINGS)"]}, "usable input .*known are ' .V.O"),
        ({"cache": {"weights": [1.5], "discount": 0.5}}, "usable input .*shares below 1"),
        ({"vocabulary": [*VOCABULARY[:3], *map(chr, range(500, 500 + len(VOCABULARY) - 3))]}, "can write no scene"),
    ],
)
def test_a_bundle_that_cannot_write_is_refused(tmp_path, changes, fault):
    """The reason precedes any output."""
    write_bundle(tmp_path, **changes)

    with pytest.raises(BundleError, match=fault):
        ScriptWriter.from_bundle(read_bundle(tmp_path)).write(Request())


def test_files_that_are_others_are_refused(tmp_path):
    """Another graph, and a file that is not a filter."""
    write_bundle(tmp_path)
    write_network(tmp_path / "script.onnx", output="scores_out")
    seal(tmp_path)
    with pytest.raises(BundleError, match="gives next_state, scores_out, not window and state"):
        ScriptWriter.from_bundle(read_bundle(tmp_path))
    (tmp_path / "verbatim.bin").write_bytes(b"RVB1")
    seal(tmp_path)

    with pytest.raises(BundleError, match="too short for a memorisation filter"):
        ScriptWriter.from_bundle(read_bundle(tmp_path))
