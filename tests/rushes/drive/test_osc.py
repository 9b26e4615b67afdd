import math

import pytest
from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_message import OscMessage
from pythonosc.osc_packet import OscPacket
from pythonosc.parsing.osc_types import IMMEDIATELY

from rushes.drive import osc


@pytest.mark.parametrize(
    ("address", "arguments"),
    [
        ("/a", ()),
        ("/abc", (1,)),
        ("/abcd", (-1, 2**31 - 1, -(2**31))),
        ("/VMC/Ext/T", (12.5,)),
        ("/names", ("", "a", "abc", "abcd", "Überraschung")),
        ("/mixed", ("Head", 0.0, -0.5, 7, 1e-30)),
    ],
)
def test_an_independent_receiver_reads_the_message(address, arguments):
    """Address, types and values, at every length of the padding."""
    content = osc.message(address, *arguments)
    read = OscMessage(content)

    assert len(content) % 4 == 0
    assert read.address == address
    assert [type(value) for value in read.params] == [type(value) for value in arguments]
    assert all(
        math.isclose(got, given, rel_tol=1e-6) if isinstance(given, float) else got == given
        for got, given in zip(read.params, arguments, strict=True)
    )


def test_the_bytes_are_those_of_the_specification():
    """The first example of OSC 1.0's specification."""
    assert osc.message("/oscillator/4/frequency", 440.0) == (b"/oscillator/4/frequency\x00,f\x00\x00\x43\xdc\x00\x00")


def test_a_bundle_is_to_be_done_immediately():
    """An independent receiver reads its time tag and its messages in their order."""
    bundle = OscBundle(osc.bundle([osc.message("/b", 1), osc.message("/a", 2)]))

    assert bundle.timestamp == IMMEDIATELY
    assert [message.address for message in bundle] == ["/b", "/a"]


@pytest.mark.parametrize("most_bytes", [60, 61, 100, 1400])
def test_messages_are_packed_into_bundles_in_order(most_bytes):
    """No bundle is over the limit, none could take the first message of the next, and none is lost."""
    messages = [osc.message("/m", "x" * (index % 9), index) for index in range(50)]
    bundles = list(osc.bundles(messages, most_bytes))
    read = [[one.message.params[1] for one in OscPacket(bundle).messages] for bundle in bundles]

    assert [number for numbers in read for number in numbers] == list(range(50))
    assert all(len(bundle) <= most_bytes for bundle in bundles)
    assert all(
        len(bundle) + 4 + len(messages[after[0]]) > most_bytes
        for bundle, after in zip(bundles[:-1], read[1:], strict=True)
    )


def test_a_message_that_is_too_long_goes_alone():
    """It is not lost; the network cuts it up."""
    messages = [osc.message("/a"), osc.message("/b", "x" * 200), osc.message("/c")]

    assert [len(OscPacket(bundle).messages) for bundle in osc.bundles(messages, 64)] == [1, 1, 1]
    assert list(osc.bundles([], 64)) == []
