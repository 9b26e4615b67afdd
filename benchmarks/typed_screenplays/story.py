"""Content of a screenplay: random scenes of headings, action, speeches and camera directions, in sentences of scripts.

The layout is defined elsewhere. The sentences have elements that mislead a reader: shouted words, names in capitals
inside action, colons, numbers on their own, telephone extensions, and technical terms of film inside dialogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

ACTION = (
    "A long corridor. Dust hangs in the light from the far window.",
    "ANNA BELL, thirty, in a coat two sizes too large, drags a trunk over the step and stops to breathe.",
    "The phone rings. Nobody moves. It RINGS again, and MARK at last picks it up.",
    "BANG! The door flies open.",
    "He looks at the sign: CLOSED UNTIL SPRING.",
    "On the wall a clock that has stopped at 11:40. Below it three chairs, one of them broken.",
    "They wait.",
    "Anna turns the letter over. On the back, in pencil, a telephone number and one word.",
    "Rain. The gutters run over. Two BOYS race past on one bicycle, shouting.",
    "Mark takes the keys, weighs them in his hand, and puts them back where they were.",
    "She is gone.",
    "The crowd parts for the INSPECTOR, who is much smaller than his voice. He sits down on the only chair left.",
    "We hear an engine that does not want to start. Then it does.",
    "CLOSE on the map: a red line runs from the harbour to the mill, and ends there.",
    "Behind the counter the OLD MAN counts coins into a tin, one by one, and does not look up.",
    "A beat. Then laughter from the next room.",
    "Note: the lamp stays lit until the end of the scene.",
    "Mark crosses to the window -- stops -- listens.",
    "Outside, a train. The glasses on the shelf begin to tremble.",
    "Anna reads what stands on the screen: error 404. She laughs.",
)
SAID = (
    "You are late again.",
    "No.",
    "I know that. I know it very well, and so do you, and so does everybody in this house.",
    "What?!",
    "NO! GET OUT OF HERE!",
    "There were three of them: the old one, the tall one, and the one who never spoke.",
    "If you ask me, he never meant to come back. He took the good coat.",
    "Seven.",
    "Call me at the office, extension 204. If I am not in, let it ring.",
    "Let's cut to the chase. Where is it?",
    "I saw him on the 14th. Or the 15th. It was raining, that is all I can tell you, and he had no hat.",
    "Listen: whatever you hear, do not open that door.",
    "And then?",
    "Wait...",
    "My father built this mill, and his the one before it, and that one burned. So put out that match. Now. Please.",
    '"Yours, with regret." That is how it ends.',
    "I said I was sorry.",
    "You said it to the dog.",
    "--and that was the last we saw of it.",
    "Who wants to know?",
    "Is it the 9:15 or the 9:50?",
    "Yes, sir.",
)
OPENINGS = (
    "I told you", "Nobody said", "My brother thinks", "She wrote me", "Don't tell me", "Maybe it's true", "They say",
)  # fmt: skip
MIDDLES = (
    "that the bridge is closed", "he sold the boat", "we leave on Monday", "it was all for nothing", "the doctor knows",
)  # fmt: skip
CLOSINGS = (
    ".", ", or so I hear.", "? After all this?", ". Twice!", " -- and now look at us.",
    ", and I was right there when the lights went out, with the ledger under my arm and nowhere to put it.",
)  # fmt: skip
WHO = ("Anna", "Mark", "The old man", "A WAITER", "The inspector", "Somebody", "A dog")
DOES = ("opens the drawer", "stares at the ceiling", "counts the steps", "drops the lantern", "looks for a match")
HOW = (
    ".", ", slowly.", " -- and freezes.", ". Thunder.",
    " without a word, as if it were the most ordinary thing to do in a house where nobody has slept for a week.",
)  # fmt: skip
ASIDES = ("(beat)", "(quietly)", "(to Mark)", "(turning away, to nobody in particular)", "(re: letter)", "(then)")
NAMES = ("ANNA", "MARK", "OLD MAN", "INSPECTOR", "MRS. BELL")
PLACES = ("MILL", "KITCHEN", "STATION HALL", "ANNA'S ROOM", "HARBOUR ROAD", "POLICE STATION", "CAR", "MILL - LOFT")
TIMES = ("DAY", "NIGHT", "LATER", "DAWN", "CONTINUOUS", "EVENING")
SHOTS = (
    "ANGLE ON THE DOOR",
    "CLOSE ON ANNA",
    "BACK TO SCENE",
    "LATER",
    'SUPER: "THREE DAYS EARLIER"',
    "MARK'S POV",
    "INSERT - LETTER",
    "INTERCUT WITH:",
)
TRANSITIONS = ("CUT TO:", "DISSOLVE TO:", "SMASH CUT TO:", "FADE OUT.", "MATCH CUT TO:")
OFTEN, SOMETIMES, SELDOM = 0.45, 0.25, 0.12  # shares of the places for an optional element


class Speech(NamedTuple):
    """One speech: the speaker, the extension of the name, and its parts: asides in brackets and dialogue."""

    name: str
    extension: str
    parts: tuple[str, ...]


class Place(NamedTuple):
    """A scene's heading, in its parts."""

    inside: str
    where: str
    time: str


class Line(NamedTuple):
    """Any other element: its kind is action, shot or transition."""

    kind: str
    text: str


Event = Speech | Place | Line


@dataclass(frozen=True)
class Words:
    """Vocabulary of a story; a layout in another language or with odd names brings its own."""

    names: Sequence[str] = NAMES
    extensions: Sequence[str] = ("(V.O.)", "(O.S.)", "(into phone)")
    insides: Sequence[str] = ("INT.", "EXT.", "INT./EXT.")
    places: Sequence[str] = PLACES
    times: Sequence[str] = TIMES
    action: Sequence[str] = ACTION
    dialogue: Sequence[str] = SAID
    asides: Sequence[str] = ASIDES
    shots: Sequence[str] = SHOTS
    transitions: Sequence[str] = TRANSITIONS


def story(chance: random.Random, words: Words, scenes: int = 12) -> list[Event]:
    """The events of a short script; the same state of `chance` gives the same ones."""
    events: list[Event] = []
    for _ in range(scenes):
        events.append(Place(chance.choice(words.insides), chance.choice(words.places), chance.choice(words.times)))
        events.append(_action(chance, words))
        last = ""
        for _ in range(chance.randint(2, 6)):
            speech = speech_of(chance, words, last)
            last = speech.name
            events.append(speech)
            if chance.random() < OFTEN:
                events.append(_action(chance, words))
                last = ""
            if words.shots and chance.random() < SELDOM:
                events += [Line("shot", chance.choice(words.shots)), _action(chance, words)]
                last = ""
        if words.transitions and chance.random() < SOMETIMES:
            events.append(Line("transition", chance.choice(words.transitions)))
    return events


def _action(chance: random.Random, words: Words) -> Line:
    count = chance.choice((1, 1, 2))
    if words.action is ACTION:
        return Line("action", " ".join(_drawn(chance, ACTION, (WHO, DOES, HOW)) for _ in range(count)))
    return Line("action", " ".join(chance.sample(words.action, count)))


def _drawn(chance: random.Random, whole: Sequence[str], parts: Sequence[Sequence[str]]) -> str:
    """A whole sentence, or more often one of random parts, so that no line recurs on every page."""
    if chance.random() < SOMETIMES:
        return chance.choice(whole)
    first, middle, last = (chance.choice(part) for part in parts)
    return f"{first} {middle}{last}"


def speech_of(chance: random.Random, words: Words, last: str) -> Speech:
    """A speech of somebody other than the previous speaker."""
    name = chance.choice([one for one in words.names if one != last])
    extension = chance.choice(words.extensions) if words.extensions and chance.random() < SOMETIMES else ""
    bank = (OPENINGS, MIDDLES, CLOSINGS)
    dialogue = [
        _drawn(chance, SAID, bank) if words.dialogue is SAID else chance.choice(words.dialogue) for _ in range(2)
    ]
    parts = [dialogue[0]]
    if chance.random() < SOMETIMES:
        parts.insert(0, chance.choice(words.asides))
    if chance.random() < SELDOM:
        parts += [chance.choice(words.asides), dialogue[1]]
    return Speech(name, extension, tuple(parts))
