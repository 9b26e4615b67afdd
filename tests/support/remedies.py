"""Finds every remedy that the product prints, in its source: `python -m tests.support.remedies` lists them.

A remedy is what reaches an argument, a field, an attribute, a variable or a function `remedy`: it is followed back
through variables, parameters, tables, tuples and the functions that return it. What only passes on another's `.remedy`
is none. A text that has a command in it, and more than the command, is one too, as part of a message; the help of a
command line, whose texts are constants of several lines, is none.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "rushes", "common", "curation", "models", "training", "compression", "registry", "report", "steps", "flows",
)  # fmt: skip
FIELD = "remedy"
COMMAND = re.compile(
    r"\binstall\b|\bmake (nightly|up|down|status)\b|-m (flows|mlflow) [\w{]|\brushes (pull|list|check|pin)\b"
)
Function = ast.FunctionDef | ast.Module  # a module holds what stands outside of functions


@dataclass(frozen=True)
class Remedy:
    """One remedy: the file, the line, and its text with the expressions in it."""

    path: str
    line: int
    text: str


@dataclass(frozen=True)
class Source:
    """An expression, and where it stands; `place` is that of the one that counts, if it gives a tuple."""

    path: str
    function: Function
    node: ast.expr
    place: int | None = None


def trees() -> dict[str, ast.Module]:
    """The syntax tree of each file of the product."""
    files = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in files}


def remedies(found: dict[str, ast.Module] | None = None) -> list[Remedy]:
    """Every remedy of the product, by file and line; the same text in a file is one."""
    product, texts = Product(found or trees()), {}
    for source in product.all():
        text = _text(source.node)
        if text and (source.path, text) not in texts:
            texts[source.path, text] = Remedy(source.path, source.node.lineno, text)
    return sorted(texts.values(), key=lambda one: (one.path, one.line))


class Product:
    """The definitions of the product by their names, and the way of a remedy through them."""

    def __init__(self, found: dict[str, ast.Module]) -> None:
        self.trees, self.own = found, _places(found)
        self.functions: dict[str, list[tuple[str, ast.FunctionDef]]] = defaultdict(list)
        self.assigned: dict[tuple[str, str], list[tuple[Function, ast.expr, ast.expr]]] = defaultdict(list)
        self.calls: dict[str, list[tuple[str, Function, ast.Call]]] = defaultdict(list)
        self.imported = {path: _imported(found, tree) for path, tree in found.items()}
        self.nodes = [(path, function, node) for path, tree in found.items() for function, node in _walk(tree, tree)]
        for path, function, node in self.nodes:
            if isinstance(node, ast.FunctionDef):
                self.functions[node.name].append((path, node))
            elif isinstance(node, ast.Call):
                self.calls[_last(node.func)].append((path, function, node))
            for target, value in _pairs(node):
                for name in target.elts if isinstance(target, ast.Tuple) else [target]:
                    self.assigned[path, ast.unparse(name)].append((function, target, value))

    def all(self) -> Iterator[Source]:
        """The end of the way of each remedy, and texts with a command."""
        seen: set[tuple[int, int | None]] = set()
        parts: set[ast.AST] = set()
        for source in self._given():
            yield from self._follow(source, seen)
        for path, function, node in self.nodes:
            text = _text(node) if _is_text(node) else ""
            text = text if isinstance(function, ast.FunctionDef) or "\n" not in text else ""  # examples of a help
            if node not in parts and COMMAND.search(text) and not COMMAND.fullmatch(text):
                parts |= set(ast.walk(node))
                yield Source(path, function, node)

    def _given(self) -> Iterator[Source]:
        for path, function, node in self.nodes:
            if isinstance(node, ast.Call):
                yield from (Source(path, function, one.value) for one in node.keywords if one.arg == FIELD)
                yield from self._argument(path, function, node, self.own.get(_last(node.func)))
            elif isinstance(node, ast.ClassDef):
                place = next((self.own[base] for base in _bases(node) if base in self.own), None)
                for call in ast.walk(_init(node) or ast.Pass()):
                    if isinstance(call, ast.Call) and ast.unparse(call.func) == "super().__init__":
                        yield from self._argument(path, _init(node), call, place)
            if isinstance(node, ast.Return) and getattr(function, "name", "").strip("_") == FIELD and node.value:
                yield Source(path, function, node.value)
            for target, value in _pairs(node):
                yield from self._assigned(Source(path, function, value), target)

    @staticmethod
    def _assigned(source: Source, target: ast.expr) -> Iterator[Source]:
        for place, one in enumerate(target.elts if isinstance(target, ast.Tuple) else [target]):
            if _last(one) == FIELD:
                yield replace(source, place=place if isinstance(target, ast.Tuple) else None)

    @staticmethod
    def _argument(path: str, function: Function, call: ast.Call, place: int | None) -> Iterator[Source]:
        for number, one in enumerate(call.args if place is not None else ()):
            if isinstance(one, ast.Starred):
                yield Source(path, function, one.value, place - number)
                return
            if number == place:
                yield Source(path, function, one)

    def _follow(self, source: Source, seen: set[tuple[int, int | None]]) -> Iterator[Source]:
        """The texts that an expression may have."""
        node, place = source.node, source.place
        if (key := (id(node), place)) in seen:
            return
        seen.add(key)
        if isinstance(node, ast.Call) and place is None:
            yield source  # each call of a helper is a remedy of its own, and what the helper returns is one too
        elif isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp):
            yield source
        for more in self._sources(source):
            yield from self._follow(more, seen)

    def _sources(self, source: Source) -> Iterator[Source]:
        """One step back."""
        path, function, node, place = source.path, source.function, source.node, source.place
        if isinstance(node, ast.IfExp | ast.BoolOp):
            parts = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
            yield from (Source(path, function, one, place) for one in parts)
        elif isinstance(node, ast.Tuple) and place is not None and place < len(node.elts):
            yield Source(path, function, node.elts[place])
        elif isinstance(node, ast.Dict | ast.List):
            values = node.values if isinstance(node, ast.Dict) else node.elts
            yield from (Source(path, function, one, place) for one in values)
        elif isinstance(node, ast.Subscript):
            yield Source(path, function, node.value, place)
        elif isinstance(node, ast.Call):
            yield from self._returned(source, node)
        elif isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and node.attr.isupper()):
            yield from self._named(source, ast.unparse(node).rpartition(".")[2])

    def _returned(self, source: Source, call: ast.Call) -> Iterator[Source]:
        if isinstance(call.func, ast.Attribute) and call.func.attr in {"get", "values", "items"}:
            yield replace(source, node=call.func.value, place=None if call.func.attr == "items" else source.place)
            return
        there = self.functions[_last(call.func)]
        home = self.imported[source.path].get(ast.unparse(call.func).partition(".")[0])
        for path, function in [one for one in there if one[0] == (home or source.path)] or there:
            for _, node in _walk(function, function):
                if isinstance(node, ast.Return) and node.value is not None:
                    yield Source(path, function, node.value, source.place)

    def _named(self, source: Source, name: str) -> Iterator[Source]:
        """Values of a variable, a parameter or a constant, perhaps of another file."""
        here = self.assigned[source.path, name]
        inside = [one for one in here if one[0] is source.function]
        arguments = (
            [one.arg for one in source.function.args.args] if isinstance(source.function, ast.FunctionDef) else []
        )
        if not inside and name in arguments and source.function.name != "__init__":
            yield from self._passed(source.function, name, [one for one in arguments if one not in {"self", "cls"}])
            return
        home = self.imported[source.path].get(ast.unparse(source.node).partition(".")[0], source.path)
        outside = [(home, one) for one in self.assigned[home, name] if isinstance(one[0], ast.Module)]
        for path, (function, target, value) in [(source.path, one) for one in inside] or outside:
            places = [ast.unparse(one) for one in target.elts] if isinstance(target, ast.Tuple) else []
            yield Source(path, function, value, places.index(name) if places else source.place)

    def _passed(self, function: Function, name: str, arguments: list[str]) -> Iterator[Source]:
        for path, outer, call in self.calls[function.name]:  # of __init__, the calls of its class are given anyway
            yield from (Source(path, outer, one.value) for one in call.keywords if one.arg == name)
            yield from self._argument(path, outer, call, arguments.index(name))


def _walk(node: ast.AST, function: Function) -> Iterator[tuple[Function, ast.AST]]:
    """Each node below one, with the function that it stands in; without docstrings."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        if not (isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)):
            yield function, child
            yield from _walk(child, child if isinstance(child, ast.FunctionDef) else function)


def _imported(found: dict[str, ast.Module], tree: ast.Module) -> dict[str, str]:
    """The file of the product that each imported name comes from, or that it names."""
    names = {}
    for node in ast.walk(tree):
        for one in node.names if isinstance(node, ast.ImportFrom) else ():
            module = f"{node.module}".replace(".", "/")
            places = (f"{module}/{one.name}.py", f"{module}.py", f"{module}/__init__.py")
            if path := next((path for path in places if path in found), ""):
                names[one.asname or one.name] = path
    return names


def _pairs(node: ast.AST) -> list[tuple[ast.expr, ast.expr]]:
    """Targets and values of an assignment or a loop."""
    if isinstance(node, ast.Assign):
        return [(target, node.value) for target in node.targets]
    if isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
        return [(node.target, node.value)]
    if isinstance(node, ast.For | ast.comprehension):
        values = node.iter.elts if isinstance(node.iter, ast.List | ast.Tuple) else [node.iter]
        return [(node.target, value) for value in values]
    return []


def _places(found: dict[str, ast.Module]) -> dict[str, int]:
    """For each class with a remedy among its arguments, the place of it; of errors that inherit __init__ too."""
    classes = {node.name: node for tree in found.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    own = {name: place for name, node in classes.items() if (place := _place(node)) is not None}
    taken = {name for name, node in classes.items() if _init(node) is not None}
    while more := {
        name: own[base]
        for name, node in classes.items()
        if name not in own and name not in taken
        for base in _bases(node)
        if base in own
    }:
        own |= more
    return own


def _last(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2]


def _bases(node: ast.ClassDef) -> list[str]:
    return [_last(base) for base in node.bases]


def _init(node: ast.ClassDef) -> ast.FunctionDef | None:
    return next((one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)


def _place(node: ast.ClassDef) -> int | None:
    """Place of the remedy in a call of the class: by its __init__, or by its fields."""
    if (init := _init(node)) is not None:
        names = [one.arg for one in init.args.args[1:]]
    else:
        names = [ast.unparse(one.target) for one in node.body if isinstance(one, ast.AnnAssign)]
    return names.index(FIELD) if FIELD in names else None


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _text(node: ast.AST) -> str:
    """A remedy's text; empty for what passes on another's, or is none."""
    if isinstance(node, ast.Constant):
        return str(node.value or "")
    if isinstance(node, ast.JoinedStr):
        return ast.unparse(node)[2:-1]
    if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "get":
        return ""
    return "" if f".{FIELD}." in (text := ast.unparse(node)) else text


def main() -> None:
    """Prints all, by file."""
    by_file = defaultdict(list)
    for one in remedies():
        by_file[one.path].append(one)
    for path, ones in by_file.items():
        print(f"{path}:")
        for one in ones:
            print(f"  {one.line}: {one.text}")


if __name__ == "__main__":
    main()
