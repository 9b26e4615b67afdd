"""The reference page of the Python interface, from the signatures and docstrings of what `rushes.load` returns."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

from rushes import loading
from rushes.bundle.manifest import Bundle
from rushes.expression.classifier import FaceExpression
from rushes.expression.model import ExpressionModel
from rushes.scene.model import SceneModel
from rushes.script.model import ScriptModel
from rushes.tracking.model import TrackingModel

if TYPE_CHECKING:
    from collections.abc import Iterator

CLASSES = (ExpressionModel, FaceExpression, SceneModel, ScriptModel, TrackingModel, Bundle)
SECTIONS = ("Args", "Returns", "Raises", "Attributes")
INTRO = """# `import rushes`

`rushes.load` opens a model that was pulled. What it returns depends on the family. Arrays are NumPy's; the letters of a
shape are N images, H rows, W columns, S pixels a side, L labels. `Place` is a text or a path.
"""


def python_page() -> str:
    """The function, and each class with its public methods and properties."""
    text = [INTRO, *_entry("##", "rushes.load", loading.load)]
    for kind in CLASSES:
        text.append(f"## `{kind.__module__}.{kind.__name__}`\n\n{_docstring(kind)}\n")
        for name, member in vars(kind).items():
            if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                text += _entry("###", f"{kind.__name__}.{name}", member)
    return "\n".join(text)


def _entry(heading: str, name: str, member: Any) -> Iterator[str]:  # noqa: ANN401  # a function or a property
    yield f"{heading} `{name}`\n"
    if inspect.isfunction(member):
        signature = inspect.signature(member)
        inside = [
            re.sub(r": '(.+?)'( =|$)", r": \1\2", str(one))
            for key, one in signature.parameters.items()
            if key != "self"
        ]
        lines = "".join(f"    {one},\n" for one in inside)
        yield f"```text\n{name}({chr(10) + lines if lines else ''}) -> {signature.return_annotation}\n```\n"
    yield f"{_docstring(member)}\n"


def _docstring(member: Any) -> str:  # noqa: ANN401  # see _entry
    """A Google docstring as Markdown: examples as code, each section as a list."""
    text = inspect.cleandoc(member.__doc__ or "")
    parts = re.split(rf"^({'|'.join(SECTIONS)}):\n", text, flags=re.MULTILINE)
    found = re.sub(
        r"((?:^(?:>>>|\.\.\. ).*\n(?:(?!>>>)\S.*\n?)*)+)", r"```pycon\n\1```\n", parts[0], flags=re.MULTILINE
    )
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        lines = re.sub(r"\n {4,}(?= )", " ", inspect.cleandoc(body))
        items = re.sub(r"^(\w+): ", r"- `\1`: ", lines, flags=re.MULTILINE)
        found += f"\n\n**{name}**\n\n{items}\n"
    return found
