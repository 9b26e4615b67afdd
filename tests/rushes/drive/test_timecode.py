from datetime import time

import pytest

from rushes.drive.timecode import RATES, TakeClock, frame_of, label_of, nearest_rate, rate_of
from rushes.errors import MisuseError


@pytest.mark.parametrize(
    ("rate", "frame", "label"),
    [
        ("23.976", 24, "00:00:01:00"),
        ("24", 24 * 3600 - 1, "00:59:59:23"),
        ("25", 25 * 60 + 7, "00:01:00:07"),
        ("29.97df", 0, "00:00:00;00"),
        ("29.97df", 1799, "00:00:59;29"),
        ("29.97df", 1800, "00:01:00;02"),  # two labels are left out
        ("29.97df", 3597, "00:01:59;29"),
        ("29.97df", 3598, "00:02:00;02"),
        ("29.97df", 17981, "00:09:59;29"),
        ("29.97df", 17982, "00:10:00;00"),  # none in the tenth minute
        ("29.97df", 17982 + 1800, "00:11:00;02"),
        ("29.97df", 107892, "01:00:00;00"),
        ("29.97df", 2589407, "23:59:59;29"),
        ("29.97", 1800, "00:01:00:00"),
        ("59.94df", 3599, "00:00:59;59"),
        ("59.94df", 3600, "00:01:00;04"),
        ("59.94df", 215784, "01:00:00;00"),
        ("59.94", 3600, "00:01:00:00"),
        ("30", 1800, "00:01:00:00"),
        ("50", 49, "00:00:00:49"),
        ("60", 86400 * 60 - 1, "23:59:59:59"),
    ],
)
def test_labels_known_by_hand(rate, frame, label):
    """Both ways."""
    assert label_of(frame, RATES[rate]) == label
    assert frame_of(label, RATES[rate]) == frame


@pytest.mark.parametrize(
    ("rate", "frames"),
    [("23.976", 2_073_600), ("24", 2_073_600), ("25", 2_160_000), ("29.97df", 2_589_408), ("30", 2_592_000),
     ("50", 4_320_000), ("59.94df", 5_178_816), ("59.94", 5_184_000), ("60", 5_184_000)],
)  # fmt: skip
def test_a_day(rate, frames):
    """It starts again after its last frame; drop frame leaves out 2,592 labels a day."""
    assert RATES[rate].frames_a_day == frames
    assert label_of(frames, RATES[rate]) == label_of(0, RATES[rate])
    assert label_of(-1, RATES[rate]) == label_of(frames - 1, RATES[rate])


@pytest.mark.parametrize("rate", RATES.values(), ids=RATES)
def test_labels_and_frames_are_one_to_one(rate):
    """Over the first eleven minutes, each label follows the one before, and comes back as its frame."""
    labels = [label_of(frame, rate) for frame in range(11 * 60 * rate.nominal)]

    assert [frame_of(label, rate) for label in labels] == list(range(len(labels)))
    assert sorted(labels) == labels


def test_drop_frame_follows_the_wall_clock():
    """Within two frames over ten minutes, and within 0.1 s over a day."""
    rate = RATES["29.97df"]
    for seconds in range(0, 86400, 599):
        hours, minutes, rest, frames = (
            int(part) for part in label_of(round(seconds * rate.fps), rate).replace(";", ":").split(":")
        )
        assert abs(3600 * hours + 60 * minutes + rest + frames / 30 - seconds) < 0.1 + 2 / 30


@pytest.mark.parametrize(
    ("rate", "label", "words"),
    [
        ("25", "", "write HH:MM:SS:FF"),
        ("25", "1:00:00:00", "write HH:MM:SS:FF"),
        ("25", "01:00:00.00", "write HH:MM:SS:FF"),
        ("25", "01:00:00:00 ", "write HH:MM:SS:FF"),
        ("25", "0\N{ARABIC-INDIC DIGIT ONE}:00:00:00", "write HH:MM:SS:FF"),
        ("25", "-1:00:00:00", "write HH:MM:SS:FF"),
        ("25", "24:00:00:00", "00:00:00:00 to 23:59:59:24"),
        ("25", "00:60:00:00", "to 23:59:59:24"),
        ("25", "00:00:60:00", "to 23:59:59:24"),
        ("25", "00:00:00:25", "to 23:59:59:24"),
        ("23.976", "00:00:00:24", "to 23:59:59:23"),
        ("25", "10:00:00;00", "with drop frame, which 25 does not have: add --rate 29.97df"),
        ("29.97", "10:00:00;00", "which 29.97 does not have"),
        ("29.97df", "00:01:00;00", "the minute starts with 00:01:00;02"),
        ("29.97df", "00:01:00;01", "does not exist at 29.97df"),
        ("59.94df", "00:59:00;03", "the minute starts with 00:59:00;04"),
    ],
)
def test_invalid_labels(rate, label, words):
    """The message has the labels that the rate has."""
    with pytest.raises(MisuseError) as caught:
        frame_of(label, RATES[rate])

    assert words in caught.value.message


@pytest.mark.parametrize("text", ["29.97 DF", "29.97df", "29.97 df", " 29.97DF"])
def test_rates_by_name(text):
    """As people write them."""
    assert rate_of(text) is RATES["29.97df"]


@pytest.mark.parametrize(("text", "words"), [("23.98", "Did you mean '23.976'?"), ("", "23.976, 24"), ("1e3", "60.")])
def test_an_unknown_rate(text, words):
    """The message lists all."""
    with pytest.raises(MisuseError) as caught:
        rate_of(text)

    assert words in caught.value.message


@pytest.mark.parametrize(
    ("rate", "start", "time_s", "label", "thousandths"),
    [
        ("25", "10:00:00:00", 0.24, "10:00:00:06", 0),  # 0.24 * 25 is 6 in decimals, and less in binary at some times
        ("25", "10:00:00:00", 0.25, "10:00:00:06", 250),
        ("25", "23:59:59:24", 0.04, "00:00:00:00", 0),
        ("30", "00:00:00:00", 1 / 3, "00:00:00:10", 0),
        ("29.97df", "00:00:59;29", 1001 / 30000, "00:01:00;02", 0),
        ("23.976", "00:00:00:00", 1001.0, "00:16:40:00", 0),
        ("60", "13:13:04:31", 0.652 / 60, "13:13:04:31", 652),
    ],
)
def test_a_clock_runs_freely_from_its_start(rate, start, time_s, label, thousandths):
    """By the true rate, over midnight, with thousandths of a frame."""
    clock = TakeClock.from_label(start, RATES[rate])

    assert clock.label(time_s) == label
    assert clock.at(time_s)[1] == thousandths


@pytest.mark.parametrize("rate", RATES.values(), ids=RATES)
def test_every_frame_has_its_own_label(rate):
    """Over a take of 1,000 frames whose times are rounded to milliseconds, as JSON has them, at an odd start."""
    clock = TakeClock(rate, 1234)

    assert [clock.at(float(frame / rate.fps))[0] for frame in range(1000)] == list(range(1234, 2234))


@pytest.mark.parametrize("first", [0, 1, 2])
@pytest.mark.parametrize("rate", RATES.values(), ids=RATES)
def test_times_in_whole_milliseconds_have_all_labels(rate, first):
    """As Matroska and WebM have them, less that of the first frame, which is rounded too: none twice, none skipped."""
    stamps_ms = [round(1000 * frame / rate.fps) for frame in range(first, first + 5000)]

    found = [TakeClock(rate).at((stamp - stamps_ms[0]) / 1000) for stamp in stamps_ms]
    assert [frame for frame, _ in found] == list(range(5000))


@pytest.mark.parametrize(
    ("rate", "now", "label"),
    [
        ("25", time(14, 30, 5, 999_999), "14:30:05:24"),
        ("25", time(14, 30, 5, 40_000), "14:30:05:01"),
        ("23.976", time(0, 0, 0, 0), "00:00:00:00"),
        ("29.97df", time(14, 31, 0, 0), "14:31:00;02"),  # a label that is left out starts at the next there is
        ("29.97df", time(14, 30, 0, 0), "14:30:00;00"),
        ("59.94df", time(14, 31, 0, 500_000), "14:31:00;30"),
    ],
)
def test_a_clock_starts_at_the_time_of_day(rate, now, label):
    """Hour, minute and second are those of the clock on the wall."""
    assert TakeClock.from_wall(now, RATES[rate]).label(0.0) == label


@pytest.mark.parametrize(
    ("fps", "name"), [(23.976, "23.976"), (24.0, "24"), (29.97, "29.97"), (31.2, "30"), (1000.0, "60")]
)
def test_a_camera_counts_at_the_nearest_rate(fps, name):
    """Cameras declare rates that SMPTE does not have."""
    assert nearest_rate(fps).name == name
