"""Decoding of a draft, character by character."""

from __future__ import annotations

import re
import time
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from rushes.errors import MisuseError
from rushes.screenplay.elements import Element, Kind, canonical
from rushes.script.constraints.cues import EXTENSIONS
from rushes.script.constraints.grammar import Grammar, State
from rushes.script.constraints.repetition import Guard
from rushes.script.draft import Form, SceneDraft, last_scene
from rushes.script.length import Tally
from rushes.script.markup import ACTION, ALL, CHARACTER, END, HEADING, KINDS, PARENTHETICAL, SIGNS, control
from rushes.script.vocabulary import cast_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rushes.script.constraints.grammar import Ending
    from rushes.script.request import Network, Request
    from rushes.script.vocabulary import Spelling

_WORD = re.compile(r"[^\W\d_]{4,}")
_EVERYWHERE = re.compile(
    "about|above|after|again|also|always|among|been|before|being|between|both|could|does|down|during|each|else|"
    "even|ever|every|from|have|here|into|itself|just|like|more|most|much|must|never|once|only|other|over|same|"
    "should|some|such|than|that|their|them|then|there|these|they|this|those|through|under|until|upon|very|what|"
    "when|where|which|while|whose|will|with|would|your"
)
MAX_READ = 6000  # maximum number of characters of the previous scene that the network is fed


class Writing:
    """A draft in progress; iterating yields its text, one paragraph or one line of a speech at a time.

    The text so far, joined, is always the canonical Fountain of `elements`, after an interruption too.

    Attributes:
        elements: Elements written so far, as printed.
        signs: Number of characters that the network has written.
        seconds: Elapsed time, including the prompt.
    """

    def __init__(
        self,
        network: Network,
        spelling: Spelling,
        request: Request,
        report: Callable[[str], None] = lambda _: None,
        extensions: Sequence[str] = EXTENSIONS,
    ) -> None:
        self.elements: list[Element] = []
        self.signs, self.seconds = 0, 0.0
        self._network, self._spelling, self._request = network, spelling, request
        self._random = np.random.default_rng(request.seed)
        self._guard = Guard(spelling.vocabulary)
        self._guard.learn(request.before)
        self._cast = cast_of([_printable("character", name).text for name in request.characters], spelling)
        self._heading = [_printable("heading", request.heading)] if request.heading.strip() else []
        for spelled, name in self._cast.items():
            if spelled != name.upper():
                report(f"this model cannot spell {name}: it reads {spelled}, and {name} is printed")
        self._grammar = Grammar(spelling.vocabulary, tuple(self._cast), request.mode, extensions)
        self._form, self._block = Form(request.mode), SceneDraft(is_first=not request.before)

    def __iter__(self) -> Iterator[str]:
        """Writes one scene after the other."""
        scenes = chain.from_iterable(map(self._scene, range(self._request.scenes)))
        return filter(None, map(self._printed, scenes))

    def _printed(self, elements: Iterable[Element]) -> str:
        new = list(elements)
        self.elements += new
        return "".join(map(self._block.more, new))

    def _scene(self, number: int) -> Iterator[Iterable[Element]]:
        """Yields the elements of a scene as they become final."""
        start = time.perf_counter() - self.seconds
        given, state, prompt = self._opening(number)
        tally = Tally(self._request.length)
        # Given elements count towards the length, and are printed before the first drawn character.
        for sign in "".join(SIGNS[element.kind] + element.text for element in given):
            tally.push(sign)
        yield chain.from_iterable(map(self._form.push, given))
        logits_v, text = self._read(prompt), ""
        while state.kind != END:
            sign = self._next(logits_v, state, tally.ending())
            if sign not in ALL:
                text += sign
            elif text:
                self.seconds = time.perf_counter() - start
                yield self._form.push(self._element(state.kind, text))
                text = ""
            state = self._grammar.step(state, sign)
            tally.push(sign)
            logits_v = self._feed(sign)
        yield self._form.end()

    def _next(self, logits_v: np.ndarray, state: State, ending: Ending) -> str:
        mask_v = self._grammar.mask(state, ending)
        if ending != "must":  # repetition is better than a text that does not end
            mask_v = self._guard.narrowed(mask_v)
        request = self._request
        token = draw(logits_v, mask_v, self._random, temperature=request.temperature, top_p=request.top_p)
        self.signs += 1
        return self._spelling.vocabulary[token]

    def _feed(self, sign: str) -> np.ndarray:
        self._guard.push(sign)
        return self._network.feed(self._spelling.tokens(sign)[0], is_own=True)

    def _read(self, prompt: str) -> np.ndarray:
        """Logits after the prompt."""
        # The state is reset for each scene, so every scene depends on its prompt only.
        self._network.reset()
        logits_v = np.zeros(len(self._spelling.vocabulary), np.float32)
        for token in self._spelling.tokens(prompt):
            logits_v = self._network.feed(token)
        return logits_v

    def _opening(self, number: int) -> tuple[list[Element], State, str]:
        """Given beginning of a scene: its elements, the state after them, and the text that the network is fed."""
        request = self._request
        theme, mood = list(map(self._near, themes(request.theme))), self._near(request.mood)
        asked = control(theme=theme, mood=mood, characters=list(self._cast), mode=request.mode)
        if request.mode == "profile":
            given = [_printable("character", request.characters[0])]
            return given, State(CHARACTER, complete=True), f"{asked}{CHARACTER}{next(iter(self._cast))}"
        if number == 0 and self._heading:
            read = self._near(self._heading[0].text.upper())
            return self._heading, State(HEADING, complete=True), f"{asked}{HEADING}{read}"
        last = last_scene(request.before) if number == 0 else []
        if not last or last[-1].kind == "transition":
            return [], State(), asked
        kind = HEADING if last[-1].kind == "heading" else ACTION  # a complete speech counts as action
        return [], State(kind, complete=True), asked + self._spelled(last)

    def _near(self, text: str) -> str:
        return " ".join(self._spelling.spelled(text).split())

    def _spelled(self, scene: list[Element]) -> str:
        """A scene to be continued, as the network reads it; of a long one, the heading and the end."""
        names = {name: spelled for spelled, name in self._cast.items()}
        upper = {"character", "heading"}
        parts = [
            SIGNS[one.kind] + (_renamed(one.text, names).upper() if one.kind in upper else one.text) for one in scene
        ]
        # Whole elements are kept, from the end backwards, up to MAX_READ characters.
        sizes = np.cumsum([len(part) for part in reversed(parts)])
        kept = max(1, int((sizes <= MAX_READ).sum()))
        return "".join(parts[-kept:] if kept == len(parts) else [parts[0], *parts[-kept:]])

    def _element(self, sign: str, text: str) -> Element:
        """An element as printed."""
        if sign == CHARACTER:
            text = ", ".join(dict.fromkeys(_renamed(name, self._cast) for name in text.split(", ")))
        elif sign in {ACTION, PARENTHETICAL}:
            text = _recalled(text, self._cast)
        return Element(KINDS[sign], text)


def themes(text: str) -> list[str]:
    """Words of a theme in the form that networks learn: lower case, without words that occur in any text.

    `Betrayal at the court` gives `betrayal, court`; a theme without such words is unchanged.
    """
    words = [word for word in _WORD.findall(text.lower()) if not _EVERYWHERE.fullmatch(word)]
    return list(dict.fromkeys(words)) or [text]


def draw(
    logits_v: np.ndarray, mask_v: np.ndarray, random: np.random.Generator, *, temperature: float, top_p: float
) -> int:
    """Draws a token that the mask allows.

    Args:
        logits_v: float32 V.
        mask_v: bool V; at least one is True.
        random: Random generator; one number of it is used.
        temperature: Divides the logits; at 0 the most likely token is taken.
        top_p: Share of the total probability of the most likely tokens that are drawn from.
    """
    # One number is used in every case, so that later draws do not depend on the temperature.
    chance = random.random()
    tokens = np.flatnonzero(mask_v)
    scores = logits_v[tokens].astype(np.float64)
    if temperature <= 0:
        return int(tokens[scores.argmax()])
    # Softmax over the allowed tokens, shifted by the maximum so that exp does not overflow.
    shares = np.exp((scores - scores.max()) / temperature)
    # Nucleus: the shortest prefix in order of probability that reaches top_p (Holtzman et al. 2020).
    order = np.argsort(-shares, kind="stable")
    sums = np.cumsum(shares[order])
    kept = min(int(np.searchsorted(sums, top_p * sums[-1])) + 1, len(order))
    return int(tokens[order[np.searchsorted(sums[:kept], chance * sums[kept - 1], side="right")]])


def _renamed(text: str, names: dict[str, str]) -> str:
    """A cue with another name; its extension is unchanged."""
    end = next((one for one in EXTENSIONS if text.endswith(one)), "")
    name = text.removesuffix(end)
    return names.get(name, name) + end


def _recalled(text: str, names: dict[str, str]) -> str:
    """A direction with names in capitals as printed, where the network spells them differently."""
    others = {spelled: name.upper() for spelled, name in names.items() if spelled != name.upper()}
    pattern = "|".join(rf"(?<!\w){re.escape(spelled)}(?!\w)" for spelled in others)
    return re.sub(pattern, lambda found: others[found[0]], text) if others else text


def _printable(kind: Kind, text: str) -> Element:
    """A requested heading or cue, in a form that Fountain can express."""
    found = next(iter(canonical([Element(kind, text), Element("dialogue", "Words.")])))
    if found.kind != kind:
        message = f"{text!r} is not a {'name' if kind == 'character' else kind}"
        raise MisuseError(message)
    return found
