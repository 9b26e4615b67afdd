"""Storage of checkpoints: what cannot be used is refused before the training, and following the remedy helps."""

from __future__ import annotations

import errno
import json
import os

import boto3
import pytest
import requests
import s3fs
import torch

from common import atomic
from steps.runtime.failures import describe
from tests.support.s3 import KEYS, ROOT, s3_server
from training import storage
from training.checkpoints import LAST, sealed
from training.resume import resume_point
from training.storage import StorageError, check_storage, place_of

CLOSED = "http://127.0.0.1:1"
NOTHING, READ, ALL = ["s3:ListAllMyBuckets"], ["s3:ListBucket", "s3:GetObject"], ["s3:*"]
WRITE = [*READ, "s3:PutObject"]


@pytest.fixture
def server():
    """Endpoint of an S3 server with a bucket."""
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def user(server, monkeypatch):
    """Function that gives a user of the server, with whose login the tests run, permission for some actions."""
    iam = boto3.client("iam")
    iam.create_user(UserName="trainer")
    key = iam.create_access_key(UserName="trainer")["AccessKey"]

    def allow(actions):
        requests.post(f"{server}/moto-api/reset-auth", data="inf", timeout=10)
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName="trainer", PolicyName="storage", PolicyDocument=policy)
        requests.post(f"{server}/moto-api/reset-auth", data="0", timeout=10)

    for name, value in zip(KEYS, (key["AccessKeyId"], key["SecretAccessKey"]), strict=True):
        monkeypatch.setenv(name, value)
    yield allow
    requests.post(f"{server}/moto-api/reset-auth", data="inf", timeout=10)


def refusal(address):
    """Error of a storage that cannot be used, in a new process."""
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(StorageError) as caught:
        check_storage(str(address))
    assert str(address) in str(caught.value)
    return caught.value.kind, caught.value.remedy


def usable(address) -> None:
    """Passes, and leaves nothing behind."""
    s3fs.S3FileSystem.clear_instance_cache()
    check_storage(str(address))
    assert storage.files(place_of(str(address)), "*") == []


def test_a_missing_folder_is_created(tmp_path):
    """It is not created by itself, since it may be the mount point of a missing disk; nor does a file serve."""
    (tmp_path / "file").touch()
    kind, remedy = refusal(tmp_path / "team")

    assert refusal(tmp_path / "file") == (kind, remedy)
    assert (kind, remedy) == ("user", "mount or create it, or change training.storage in settings.toml")
    (tmp_path / "team").mkdir()
    usable(tmp_path / "team")


@pytest.mark.parametrize(("code", "why"), [(errno.EROFS, "mounted read-only"), (errno.EACCES, "may not use")])
def test_a_folder_that_may_not_be_written_is_shown(tmp_path, monkeypatch, code, why):
    """The stage reports it as it reports any other folder."""

    def refused(path, *_):
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(OSError, match=os.strerror(code)) as caught:
        check_storage(str(tmp_path))
    failure = describe("train", "expression", caught.value)

    assert failure.kind == "user"
    assert why in failure.message
    assert f"ls -ld {tmp_path}" in failure.remedy


@pytest.mark.usefixtures("server")
def test_a_missing_bucket_is_created():
    """Not by itself: a typing error would create one."""
    kind, remedy = refusal("s3://other/rushes")

    assert (kind, remedy) == ("user", "create the bucket, or change training.storage in settings.toml")
    s3fs.S3FileSystem().mkdir("other")
    usable("s3://other/rushes")


def test_an_unreachable_service_is_transient(server, monkeypatch):
    """It may come back; a wrong address is named."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", CLOSED)
    kind, remedy = refusal(ROOT)

    assert kind == "transient"
    assert "AWS_ENDPOINT_URL is its address" in remedy
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    usable(ROOT)


@pytest.mark.usefixtures("server")
def test_a_missing_login_is_named(monkeypatch):
    """By the variables that contain it."""
    for name in KEYS:
        monkeypatch.delenv(name)
    kind, remedy = refusal(ROOT)

    assert kind == "user"
    assert remedy.startswith("set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    for name in KEYS:
        monkeypatch.setenv(name, "moto")
    usable(ROOT)


@pytest.mark.parametrize("actions", [NOTHING, READ, WRITE], ids=["nothing", "reading", "no deleting"])
def test_a_login_without_permission_is_named(user, actions):
    """The account needs to list, read, write and delete."""
    user(actions)
    kind, remedy = refusal(ROOT)

    assert kind == "user"
    assert "an account that may list, read, write and delete there" in remedy
    user(ALL)
    if actions == WRITE:  # the probe could not be removed
        s3fs.S3FileSystem().rm("bucket/rushes", recursive=True)
    usable(ROOT)


@pytest.mark.parametrize("address", ["gs://bucket/rushes", "s3://key:secret@bucket/rushes"])
def test_other_addresses_are_refused(address, tmp_path):
    """With the remedy, and without the password."""
    with pytest.raises(StorageError) as caught:
        check_storage(address)

    assert "secret" not in f"{caught.value} {caught.value.remedy}"
    assert caught.value.remedy.startswith("set training.storage to a folder or s3://BUCKET/PATH")
    usable(tmp_path)


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("code", [errno.EBUSY, errno.EREMOTEIO, errno.EIO])
def test_a_busy_service_is_not_a_damaged_checkpoint(monkeypatch, code):
    """Training does not start again, and nothing is removed; the error is transient."""
    folder = place_of(ROOT)
    storage.replace(folder / LAST, sealed({"epoch": 1}))
    with monkeypatch.context() as patch:

        async def busy(*_args, **_options):
            raise OSError(code, "busy")

        patch.setattr(s3fs.S3FileSystem, "_call_s3", busy)
        with pytest.raises(StorageError, match="busy") as caught:
            resume_point(folder, torch.nn.Linear(1, 1), lambda _: 0)

    assert caught.value.kind == "transient"
    assert storage.exists(folder / LAST)


@pytest.mark.usefixtures("server")
def test_a_bucket_that_disappears_is_reported():
    """A missing object is none, but a checkpoint needs a bucket."""
    path = place_of("s3://gone/rushes") / LAST
    assert not storage.exists(path)
    with pytest.raises(StorageError, match="bucket does not exist"):
        storage.replace(path, b"", "previous.ckpt")


def test_two_processes_write_one_file_at_once(tmp_path, monkeypatch):
    """Two trainings publish the same set in the same moment; each takes a temporary name of its own."""
    file, synced = tmp_path / "apart.npy", atomic.sync_and_replace

    def meanwhile(partial, path):
        monkeypatch.setattr(atomic, "sync_and_replace", synced)
        storage.replace(file, b"the other's")
        synced(partial, path)

    monkeypatch.setattr(atomic, "sync_and_replace", meanwhile)
    storage.replace(file, b"one's own")

    assert file.read_bytes() == b"one's own"
    assert [path.name for path in tmp_path.iterdir()] == ["apart.npy"]
