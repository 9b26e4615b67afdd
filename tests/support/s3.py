"""An S3 server on this machine, spoken to over HTTP."""

from __future__ import annotations

import os
from contextlib import contextmanager

import pytest
import requests
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

ROOT = "s3://bucket/rushes"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@contextmanager
def s3_server():
    """Context with a bucket; the environment has its endpoint and a login. Gives the endpoint."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            host, port = server.get_host_and_port()
            endpoint = f"http://{host}:{port}"
            for name in [name for name in os.environ if name.startswith("AWS_")]:
                patch.delenv(name)
            variables = {
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            }
            for name, value in (variables | dict.fromkeys(KEYS, "moto")).items():
                patch.setenv(name, value)
            requests.post(f"{endpoint}/moto-api/reset", timeout=10)  # all servers of a process share their buckets
            S3FileSystem.clear_instance_cache()  # a client keeps the endpoint and login with which it was made
            S3FileSystem().mkdir("bucket")
            yield endpoint
    finally:
        S3FileSystem.clear_instance_cache()
        server.stop()
