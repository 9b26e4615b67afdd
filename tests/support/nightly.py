"""A run whose steps are stubs: nothing is fetched, trained, versioned or registered."""

from types import SimpleNamespace

from common.settings import Settings
from flows.nightly.plan import conduct, prepare
from flows.nightly.run import RunRequest
from flows.servers.lock import Owner, RunLock
from flows.servers.session import Session
from registry.dvc.pipeline import Change, StageNode
from registry.dvc.versions import DataState
from steps.runtime.failures import StageFailure

CHANGED = Change(data=True, params=False, code=False, missing=False, text="data changed: datasets/faces")
SAME = Change(data=False, params=False, code=False, missing=False, text="skipped: same data, params and code")
NODES = [
    StageNode("clean@faces", "clean", "faces", None, ()),
    StageNode("augment@expression", "augment", "expression", "expression", ("clean@faces",)),
    StageNode("augment@scene", "augment", "scene", "scene", ("clean@faces",)),
    StageNode("train@expression", "train", "expression", "expression", ("augment@expression",)),
    StageNode("train@scene", "train", "scene", "scene", ("augment@scene",)),
]
VALUES = {
    "families": {"expression": "faces", "scene": "faces"},
    "collections": {"faces": {"labels": ["happy", "sad"]}},
    "expression": {"train": {"epochs": 16}},
}


class World:
    """Behaviour of the stubs, and the calls that they received."""

    def __init__(self, root):
        self.root = root
        self.asked = []
        self.changes = dict.fromkeys((node.name for node in NODES), CHANGED)
        self.cached = set()  # stages whose outs are in DVC's cache
        self.breaks = {}  # task -> effect of the call
        self.state = DataState(present=True, starter=False, md5="abc.dir", remote="")

    def break_stage(self, name, kind, message, remedy="", times=99):
        """Plants a failure of a stage; after `times` attempts it succeeds."""
        self.breaks[name] = [(kind, message, remedy)] * times

    def reproduce(self, tree, node, env, log, _pass_fds=()):
        """Replaces registry.dvc.pipeline.reproduce."""
        self.asked.append(node.name)
        self.env = env
        log.write_text("first line\nlast line\n", encoding="utf-8")
        if not self.breaks.get(node.name):
            return 0
        planted = self.breaks[node.name].pop()
        if isinstance(planted, BaseException):
            raise planted
        kind, message, remedy = planted
        path = tree / "build" / "failures" / f"{node.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        fault = StageFailure(stage=node.stage, item=node.item, kind=kind, message=message, remedy=remedy)
        path.write_text(fault.model_dump_json(), encoding="utf-8")
        return 255

    def decide(self, run, family):
        """Replaces the registration."""
        self.asked.append(f"register@{family}")
        if error := self.breaks.get(f"register@{family}"):
            raise error
        del run
        return "ran", f"{family} v1 promoted"

    def run(self, request=None, do=lambda _name, work: work()):
        """A run that is ready to begin."""
        owner = Owner(0, 0, 0.0, "nightly", "here", "")
        session = Session(self.root, Settings(), self.root / ".state", RunLock(0, owner, ()))
        return prepare(session, request or RunRequest(), do)

    def nightly(self, **how):
        """A whole run."""
        return conduct(self.run(**how))

    def versions(self):
        """Replaces registry.dvc.versions."""
        return SimpleNamespace(
            state=lambda _root, _settings: self.state,
            only_starter=lambda _root: False,
            commit=lambda _root, _settings, starter, log: self.state.md5,  # noqa: ARG005 - their names are the contract
            pull=lambda _root, _settings: self.asked.append("pull"),
        )

    def pipeline(self):
        """Replaces registry.dvc.pipeline."""
        return SimpleNamespace(
            stages=lambda _root, families: [node for node in NODES if node.family in (None, *families)],
            statuses=lambda _root, nodes: {node.name: self.changes[node.name] for node in nodes},
            status=lambda _root, node: self.changes[node.name],
            reproduce=self.reproduce,
            is_from_cache=lambda _log: self.asked[-1] in self.cached,
        )
