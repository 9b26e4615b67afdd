"""SMPTE timecode: frame numbers since midnight as text, with drop frame, and the clock of a take.

Source: SMPTE ST 12-1. Rates of 30000/1001 and 60000/1001 run 0.1 % slower than their labels. Drop frame leaves out the
labels of the first two (at 59.94: four) frames of each minute, save every tenth, so that labels follow the clock on the
wall; no picture is dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from rushes.errors import MisuseError, plain
from rushes.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import time

ROUNDED_MS = 1.1  # largest error of the difference of two times in whole milliseconds, and a margin
_LABEL = re.compile(r"(\d\d):(\d\d):(\d\d)([:;])(\d\d)", re.ASCII)


@dataclass(frozen=True)
class Rate:
    """A frame rate and its way of counting."""

    name: str
    fps: Fraction
    dropped: int = 0  # labels left out a minute

    @property
    def nominal(self) -> int:
        """Labels a second: 24 for 23.976."""
        return round(self.fps)

    @property
    def frames_a_day(self) -> int:
        """Frames in 24 hours of labels."""
        return 24 * 60 * 60 * self.nominal - self.dropped * (24 * 60 - 24 * 6)


RATES = {
    rate.name: rate
    for rate in (
        Rate("23.976", Fraction(24000, 1001)),
        Rate("24", Fraction(24)),
        Rate("25", Fraction(25)),
        Rate("29.97", Fraction(30000, 1001)),
        Rate("29.97df", Fraction(30000, 1001), dropped=2),
        Rate("30", Fraction(30)),
        Rate("50", Fraction(50)),
        Rate("59.94", Fraction(60000, 1001)),
        Rate("59.94df", Fraction(60000, 1001), dropped=4),
        Rate("60", Fraction(60)),
    )
}


def rate_of(text: str) -> Rate:
    """Rate by name, such as `25` or `29.97 DF`.

    Raises:
        MisuseError: There is no such rate.
    """
    name = text.replace(" ", "").casefold()
    if name not in RATES:
        message = f"{plain(text)} is not a frame rate of SMPTE timecode: {', '.join(RATES)}.{did_you_mean(name, RATES)}"
        raise MisuseError(message)
    return RATES[name]


def nearest_rate(fps: float) -> Rate:
    """Rate without drop frame that is nearest to a number of frames per second."""
    return min((rate for rate in RATES.values() if not rate.dropped), key=lambda rate: abs(float(rate.fps) - fps))


def label_of(frame: int, rate: Rate) -> str:
    """Label of a frame, such as `00:01:00;02`; frames are counted from midnight and start again after a day."""
    frame %= rate.frames_a_day
    if rate.dropped:
        # Add the labels that were left out before the frame: nine times in each ten minutes, and once for each minute
        # of the current ten that is over, of which the first has all its labels.
        tens, rest = divmod(frame, 600 * rate.nominal - 9 * rate.dropped)
        minutes = max(0, rest - rate.dropped) // (60 * rate.nominal - rate.dropped)
        frame += rate.dropped * (9 * tens + minutes)
    seconds, frames = divmod(frame, rate.nominal)
    separator = ";" if rate.dropped else ":"
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{separator}{frames:02}"


def frame_of(label: str, rate: Rate) -> int:
    """Frame number of a label, counted from midnight.

    Raises:
        MisuseError: The text is not a timecode, or the rate has no such label.
    """
    found = _LABEL.fullmatch(label)
    if not found:
        message = f"{plain(label)} is not a timecode: write HH:MM:SS:FF, such as 10:00:00:00"
        raise MisuseError(message)
    if found[4] == ";" and not rate.dropped:
        message = (
            f"{label} is a timecode with drop frame, which {rate.name} does not have: add --rate 29.97df or --rate "
            "59.94df, or write it with a colon"
        )
        raise MisuseError(message)
    hours, minutes, seconds, frames = (int(found[part]) for part in (1, 2, 3, 5))
    if hours > 23 or minutes > 59 or seconds > 59 or frames >= rate.nominal:  # noqa: PLR2004  # parts of a day
        message = f"{label} is not a timecode at {rate.name}: 00:00:00:00 to 23:59:59:{rate.nominal - 1:02}"
        raise MisuseError(message)
    if frames < rate.dropped and seconds == 0 and minutes % 10:
        message = f"{label} does not exist at {rate.name}: the minute starts with {label[:-2]}{rate.dropped:02}"
        raise MisuseError(message)
    minutes += 60 * hours
    return (60 * minutes + seconds) * rate.nominal + frames - rate.dropped * (minutes - minutes // 10)


def frames_of(labels: Sequence[str], rate: Rate) -> np.ndarray:
    """Frame numbers (N,) of consecutive labels with a part of a frame, such as `13:13:04:31.652`; over midnight too.

    Raises:
        MisuseError: One is not a timecode, or the rate has no such label.
    """
    frames = np.zeros(len(labels))
    for row, text in enumerate(labels):
        label, _, part = text.partition(".")
        frames[row] = frame_of(label, rate) + (int(part) / 10 ** len(part) if part.isdecimal() else 0)
    days = np.cumsum(np.diff(frames, prepend=frames[:1]) < -rate.frames_a_day / 2)
    whole: np.ndarray = frames + days * rate.frames_a_day
    return whole


@dataclass(frozen=True)
class TakeClock:
    """Timecode of a take: runs freely from the label of its first frame.

    Args:
        rate: The rate at which it counts.
        start: Frame number at time 0, counted from midnight.
    """

    rate: Rate
    start: int = 0

    @classmethod
    def from_label(cls, label: str, rate: Rate) -> TakeClock:
        """Clock that starts at a given label, such as that of a file or of a slate."""
        return cls(rate, frame_of(label, rate))

    @classmethod
    def from_wall(cls, now: time, rate: Rate) -> TakeClock:
        """Clock that starts at the time of day. Rates without drop frame leave the wall clock behind afterwards."""
        frames = now.microsecond * rate.nominal // 1_000_000
        first = rate.dropped if now.second == 0 and now.minute % 10 else 0  # the first label that there is
        separator = ";" if rate.dropped else ":"
        label = f"{now.hour:02}:{now.minute:02}:{now.second:02}{separator}{max(frames, first):02}"
        return cls(rate, frame_of(label, rate))

    def at(self, time_s: float) -> tuple[int, int]:
        """Frame number at a time since the start, and thousandths of a frame; the day starts again at midnight."""
        # A time is a multiple of the frame's duration up to rounding: 0.24 s at 25 fps is frame 6, not 5.999. Matroska
        # has whole milliseconds: 0.033 s at 30 fps is frame 1, not 0.990.
        frame, thousandths = divmod(round(time_s * 1000 * self.rate.fps), 1000)
        if thousandths > 1000 - ROUNDED_MS * self.rate.fps:
            frame, thousandths = frame + 1, 0
        return (self.start + frame) % self.rate.frames_a_day, thousandths

    def label(self, time_s: float) -> str:
        """Label at a time since the start."""
        return label_of(self.at(time_s)[0], self.rate)
