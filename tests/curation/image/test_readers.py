"""Raw images of a collection, decoded and fitted."""

import pytest

from curation.errors import DataError
from curation.image import readers
from curation.image.metrics import decode
from curation.image.readers import RawReader
from curation.store.index import read_index
from tests.support.raw import collection_params, photos, write_raw


def test_an_image_that_decodes_only_in_grey_is_named(tmp_path, monkeypatch):
    """It passed the checks, which read grey; with the channels of the remedy all can be read."""
    params = collection_params().model_copy(update={"channels": 3})
    write_raw(tmp_path, photos(3))
    rows = read_index(tmp_path, "faces", params)
    monkeypatch.setattr(readers, "decode", lambda data, channels: decode(data, 1) if channels == 1 else None)
    with pytest.raises(DataError) as refused:
        list(RawReader(tmp_path, "faces", params).fitted(rows))

    assert rows.loc[0, "member"] in str(refused.value)
    count = int(refused.value.remedy.partition("channels: ")[2].split()[0])
    grey = params.model_copy(update={"channels": count})
    assert len(list(RawReader(tmp_path, "faces", grey).fitted(rows))) == 3
