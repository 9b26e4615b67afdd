"""The order of collections on a page follows their dependencies."""

import json
from datetime import UTC, datetime

from report.data.run import NightlyRun
from report.page import build as page


def test_a_parent_stands_before_what_takes_from_it(tmp_path):
    """The frames of films are shown where they were judged, though no family learns from films directly."""
    params = {"families": {"scene": "scenes"}, "collections": {"films": {}, "scenes": {"parent": "films"}}}
    (tmp_path / "params.yaml").write_text(json.dumps(params))

    learned = page._collections(tmp_path, NightlyRun(started=datetime(2026, 1, 1, tzinfo=UTC), families=["scene"]))

    assert list(learned.items()) == [("films", []), ("scenes", ["scene"])]
