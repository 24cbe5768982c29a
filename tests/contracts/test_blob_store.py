"""What every `BlobStore` does."""

import urllib.request
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
from moto.server import ThreadedMotoServer

from adapters.blobs_folder import FolderBlobStore
from adapters.blobs_s3 import S3BlobStore
from core.errors import BrokenInvariant, StoreUnavailable
from core.ports.blobs import Blob, BlobStore

PHOTO = Blob(bytes(range(256)) * 40 + b"\n{}\n", "image/jpeg")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "s3"])
async def blobs(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[BlobStore]:
    if request.param == "folder":
        yield FolderBlobStore(tmp_path / "attachments")
        return
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    endpoint = request.getfixturevalue("s3_endpoint")
    cast(Any, boto3).client("s3", region_name="us-east-1", endpoint_url=endpoint).create_bucket(Bucket="files")
    store = S3BlobStore("files", region="us-east-1", endpoint_url=endpoint)
    yield store
    await store.close()


async def test_what_was_put_is_read_back(blobs: BlobStore) -> None:
    await blobs.put("ATT_1", PHOTO)
    assert await blobs.get("ATT_1") == PHOTO


async def test_an_unknown_key_is_none(blobs: BlobStore) -> None:
    assert await blobs.get("ATT_none") is None


async def test_putting_again_replaces(blobs: BlobStore) -> None:
    await blobs.put("ATT_1", PHOTO)
    await blobs.put("ATT_1", Blob(b"other", "application/pdf"))
    assert await blobs.get("ATT_1") == Blob(b"other", "application/pdf")


async def test_deleting_removes_it_and_may_be_repeated(blobs: BlobStore) -> None:
    await blobs.put("ATT_1", PHOTO)
    await blobs.delete("ATT_1")
    await blobs.delete("ATT_1")
    assert await blobs.get("ATT_1") is None


async def test_a_signed_address_serves_the_file_under_its_name(blobs: BlobStore) -> None:
    await blobs.put("ATT_1", PHOTO)
    address = blobs.signed_url("ATT_1", valid_for=timedelta(minutes=5), file_name="mouldy wall é.jpg")
    if address is None:
        assert isinstance(blobs, FolderBlobStore)
        return
    with urllib.request.urlopen(address) as answer:
        assert answer.read() == PHOTO.content
        assert answer.headers["Content-Type"] == "image/jpeg"


@pytest.mark.parametrize("key", ["../secret", "a/b", "", "x" * 200, "ATT 1"])
async def test_a_folder_takes_no_key_that_leads_out_of_it(tmp_path: Path, key: str) -> None:
    with pytest.raises(BrokenInvariant):
        await FolderBlobStore(tmp_path).put(key, PHOTO)


async def test_only_its_owner_reads_a_file_in_a_folder(tmp_path: Path) -> None:
    await FolderBlobStore(tmp_path / "a").put("ATT_1", PHOTO)
    (stored,) = [path for path in tmp_path.rglob("ATT_1")]
    assert stored.stat().st_mode & 0o077 == 0


async def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreUnavailable):
        await FolderBlobStore(tmp_path / "file").put("ATT_1", PHOTO)


async def test_an_s3_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    store = S3BlobStore("files", region="us-east-1", endpoint_url="http://127.0.0.1:9", timeout_s=1.0)
    with pytest.raises(StoreUnavailable):
        await store.put("ATT_1", PHOTO)
    await store.close()
