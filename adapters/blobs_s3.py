"""Residents' files in an S3 bucket, served by S3 itself under addresses that are signed for a short time."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import quote

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from core.errors import StoreUnavailable
from core.ports.blobs import Blob

PREFIX = "attachments/"
T = TypeVar("T")


class _Client(Protocol):
    def put_object(self, **arguments: Any) -> dict[str, Any]: ...
    def get_object(self, **arguments: Any) -> dict[str, Any]: ...
    def delete_object(self, **arguments: Any) -> dict[str, Any]: ...
    def generate_presigned_url(self, ClientMethod: str, **arguments: Any) -> str: ...
    def close(self) -> None: ...


class S3BlobStore:
    """A `core.ports.blobs.BlobStore`. Credentials are the environment's; the bucket is private and encrypted."""

    def __init__(self, bucket: str, *, region: str, endpoint_url: str | None = None, timeout_s: float = 10.0) -> None:
        config = Config(
            signature_version="s3v4",
            connect_timeout=timeout_s,
            read_timeout=timeout_s,
            retries={"mode": "standard", "total_max_attempts": 3},
        )
        # boto3 makes its clients' types at run time.
        client = cast(Any, boto3).client("s3", region_name=region, endpoint_url=endpoint_url, config=config)
        self._client = cast(_Client, client)
        self._bucket = bucket

    async def put(self, key: str, blob: Blob) -> None:
        await self._call(
            lambda: self._client.put_object(
                Bucket=self._bucket,
                Key=PREFIX + key,
                Body=blob.content,
                ContentType=blob.content_type,
                ServerSideEncryption="AES256",
            )
        )

    async def get(self, key: str) -> Blob | None:
        def read() -> Blob | None:
            try:
                found = self._client.get_object(Bucket=self._bucket, Key=PREFIX + key)
            except ClientError as error:
                if _code(error) in ("NoSuchKey", "404"):
                    return None
                raise
            return Blob(found["Body"].read(), str(found["ContentType"]))

        return await self._call(read)

    async def delete(self, key: str) -> None:
        await self._call(lambda: self._client.delete_object(Bucket=self._bucket, Key=PREFIX + key))

    def signed_url(self, key: str, *, valid_for: timedelta, file_name: str) -> str | None:
        """Signed here, without a call; the browser shows the file under its name and as nothing but what it is."""
        return self._client.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self._bucket,
                "Key": PREFIX + key,
                "ResponseContentDisposition": f"inline; filename*=UTF-8''{quote(file_name, safe='')}",
            },
            ExpiresIn=int(valid_for.total_seconds()),
        )

    async def close(self) -> None:
        self._client.close()

    async def _call(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except (BotoCoreError, ClientError) as error:
            raise StoreUnavailable("The files can't be reached at the moment; try again.") from error


def _code(error: ClientError) -> str:
    response = cast(dict[str, dict[str, str]], error.response)  # pyright: ignore[reportUnknownMemberType]
    return response.get("Error", {}).get("Code", "")
