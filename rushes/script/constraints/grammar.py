"""Grammar of scripts: a state machine over characters that allows the next ones, so that the text is always a script.

    scene      HEADING, then action and speeches, optionally a TRANSITION, END; no two consecutive cues of one name
    speech     CHARACTER, then dialogue, each optionally after a PARENTHETICAL: no cue without dialogue
    outline    beats of HEADING, ACTION (events) and optionally CHARACTER (speakers, separated by commas), END
    profile    CHARACTER (its subject), then actions, END

Characters with a meaning in Fountain are not allowed, so no text has to be fixed afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from rushes.bundle.manifest import BundleError
from rushes.screenplay.elements import printed
from rushes.script.constraints.cues import EXTENSIONS, MAX_NAME, MAX_NAMES, Names
from rushes.script.constraints.mentions import Called
from rushes.script.markup import ACTION, ALL, CHARACTER, DIALOGUE, END, HEADING, PARENTHETICAL, TRANSITION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rushes.script.markup import Mode

Ending = Literal["not yet", "may", "must"]

# Characters in a line. From SOFT of it on the line ends with a sentence, from BLANKLESS on with a word.
MAX_LINE = {HEADING: 80, ACTION: 400, CHARACTER: MAX_NAME, PARENTHETICAL: 60, DIALOGUE: 300, TRANSITION: 24}
MAX_LINES = 60  # of verse in one dialogue
_SOFT, _BLANKLESS = 0.75, 0.9
_AMPLE, _ENDING, _LAST_WORD, _FULL = range(4)  # remaining room in a line

_START = ""  # no element yet
FOLLOWERS: dict[Mode, dict[str, str]] = {
    "scene": {
        _START: HEADING,
        HEADING: ACTION + CHARACTER,
        ACTION: ACTION + CHARACTER + TRANSITION + END,
        CHARACTER: PARENTHETICAL + DIALOGUE,
        PARENTHETICAL: DIALOGUE,
        DIALOGUE: ACTION + CHARACTER + PARENTHETICAL + TRANSITION + END,
        TRANSITION: END,
    },
    "outline": {_START: HEADING, HEADING: ACTION, ACTION: CHARACTER + HEADING + END, CHARACTER: HEADING + END},
    "profile": {_START: CHARACTER, CHARACTER: ACTION, ACTION: ACTION + END},
}
_NEEDED: dict[Mode, str] = {
    "scene": HEADING + ACTION + CHARACTER + DIALOGUE + END,
    "outline": HEADING + ACTION + END,
    "profile": CHARACTER + ACTION + END,
}
_PROSE = ACTION + DIALOGUE
_CALLING = ACTION + PARENTHETICAL  # stage directions, which name the cast in capitals
MEANT = frozenset("[]{}<>*_\\^~|@#=`")  # characters with a special meaning in Fountain or its derivatives
_QUOTES = "\"'\u201c\u2018\u00ab"
_OPENINGS = {ACTION: _QUOTES + "(", DIALOGUE: _QUOTES + ".-\u2013\u2014\u2026", PARENTHETICAL: _QUOTES}
_IN_NAMES = " .'-&"
_SENTENCE_ENDS, _CLOSINGS = ".?!\u2026", "\"')\u201d\u2019\u00bb"
_PAIRS = {'"': '"', "(": ")", "\u201c": "\u201d", "\u00ab": "\u00bb"}  # an apostrophe closes nothing
_TRANSITION_ENDS = ":."


class State(NamedTuple):
    """State within a script: after the character `last`, in the element that `kind` opened.

    `has_text` is True if the line has a letter or digit, `closed` if a sentence has ended, `complete` if the element
    was given as a whole; `pending` closes the open quotation or bracket; `place` is the place in the automaton of
    names, those of a cue or those mentioned in a direction; `speaker` is the previous speaker of the cast.
    """

    kind: str = _START
    last: str = ""
    has_text: bool = False
    closed: bool = False
    size: int = 0
    lines: int = 1
    pending: str = ""
    place: str = ""
    complete: bool = False
    speaker: str = ""


class Grammar:
    """The grammar of scripts for a vocabulary and a cast.

    Args:
        vocabulary: One character for each token; the first token stands for none and is never allowed.
        cast: Names of those who may speak, and who may be named in capitals in a direction, spelled with these
            characters; anybody if empty.
        mode: A scene, an outline or a profile.
        extensions: Possible extensions of the name in a cue of a scene.

    Raises:
        ValueError: Nothing can be written with these characters, or a name cannot.
    """

    def __init__(
        self,
        vocabulary: Sequence[str],
        cast: Sequence[str] = (),
        mode: Mode = "scene",
        extensions: Sequence[str] = EXTENSIONS,
    ) -> None:
        self._vocabulary = ["", *vocabulary[1:]]
        known = frozenset(filter(None, self._vocabulary))
        plain = frozenset(filter(_is_plain, known))
        capital = frozenset(sign for sign in plain if sign.upper() == sign and not sign.islower())
        names = {sign for sign in capital if sign.isupper() or sign.isdecimal() or sign in _IN_NAMES}
        transition = {sign for sign in capital if sign.isupper() or sign in _TRANSITION_ENDS + " "}
        self._signs = {
            HEADING: capital - {":"}, ACTION: plain, PARENTHETICAL: plain - set("()"), DIALOGUE: plain,
            TRANSITION: transition,
        }  # fmt: skip
        spelled = [one for one in extensions if mode == "scene" and known.issuperset(one)]
        self._names = Names(cast, names, spelled, is_list=mode == "outline")
        self._mode = mode
        # A profile names places in capitals too.
        self._called = Called(() if mode == "profile" else cast)
        self._followers = dict(FOLLOWERS[mode])
        if not transition & set(_TRANSITION_ENDS):
            self._followers = {kind: after.replace(TRANSITION, "") for kind, after in self._followers.items()}
        self._masks: dict[object, np.ndarray] = {}
        _check(known, capital, cast, mode)

    def mask(self, state: State, ending: Ending = "may") -> np.ndarray:
        """Mask of tokens that may come next, bool V, read-only: at least one is True, until the text is at its end.

        Args:
            state: The current state.
            ending: State of the ending: the text may not end yet, may end, or must end at the next end of a sentence.
        """
        # Masks are cached by the properties that the rules depend on: the room left in a line rather than its size, and
        # the class of the last character rather than the character.
        speaker = state.speaker if state.kind == CHARACTER else ""
        few = state.lines < (MAX_NAMES if state.kind == CHARACTER else MAX_LINES)
        like = state._replace(last=_sort(state.last), size=_room(state), lines=few, speaker=speaker)
        key = (like, ending)
        if key not in self._masks:
            mask = np.array([bool(sign) and self.allows(state, sign, ending) for sign in self._vocabulary])
            mask.flags.writeable = False
            self._masks[key] = mask
        return self._masks[key]

    def step(self, state: State, sign: str) -> State:
        """State after an allowed character."""
        if sign in ALL:
            return State(sign, speaker=self._speaker(state, sign))
        if sign == "\n":
            return State(state.kind, sign, lines=state.lines + 1, speaker=state.speaker)
        if state.kind == CHARACTER:
            return self._step_in_name(state, sign)
        ends = _TRANSITION_ENDS if state.kind == TRANSITION else _SENTENCE_ENDS
        has_text = state.has_text or sign.isalnum()
        closed = has_text and (sign in ends or (state.closed and sign in _CLOSINGS))
        pending = "" if sign == state.pending else state.pending or _PAIRS.get(sign, "")
        place = self._called.next(state.place, sign, state.last) if state.kind in _CALLING else ""
        size = state.size + 1
        return State(state.kind, sign, has_text, closed, size, state.lines, pending, place or "", speaker=state.speaker)

    def _speaker(self, state: State, sign: str) -> str:
        """The last speaker when an element begins; empty after an action, when anybody may continue."""
        if state.kind == CHARACTER:
            return self._names.speaker(state.place) if self._mode == "scene" else ""
        return state.speaker if sign in CHARACTER + PARENTHETICAL + DIALOGUE else ""

    def _step_in_name(self, state: State, sign: str) -> State:
        place = self._names.next(state.place, sign, state.last, state.size, state.lines, state.speaker)
        if state.place == ",":
            return State(CHARACTER, lines=state.lines + 1)
        return state._replace(last=sign, size=state.size + 1, place=place or "")

    def allows(self, state: State, sign: str, ending: Ending = "may") -> bool:
        """True if a character may come next."""
        if sign in ALL:
            return self._may_follow(state, sign, ending)
        if state.complete or state.kind in {_START, END}:
            return False
        if state.kind == CHARACTER:
            size, lines = state.size, state.lines
            return self._names.next(state.place, sign, state.last, size, lines, state.speaker) is not None
        if sign == "\n":
            is_room = state.kind == DIALOGUE and state.lines < MAX_LINES
            return is_room and ending != "must" and self._may_stop(state)
        if state.kind in _CALLING and self._called.next(state.place, sign, state.last) is None:
            return False
        return sign in self._signs[state.kind] and self._may_go_on(state, sign, ending)

    def _may_stop(self, state: State) -> bool:
        """True if the line is complete enough to end."""
        if state.complete or state.kind == _START:
            return True
        if state.kind == CHARACTER:
            return self._names.is_whole(state.place, state.last, state.speaker)
        if state.kind in _CALLING and not self._called.is_whole(state.place):
            return False
        return state.closed if state.kind == TRANSITION else state.has_text and state.last != " "

    def _may_follow(self, state: State, sign: str, ending: Ending) -> bool:
        followers = self._followers.get(state.kind, "")
        if sign not in followers or not self._may_stop(state):
            return False
        if ending == "not yet":
            return sign not in {TRANSITION, END} or followers == END
        if ending == "must" and END in followers:
            is_end = state.complete or state.closed or state.kind not in _PROSE or _room(state) >= _LAST_WORD
            return sign == END and is_end
        return True

    def _may_go_on(self, state: State, sign: str, ending: Ending) -> bool:
        """True if a line may continue with a character that lines of its kind may contain."""
        room = _room(state)
        if state.last in {"", "\n"}:
            return sign.isalnum() or sign in _OPENINGS.get(state.kind, "")
        if state.kind == TRANSITION:
            # The less room is left, the fewer continuations are allowed.
            return _goes_on_to(state, sign, room)
        if room == _FULL:
            return sign.isalnum() and not self._may_stop(state)
        if state.closed and (room > _AMPLE or (ending == "must" and state.kind in _PROSE)):
            return sign == state.pending
        return sign != " " or (state.last != " " and room < _LAST_WORD)


def _goes_on_to(state: State, sign: str, room: int) -> bool:
    """True for a character that continues `CUT TO:` or `FADE OUT.`; nothing may follow the last one."""
    if state.closed:
        return False
    if state.last == " ":
        return sign.isalnum()
    return sign in _TRANSITION_ENDS if room > _AMPLE else True


def _room(state: State) -> int:
    share = state.size / MAX_LINE.get(state.kind, 1)
    return _FULL if share >= 1 else _LAST_WORD if share >= _BLANKLESS else _ENDING if share >= _SOFT else _AMPLE


def _sort(sign: str) -> str:
    return sign if sign in {"", "\n", " ", "&"} else "a" if sign.isalnum() else "." if sign == "." else ","


def _is_plain(sign: str) -> bool:
    """True if a character is printed as it is, and has no special meaning."""
    is_seen = sign == " " or (sign.isprintable() and not sign.isspace())
    return len(sign) == 1 and is_seen and sign not in MEANT and printed(sign) == sign


def _check(known: frozenset[str], capital: frozenset[str], cast: Sequence[str], mode: Mode) -> None:
    lacking = [mark for mark in _NEEDED[mode] if mark not in known]
    if lacking or not any(sign.isupper() for sign in capital):
        message = f"the vocabulary lacks {', '.join(map(repr, lacking)) or 'capital letters'}: it can write no {mode}"
        raise BundleError(message)
    for name in cast:
        if not name or not known.issuperset(name):
            message = f"the vocabulary cannot spell {name!r}"
            raise BundleError(message)
