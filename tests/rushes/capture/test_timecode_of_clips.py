import json
from fractions import Fraction

import av
import pytest

from rushes.capture import video_source
from rushes.capture.video_source import Clip, OpenCvClip, open_source
from rushes.drive.curves import read_curves
from rushes.take.recording import CURVES, LINES, SLATE
from tests.rushes.capture.test_recorded_capture import record
from tests.support.encoded import pictures

NTSC = Fraction(30000, 1001)


def write_clip_from(path, label, rate=Fraction(25)):
    """A clip of two frames with a timecode; the suffix sets the container."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video" if path.suffix == ".mxf" else "libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        (container if path.suffix == ".mkv" else stream).metadata["timecode"] = label
        for picture in pictures(2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("kind", [Clip, OpenCvClip])
@pytest.mark.parametrize(
    ("name", "label", "rate"),
    [
        ("a.mov", "10:00:00:00", Fraction(25)),
        ("a.mp4", "23:59:59:24", Fraction(25)),
        ("a.mov", "09:59:59;29", NTSC),
        ("a.mov", "10:01:00;04", 2 * NTSC),
        ("a.mkv", "10:00:00:00", Fraction(25)),
        ("a.mkv", "09:59:59;29", NTSC),
        ("a.mxf", "10:00:00:00", Fraction(25)),
    ],
)
def test_the_timecode_of_a_file_is_read(tmp_path, monkeypatch, kind, name, label, rate):
    """By PyAV and without it; MXF by PyAV alone. A file without one has none."""
    monkeypatch.setattr(video_source, "find_spec", lambda _: True if kind is Clip else None)
    source = open_source(str(write_clip_from(tmp_path / name, label, rate)))

    assert isinstance(source, kind)
    assert source.timecode == ("" if name == "a.mxf" and kind is OpenCvClip else label)


@pytest.mark.parametrize(
    ("label", "options", "begins", "words"),
    [
        ("10:00:00:00", {}, ("10:00:00:00", "29.97"), ""),
        ("10:00:00;00", {}, ("10:00:00;00", "29.97df"), ""),
        ("10:00:00:00", {"timecode": "01:00:00:00"}, ("01:00:00:00", "29.97"), ""),
        (
            "10:00:00;00",
            {"rate": "25"},
            ("00:00:00:00", "25"),
            "since that of clip.mov does not fit its rate: 10:00:00;00",
        ),
    ],
)
def test_a_capture_starts_at_the_timecode_of_its_clip(tmp_path, monkeypatch, classifier, label, options, begins, words):
    """With drop frame if the label has it; an option is stronger, and a label that the rate lacks is named."""
    monkeypatch.chdir(tmp_path)
    write_clip_from(tmp_path / "clip.mov", label, NTSC)
    lines = []
    record("clip.mov", classifier, tmp_path / "take01", log=lines.append, json_to="out.jsonl", **options)
    slate = json.loads((tmp_path / "take01" / SLATE).read_text())

    assert (slate["timecode"], slate["frame_rate"]) == begins
    assert read_curves(tmp_path / "take01" / CURVES).timecodes[0] == begins[0].replace(";", ":") + ".000"
    assert words in lines[0]
    printed, kept = ((tmp_path / name).read_text().splitlines() for name in ("out.jsonl", f"take01/{LINES}"))
    assert [json.loads(line)["timecode"] for line in printed] == [json.loads(line)["timecode"] for line in kept]
    assert json.loads(printed[0])["timecode"] == begins[0]
