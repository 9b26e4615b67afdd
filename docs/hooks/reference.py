"""Reference pages generated from the code while MkDocs builds: params, settings, commands, bundle, metrics.

No page can go stale, because none is written down. MkDocs calls `on_files`; `pages` is what the tests read.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
import yaml
from mkdocs.structure.files import File, Files
from model_tables import (
    ESCAPED_BAR,
    bounds_text,
    cell,
    default_text,
    leaves,
    nested,
    sections,
    summary,
    table_of_all,
    type_text,
)
from python_api import python_page

from common.settings import Settings
from curation.medium import by_name as medium_by_name
from curation.params import MEDIA, CollectionParams
from flows import __main__ as flows_main
from models.components.figures import figure_name, figures, parts
from models.families import FAMILIES
from models.params_file import model as params_model
from registry.promotion.rules import Guards, Rules
from report.formatting import part_name
from rushes import errors
from rushes.bundle import manifest, signature
from rushes.cli import app as rushes_main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
PARAMS_INTRO = """# params.yaml

Everything that changes a result. A run refuses an unknown key or a value out of bounds before it starts, and names the
nearest key that exists. `--set PATH=VALUE` changes a value for one trial:
`python -m flows nightly --set expression.train.epochs=3`.

The column `default` holds the default of the code. Where params.yaml sets another value, the column shows that too.
"""
SETTINGS_INTRO = """# settings.toml

Where things run. No setting changes a result. Copy `settings.example.toml` to `settings.toml`, which git ignores. An
environment variable takes precedence over the file: `RUSHES_`, the table, two underscores and the key. So
`RUSHES_REGISTRY__PORT=5001` sets `registry.port`, and `RUSHES_STATE` sets `state`.

| setting | type and bounds | default | description |
|---|---|---|---|"""
METRICS_INTRO = """# Metrics

Promotion and compression compare models by the objective of the family. Higher is better: where a lower quantity is
better, its sign is reversed and its name starts with `neg_`.

| family | objective | monitored in training |
|---|---|---|"""
REASONS_INTRO = """# Drop reasons

`clean` checks each sample in this order and records the first reason that applies. The report shows samples of each
reason. A looser value of the param keeps more samples.
"""
PROGRAMS = {"python -m flows": flows_main.app, "rushes": rushes_main.app}
GENERATED = "<!-- Generated from the code by docs/hooks/reference.py. -->\n\n"


def on_files(files: Files, config: Any) -> Files:  # noqa: ANN401  # MkDocs' own type is a mapping of options
    """Add the generated pages to those that lie in docs/."""
    for path, text in pages().items():
        files.append(File.generated(config, path, content=GENERATED + text))
    return files


def pages() -> dict[str, str]:
    """Text of every generated page in Markdown, by its path below docs/."""
    writers: dict[str, Callable[[], str]] = {
        "params": params_page,
        "settings": settings_page,
        "cli-flows": lambda: commands_page("python -m flows", "The engineer's and operator's program, in a checkout."),
        "cli-rushes": lambda: commands_page("rushes", "The program of the wheel, on a laptop without PyTorch."),
        "python": python_page,
        "exit-status": exit_status_page,
        "bundle": bundle_page,
        "metrics": metrics_page,
        "promotion": promotion_page,
        "drop-reasons": drop_reasons_page,
    }
    return {f"reference/{name}.md": write() for name, write in writers.items()}


def params_page() -> str:
    """Every key of params.yaml: families, collections, and one section a family."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    collections = ", ".join(f"`{name}`" for name in values["collections"])
    text = [
        PARAMS_INTRO,
        "## `families`\n\nThe collection that each family learns from.\n",
        "| key | collection |\n|---|---|\n"
        + "".join(f"| `families.{k}` | `{v}` |\n" for k, v in values["families"].items()),
        f"A collection NAME is one of {collections}; each has its own section with these keys.\n",
        *sections(CollectionParams, "collections.NAME", {}),
    ]
    for name, field in params_model().model_fields.items():
        kind = nested(field)
        if kind is not None:
            text += [f"## Family `{name}`\n", *(part for part in sections(kind, name, values.get(name) or {}, 3))]
    return "\n".join(filter(None, text))


def settings_page() -> str:
    """Every setting, with the comment of settings.example.toml."""
    text = [SETTINGS_INTRO]
    comments = example_comments((ROOT / "settings.example.toml").read_text(encoding="utf-8"))
    for key, field in leaves(Settings):
        kind = ", ".join(filter(None, (type_text(field.annotation), bounds_text(field))))
        text.append(f"| `{key}` | {cell(kind)} | {cell(default_text(field))} | {cell(comments.get(key, ''))} |")
    return "\n".join(text) + "\n"


def example_comments(text: str) -> dict[str, str]:
    """Comment above each key of settings.example.toml, by the key's path."""
    found, head, comment = {}, "", []
    for line in text.splitlines():
        if line.startswith("#"):
            comment.append(line.lstrip("# "))
            continue
        if line.startswith("["):
            head = line.strip("[]") + "."
        elif "=" in line:
            found[head + line.partition("=")[0].strip()] = " ".join(comment)
        comment = []
    return found


def commands(program: str) -> dict[str, Any]:
    """Every command of a program by its words: `keys new` is one."""
    return dict(_walk(typer.main.get_command(PROGRAMS[program]), ""))


def _walk(command: Any, words: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401  # typer brings its own click
    below = getattr(command, "commands", {})
    if not below:
        yield words, command
    for name, one in below.items():
        yield from _walk(one, f"{words} {name}".strip())


def commands_page(program: str, first: str) -> str:
    """Every command of a program with arguments, options, examples and exit status."""
    text = [f"# `{program}`\n\n{first}\n"]
    for words, command in commands(program).items():
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        usage = " ".join([program, words, *(_metavar(one) for one in arguments), "[OPTIONS]"])
        text.append(f"## `{program} {words}`\n\n{_markdown(command.help or '')}\n\n```text\n{usage}\n```\n")
        rows = [_parameter_row(one) for one in command.params]
        text += (
            ["| argument or option | default | description |\n|---|---|---|\n" + "\n".join(rows) + "\n"] if rows else []
        )
        epilog = inspect.cleandoc((command.epilog or "").replace("\b\n", "\n"))
        text += [f"```text\n{re.sub(chr(10) + '{3,}', chr(10) * 2, epilog).strip()}\n```\n"] if epilog else []
    return "\n".join(text)


def _markdown(text: str) -> str:
    return inspect.cleandoc(text).replace("\b\n", "").replace("<", "&lt;")


def _metavar(parameter: Any) -> str:  # noqa: ANN401  # see _walk
    name = parameter.metavar or parameter.name.upper()
    return name if parameter.required or name.startswith("[") else f"[{name}]"


def _parameter_row(parameter: Any) -> str:  # noqa: ANN401  # see _walk
    is_option = parameter.param_type_name == "option"
    name = ", ".join(parameter.opts) if is_option else _metavar(parameter)
    if is_option and not parameter.is_flag:
        name += f" {parameter.metavar or parameter.name.upper()}"
    value = parameter.default
    default = (
        "required" if parameter.required else "" if value in (None, "", False) or callable(value) else f"`{value}`"
    )
    return f"| `{name.replace('|', ESCAPED_BAR)}` | {default} | {cell(parameter.help or '')} |"


def exit_status_page() -> str:
    """Exit statuses of both programs, and of each command as its help gives them."""
    meanings = {
        errors.DONE: "done",
        errors.FAILED: "failed; the reason stands on standard error",
        errors.MISUSE: "the command, a param or a setting is wrong; nothing was started",
        errors.NOTHING_FITS: "it ran, but found nothing: no candidate within the budget, no such version, no face",
        errors.HELD: "another run holds the lock (`python -m flows` alone)",
    }
    text = ["# Exit status\n\n| status | meaning |\n|---|---|", *(f"| {k} | {v} |" for k, v in meanings.items()), ""]
    text.append("## By command\n\n| command | exit status |\n|---|---|")
    for program in PROGRAMS:
        for words, command in commands(program).items():
            found = re.search(r"Exit status: (.+?)\.?\s*\Z", command.epilog or "")
            text.append(f"| `{program} {words}` | {found[1] if found else '0 done, 1 failed, 2 misuse'} |")
    return "\n".join(text) + "\n"


def bundle_page() -> str:
    """Files of a bundle, and every field of its three JSON files."""
    text = [f"# Bundle and certificate\n\n{_files_as_table(inspect.getdoc(manifest) or '')}\n"]
    text.append(f"The contract is version {manifest.CONTRACT}.\n")
    kinds = {
        "manifest.json": (manifest.Manifest, manifest.BundledFile),
        "certificate.json": (manifest.Certificate, manifest.Budget, manifest.References, manifest.Tolerance),
        "certificate.sig": (signature.Signature, signature.Statement),
    }
    for file, models in kinds.items():
        text.append(f"## {file}\n")
        text += [f"### {model.__name__}\n\n{summary(model)}\n\n{table_of_all(model)}" for model in models]
    return "\n".join(text)


def _files_as_table(text: str) -> str:
    """Lines such as `    manifest.json    what it holds` as rows of a table."""
    rows = re.findall(r"^ {4}(\S.*?) {2,}(\S.*)$", text, flags=re.MULTILINE)
    if not rows:
        return text
    first, last = text.index(f"    {rows[0][0]}"), text.index(rows[-1][1]) + len(rows[-1][1])
    table = "\n".join(["| file | holds |", "|---|---|", *(f"| `{name}` | {cell(what)} |" for name, what in rows)])
    return f"{text[:first]}{table}{text[last:]}"


def metrics_page() -> str:
    """The objective of each family, and the names of figures in reports and JSON."""
    text = [
        METRICS_INTRO,
        *(
            f"| {one.name} | `{one.objective.name}` ({figure_name(one.objective.name)}) | `{one.monitor.name}` |"
            for one in FAMILIES
        ),
        "\n## Names\n\n| key | name in tables and reports |\n|---|---|",
        *(f"| `{key}` | {cell(one.name)} |" for key, one in figures().items()),
        "\n## Parts that promotion watches\n\nLabels, groups and sources are parts too.\n\n| key | name |\n|---|---|",
        *(f"| `{key}` | {cell(part_name(key))} |" for key in parts()),
    ]
    return "\n".join(text) + "\n"


def promotion_page() -> str:
    """Rules of promotion: their keys, and what mlflow/promotion.yaml sets."""
    rules = (ROOT / "mlflow" / "promotion.yaml").read_text(encoding="utf-8")
    return "\n".join((
        "# Promotion rules\n\nA challenger replaces the champion where `mlflow/promotion.yaml` allows it.\n",
        f"{table_of_all(Rules)}",
        f"## `guards`\n\n{summary(Guards)}\n\n{table_of_all(Guards)}",
        f"## The file\n\n```yaml\n{rules}```\n",
    ))  # fmt: skip


def drop_reasons_page() -> str:
    """Reasons for which `clean` drops a sample, and the param that loosens each."""
    return REASONS_INTRO + "\n".join(map(_reasons_of, MEDIA))


def _reasons_of(name: str) -> str:
    rows = [f"| {reason} | `collections.NAME.{path}` |" for reason, path in medium_by_name(name).reasons.items()]
    return f"\n## {name}\n\n| reason | param |\n|---|---|\n" + "\n".join(rows) + "\n"
