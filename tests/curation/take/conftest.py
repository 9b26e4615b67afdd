"""Takes are tracked without networks, unless a test asks for them."""

import pytest

from tests.support.filmed_takes import GreyTracker


@pytest.fixture
def grey_tracker(monkeypatch):
    """Reads the jaw from the level of a frame."""
    monkeypatch.setattr("curation.take.tracking.FaceTracker", GreyTracker)
    monkeypatch.setattr("curation.take.tracking._networks", lambda _folder: ())
