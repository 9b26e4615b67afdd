"""Shards appear whole or not at all."""

import tarfile

import pytest

from curation.store.shards import ShardWriter, next_number, sweep


def test_shards_are_cut_by_size(tmp_path):
    """Every member is at the reported byte."""
    with ShardWriter(tmp_path, 3, shard_bytes=3900) as writer:
        places = [writer.add(f"{number}.jpg", bytes([number]) * 900) for number in range(6)]
        writer.close()

    assert [shard for shard, _ in places] == [f"shard-00000{n}.tar" for n in (3, 3, 4, 4, 5, 5)]
    for number, (shard, offset) in enumerate(places):
        assert (tmp_path / shard).read_bytes()[offset : offset + 900] == bytes([number]) * 900
        with tarfile.open(tmp_path / shard) as tar:
            assert f"{number}.jpg" in tar.getnames()


def test_the_same_members_give_the_same_bytes(tmp_path):
    """They have neither times nor owners."""
    for name in ("a", "b"):
        with ShardWriter(tmp_path / name, 0) as writer:
            writer.add("1.jpg", b"picture")
            writer.close()

    assert (tmp_path / "a/shard-000000.tar").read_bytes() == (tmp_path / "b/shard-000000.tar").read_bytes()


def test_a_failure_leaves_nothing(tmp_path):
    """The folder is removed too."""
    with pytest.raises(TypeError), ShardWriter(tmp_path / "set", 0) as writer:
        writer.add(writer.add("1.jpg", b"picture")[0], "no bytes")

    assert not (tmp_path / "set").exists()


def test_strays_are_swept(tmp_path):
    """Shards outside the index; numbering continues after the listed ones."""
    for name in ("shard-000000.tar", "shard-000001.tar", ".shard-000002.tar.partial", "index.parquet"):
        (tmp_path / name).touch()
    sweep(tmp_path, {"shard-000000.tar"})

    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.parquet", "shard-000000.tar"]
    assert next_number({"shard-000000.tar"}) == 1
