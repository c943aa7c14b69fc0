"""A store that several machines share: what one makes the others find, whole; what is damaged or forgotten is gone."""

from __future__ import annotations

import os
import uuid
from importlib.util import find_spec

import pytest

pytest.importorskip("fsspec")

from digitalme.run import run
from digitalme.shared_store import SharedStore
from digitalme.store import open_store
from tests.fakes.numbers import Number
from tests.test_run import sums


@pytest.fixture(params=["memory", "file", "s3"])
def address(request, tmp_path):
    if request.param == "memory":
        yield f"memory://{uuid.uuid4()}/store"
    elif request.param == "file":
        yield f"file://{tmp_path}/shared"
    else:
        if find_spec("moto") is None or find_spec("s3fs") is None or find_spec("flask") is None:
            pytest.skip("moto's server and s3fs are not installed")
        yield from bucket()


def bucket():
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    there = f"http://127.0.0.1:{port}"
    kept = dict(os.environ)
    os.environ.update(
        AWS_ENDPOINT_URL=there, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1"
    )
    try:
        boto3.client("s3").create_bucket(Bucket="many")
        yield f"s3://many/{uuid.uuid4()}"
    finally:
        os.environ.clear()
        os.environ.update(kept)
        server.stop()


def made(store):
    return run(sums(), ["total"], store=store, given={"start": Number(9)})


@pytest.mark.filterwarnings("ignore")
def test_what_one_machine_made_another_finds(address, tmp_path, monkeypatch):
    monkeypatch.setenv("DIGITALME_STORE", str(tmp_path / "worker"))
    one, other = SharedStore(address, tmp_path / "one"), SharedStore(address, tmp_path / "other")
    first = made(one)
    again = made(other)
    assert again.load("total") == Number(15)
    assert again.cached == set(first.keys) - {"start"}
    assert set(other.all_keys()) == set(one.all_keys()) == set(first.keys.values())
    # half of an object there is no object
    key = first.keys["total"]
    other._files.rm(other._remote(key, "number.txt"))
    third = SharedStore(address, tmp_path / "third")
    assert key not in third
    assert made(third).load("total") == Number(15)
    # removed here is removed there
    one.remove(first.keys["halved"])
    other.evict()
    assert first.keys["halved"] not in other


def test_addresses(tmp_path, monkeypatch):
    monkeypatch.setenv("DIGITALME_STORE", str(tmp_path))
    assert open_store(tmp_path / "x").root == tmp_path / "x"
    assert open_store(None).root == tmp_path
    assert isinstance(open_store("memory://a/b"), SharedStore)
    assert open_store("memory://a/b").root.is_relative_to(tmp_path)
