import platform
import sys
from types import SimpleNamespace

import pytest

from rushes.inference import cpu
from rushes.inference.cpu import processor

X86 = "processor\t: 0\nmodel\t\t: 167\nmodel name\t: Abacus 7 @ 2.60GHz\n\nprocessor\t: 1\nmodel name\t: Abacus 7\n"
CORE = "processor\t: {}\nBogoMIPS\t: 108.00\nCPU implementer\t: 0x41\nCPU part\t: {}\nCPU revision\t: 1\n\n"
ARM = "".join(CORE.format(number, part) for number, part in enumerate(("0xd03", "0xd03", "0xd0b")))
ARM_NAME = "aarch64 part 0xd03+0xd0b by 0x41"


@pytest.fixture
def system(monkeypatch, tmp_path):
    """Imitates a machine of that system without any details."""

    def look(name):
        for word, value in (("system", name), ("machine", "aarch64"), ("processor", "arm")):
            monkeypatch.setattr(platform, word, lambda value=value: value)
        for word in ("CPUINFO", "BOARD", "SYSCTL"):
            monkeypatch.setattr(cpu, word, tmp_path / word)

    return look


@pytest.mark.parametrize(
    ("cpuinfo", "board", "name"),
    [
        (X86, None, "Abacus 7 @ 2.60GHz"),
        (X86, "A board", "Abacus 7 @ 2.60GHz"),
        (ARM, "Raspberry Pi 5 Model B\0", f"Raspberry Pi 5 Model B, {ARM_NAME}"),
        (ARM, None, ARM_NAME),
        ("processor\t: 0\nCPU part\t: 0xd40\n", None, "aarch64 part 0xd40 by unknown"),
        ("processor\t: 0\n", "A board\0", "A board"),
        (None, None, "arm"),
    ],
)
def test_linux_gives_the_name_of_the_kernel(system, tmp_path, cpuinfo, board, name):
    """The name of an x86; for an ARM its board and the numbers of its cores, since the architecture is not enough."""
    system("Linux")
    for file, text in (("CPUINFO", cpuinfo), ("BOARD", board)):
        if text is not None:
            (tmp_path / file).write_text(text)

    assert processor() == name


def test_macos_is_asked(system, tmp_path):
    """Python only knows that it is an ARM, which is the fallback."""
    system("Darwin")
    assert processor() == "arm"
    (tmp_path / "SYSCTL").write_text('#!/bin/sh\n[ "$*" = "-n machdep.cpu.brand_string" ] && echo Apple M2 Pro\n')
    (tmp_path / "SYSCTL").chmod(0o755)

    assert processor() == "Apple M2 Pro"


def test_windows_is_looked_up(system, monkeypatch):
    """In its registry; if that cannot be read, Python's own name is used."""
    system("Windows")
    assert processor() == "arm"

    class Key:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    asked = {"ProcessorNameString": ("Abacus 7 ", 1)}
    registry = SimpleNamespace(HKEY_LOCAL_MACHINE=0, OpenKey=lambda *_: Key(), QueryValueEx=lambda _, name: asked[name])
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "winreg", registry)
        patch.setattr(sys, "platform", "win32")
        found = processor()

    assert found == "Abacus 7"


def test_a_machine_without_a_name_is_unknown(system, monkeypatch):
    """A certificate that names no machine does not match it."""
    system("Plan 9")
    for word in ("processor", "machine"):
        monkeypatch.setattr(platform, word, lambda: "")

    assert processor() == "unknown"
