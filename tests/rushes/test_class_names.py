"""One class, one name."""

import ast
from collections import defaultdict
from pathlib import Path

import rushes


def test_no_two_public_classes_have_one_name():
    """In different meanings they are confused in messages, documentation and searches."""
    root, places = Path(rushes.__file__).parent, defaultdict(set)
    for path in root.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].add(path.relative_to(root).as_posix())

    assert len(places) > 100
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
