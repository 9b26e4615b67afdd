"""Deinterlaces frames with FFmpeg's filter bwdif (after the BBC's w3fdif and yadif)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from av import VideoFrame
    from av.filter import Graph

# One frame per frame; progressive frames are unchanged.
FILTER = ("bwdif", "mode=send_frame:parity=auto:deint=interlaced")


def deinterlaced(frames: Iterable[Any]) -> Iterator[Any]:
    """Yields PyAV's decoded frames; interlaced ones become progressive ones at the time of their first field.

    The number of frames and their time stamps are unchanged; from the first interlaced frame on, output is one frame
    late.
    """
    graph: Graph | None = None
    form = None
    for frame in frames:
        if graph is None and not frame.interlaced_frame:
            yield frame
            continue
        if graph is None or form != _form(frame):  # the first interlaced frame, or a change of the frame size
            yield from _rest(graph)
            graph, form = _graph(frame), _form(frame)
        graph.push(frame)
        yield from _ready(graph)
    yield from _rest(graph)


def _form(frame: VideoFrame) -> tuple[Any, ...]:
    return frame.width, frame.height, frame.format.name, frame.time_base


def _graph(frame: VideoFrame) -> Graph:
    from av.filter import Graph  # noqa: PLC0415 - an extra

    width, height, name, time_base = _form(frame)
    graph = Graph()
    buffer = graph.add_buffer(width=width, height=height, format=name, time_base=time_base)
    nodes = [buffer, graph.add(*FILTER), graph.add("buffersink")]
    for above, below in pairwise(nodes):
        above.link_to(below)
    graph.configure()
    return graph


def _ready(graph: Graph) -> Iterator[Any]:
    import av  # noqa: PLC0415 - an extra

    while True:
        try:
            yield graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return


def _rest(graph: Graph | None) -> Iterator[Any]:
    if graph is not None:
        graph.push(None)
        yield from _ready(graph)
