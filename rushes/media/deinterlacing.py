"""Interlaced frames made progressive, by FFmpeg's filter bwdif (after the BBC's w3fdif and yadif)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FILTER = ("bwdif", "mode=send_frame:parity=auto:deint=interlaced")  # a frame for a frame; progressive ones stay


def deinterlaced(frames: Iterable[Any]) -> Iterator[Any]:
    """Decoded frames of PyAV, the interlaced ones as they were at the time of their first field.

    As many frames as were given, with their time stamps, one late from the first interlaced one on.
    """
    graph: Any = None
    form = None
    for frame in frames:
        if graph is None and not frame.interlaced_frame:
            yield frame
            continue
        if form != _form(frame):  # the first one, or a film that changes its size
            yield from _rest(graph)
            graph, form = _graph(frame), _form(frame)
        graph.push(frame)
        yield from _ready(graph)
    yield from _rest(graph)


def _form(frame: Any) -> tuple[Any, ...]:  # noqa: ANN401 - PyAV's types are an extra's
    return frame.width, frame.height, frame.format.name, frame.time_base


def _graph(frame: Any) -> Any:  # noqa: ANN401 - likewise
    from av.filter import Graph  # noqa: PLC0415 - an extra

    width, height, name, time_base = _form(frame)
    graph = Graph()
    buffer = graph.add_buffer(width=width, height=height, format=name, time_base=time_base)
    nodes = [buffer, graph.add(*FILTER), graph.add("buffersink")]
    for above, below in pairwise(nodes):
        above.link_to(below)
    graph.configure()
    return graph


def _ready(graph: Any) -> Iterator[Any]:  # noqa: ANN401 - likewise
    import av  # noqa: PLC0415 - an extra

    while True:
        try:
            yield graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return


def _rest(graph: Any) -> Iterator[Any]:  # noqa: ANN401 - likewise
    if graph is not None:
        graph.push(None)
        yield from _ready(graph)
