import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.bundle.manifest import BundleError
from rushes.screenplay.elements import Element
from rushes.script.constraints import grammar
from rushes.script.constraints.grammar import Grammar, State
from rushes.script.markup import (
    ACTION,
    ALL,
    CHARACTER,
    DIALOGUE,
    END,
    HEADING,
    PARENTHETICAL,
    TRANSITION,
    decoded,
    encoded,
)
from tests.support.written import SIGNS, VOCABULARY, faults

WILD = ["", *ALL, *SIGNS, *"[]*_\\^~|@#<>={}`&+éßªı²ǅ—…“”\t\0\x85\ufeff海"]  # look-alike characters are intended
CASTS = [(), ("ANNA",), ("ANNA", "ANN", "BOB 2"), ("O'NEIL", "CUT TO", "INT. VOICE", "ann")]


def written(rules, random, length, vocabulary=WILD, start=None):
    """A text from random logits, with some characters likelier than others; an error if it does not end."""
    weights = np.exp(2 * random.normal(size=len(vocabulary)))
    state, text = start or State(), ""
    while state.kind != END:
        assert len(text) < length + 1200
        ending = "not yet" if len(text) < length / 2 else "may" if len(text) < length else "must"
        allowed = weights * rules.mask(state, ending)
        assert allowed.any()
        sign = vocabulary[random.choice(len(vocabulary), p=allowed / allowed.sum())]
        state, text = rules.step(state, sign), text + sign
    return text


@settings(max_examples=250, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(CASTS), st.integers(1, 1500))
def test_whatever_is_drawn_is_a_scene(seed, cast, length):
    """It ends and is read as intended, also by screenplain; only the cast speaks or is mentioned."""
    text = written(Grammar(WILD, cast), np.random.default_rng(seed), length)

    assert encoded(decoded(text)) == text
    assert faults(decoded(text), cast) == []


def drawn_faults(seed):
    try:
        return faults(decoded(written(Grammar(WILD), np.random.default_rng(seed), 900)))
    except AssertionError:
        return []


@pytest.mark.parametrize(
    ("name", "wrong", "fault"),
    [
        ("MEANT", frozenset(), "screenplain reads it as something else"),
        ("_is_plain", lambda sign: len(sign) == 1, "it is read as other elements"),
        ("Grammar._may_stop", lambda *_: True, "it is not canonical"),
        ("MAX_LINE", dict.fromkeys(grammar.MAX_LINE, 9999), "a line is too long"),
        ("FOLLOWERS", {"scene": grammar.FOLLOWERS["scene"] | {CHARACTER: ACTION + END}}, "a cue has no dialogue"),
        ("FOLLOWERS", {"scene": grammar.FOLLOWERS["scene"] | {HEADING: END}}, "there is no more than a heading"),
        ("FOLLOWERS", {"scene": grammar.FOLLOWERS["scene"] | {"": ACTION}}, "it begins without a heading"),
    ],
)
def test_a_rule_that_lacks_shows(monkeypatch, name, wrong, fault):
    """Without one of its rules, the grammar writes texts that the check rejects."""
    monkeypatch.setattr(f"rushes.script.constraints.grammar.{name}", wrong)

    assert any(fault in drawn_faults(seed) for seed in range(60))


def test_a_cast_that_is_not_kept_shows():
    """The check compares the cues with the cast."""
    text = written(Grammar(VOCABULARY), np.random.default_rng(3), 900, VOCABULARY)

    assert {"somebody else speaks", "somebody else is called"} <= set(faults(decoded(text), ("ANNA",)))


def test_who_answers_himself_shows():
    """Planted: the same cue twice. In a cast of one, no other character could respond."""
    twice = decoded(f"{HEADING}SEA{CHARACTER}BOB{DIALOGUE}Hi.{CHARACTER}BOB (V.O.){DIALOGUE}Ho.{END}")

    assert faults(twice, ("ANNA", "BOB")) == ["somebody answers himself"]
    assert faults(twice, ("BOB",)) == []


def allowed(rules, text, ending="may"):
    state = State()
    for sign in text:
        assert rules.allows(state, sign), (state, sign)
        state = rules.step(state, sign)
    return {sign for sign, is_so in zip(VOCABULARY, rules.mask(state, ending), strict=True) if is_so}


@pytest.mark.parametrize(
    ("text", "may", "may_not"),
    [
        ("", HEADING, ACTION + END + "A"),
        (f"{HEADING}SEA", ACTION + CHARACTER + " A", DIALOGUE + END + "a\n"),
        (f"{HEADING}SEA ", "A", ACTION + " "),
        (f"{HEADING}SEA{ACTION}", 'aA"(', END + ACTION + " .\n"),
        (f"{HEADING}SEA{ACTION}Ah.", END + ACTION + CHARACTER + TRANSITION + " a", DIALOGUE + "\n"),
        (f"{HEADING}SEA{ACTION}K", "aen ", "ENA"),
        (f"{HEADING}SEA{ACTION}To AN", "N", "AKa .1" + END),
        (f"{HEADING}SEA{ACTION}To ANNA", " .,'" + CHARACTER, "NaS2"),
        (f"{HEADING}SEA{ACTION}To ANNA'", "sS", ""),
        (f"{HEADING}SEA{CHARACTER}BOB{PARENTHETICAL}to B", "Oy", "AB"),
        (f"{HEADING}SEA{CHARACTER}BOB{DIALOGUE}K", "EN", ""),
        (f"{HEADING}SEA{CHARACTER}", "AB", "CZa" + DIALOGUE),
        (f"{HEADING}SEA{CHARACTER}BOB{DIALOGUE}Hi.\nHo.{CHARACTER}", "A", "B"),
        (f"{HEADING}SEA{CHARACTER}BOB (V.O.){PARENTHETICAL}low{DIALOGUE}Hi.{CHARACTER}", "A", "B"),
        (f"{HEADING}SEA{CHARACTER}BOB{DIALOGUE}Hi.{ACTION}He waits.{CHARACTER}", "AB", ""),
        (f"{HEADING}SEA{CHARACTER}AN", "N", "AaB " + DIALOGUE),
        (f"{HEADING}SEA{CHARACTER}ANNA", DIALOGUE + PARENTHETICAL + " ", "A" + ACTION + END),
        (f"{HEADING}SEA{CHARACTER}ANNA (", "VOC", "A)"),
        (f"{HEADING}SEA{CHARACTER}ANNA (V.O.)", DIALOGUE, " A" + END),
        (f"{HEADING}SEA{CHARACTER}BOB{PARENTHETICAL}low", DIALOGUE + "a ", END + ")("),
        (f"{HEADING}SEA{CHARACTER}BOB{DIALOGUE}Hi.", "\n " + END + ACTION + PARENTHETICAL, DIALOGUE),
        (f"{HEADING}SEA{CHARACTER}BOB{DIALOGUE}Hi.\n", "aA-", "( \n" + END),
        (f"{HEADING}SEA{ACTION}Ah{TRANSITION}CUT TO", ":. A", "a" + END),
        (f"{HEADING}SEA{ACTION}Ah{TRANSITION}CUT TO:", END, " A" + ACTION),
    ],
)  # fmt: skip
def test_what_may_come_next(text, may, may_not):
    """Allowed characters one by one, with Anna and Bob as the cast."""
    found = allowed(Grammar(VOCABULARY, ("ANNA", "BOB")), text)

    assert set(may) <= found
    assert not set(may_not) & found


def test_when_it_ends():
    """The end is not allowed early, and is forced once required, after the sentence."""
    rules = Grammar(VOCABULARY)
    scene = f"{HEADING}SEA{ACTION}Ah"

    assert not {END, TRANSITION} & allowed(rules, scene, "not yet")
    assert not set(ALL) & allowed(rules, scene, "must")
    assert allowed(rules, f"{scene}.", "must") == {END}
    assert allowed(rules, f'{scene}: "No.', "must") == {END, '"'}
    assert allowed(rules, f'{scene}: "No."', "must") == {END}
    assert DIALOGUE in allowed(rules, f"{HEADING}SEA{CHARACTER}BOB", "must")


@pytest.mark.parametrize("cast", CASTS)
@pytest.mark.parametrize("seed", range(8))
def test_outlines_and_profiles(seed, cast):
    """Beats with a heading, an action and perhaps speakers; and descriptions of characters."""
    random = np.random.default_rng(seed)
    outline = decoded(written(Grammar(WILD, cast, "outline"), random, 600))
    given_name = State(CHARACTER, complete=True)
    profile = decoded(written(Grammar(WILD, cast, "profile"), random, 600, start=given_name))
    names = {name for one in outline if one.kind == "character" for name in one.text.split(", ")}

    assert [one.kind for one in outline][:2] == ["heading", "action"]
    assert outline.count(Element("heading", "")) == 0
    assert not cast or names <= set(cast)
    assert {one.kind for one in profile} == {"action"}


@pytest.mark.parametrize(
    ("vocabulary", "cast", "fault"),
    [
        (["", *"ABC ."], (), "it can write no scene"),
        (["", *ALL, *"abc ."], (), "capital letters"),
        (VOCABULARY, ("JOSÉ",), "cannot spell 'JOSÉ'"),
    ],
)
def test_what_cannot_write_says_so(vocabulary, cast, fault):
    """The error precedes any output."""
    with pytest.raises(BundleError, match=fault):
        Grammar(vocabulary, cast)


def test_the_first_token_is_none():
    """Whatever character it has; and masks are cached."""
    rules = Grammar(["a", *VOCABULARY[1:]])
    mask = rules.mask(State(ACTION))

    assert not mask[0]
    assert rules.mask(State(ACTION)) is mask
