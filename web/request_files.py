"""The photos and documents of a request, at the page's own address: a browser shows a page no others."""

from urllib.parse import urlsplit

import httpx
from fastapi import Request, Response
from starlette.exceptions import HTTPException

from web.api_client import INNER_HOST, path
from web.viewer import Viewer

FILE_WAIT_S = 20.0


async def file_of(viewer: Viewer, request: Request, request_id: str, attachment_id: str) -> Response:
    """A file of the request, wherever it is kept. Raises `Problem`; `HTTPException` 404 for a file of another one."""
    found = (await viewer.api.get(path("requests", request_id))).body
    if attachment_id not in [file["attachment_id"] for file in found["attachments"]]:
        raise HTTPException(404)
    address = (await viewer.api.get(path("attachments", attachment_id))).body
    where = urlsplit(str(address["url"]))
    if where.hostname == INNER_HOST:
        return viewer.api.forward(path("attachments", attachment_id, "content"), request.scope, where.query)
    return await _fetched(address["url"], address["attachment"]["content_type"])


async def _fetched(url: str, content_type: str) -> Response:
    """A file that another server keeps, whose address was signed for us."""
    try:
        async with httpx.AsyncClient(timeout=FILE_WAIT_S) as client:
            answer = await client.get(url)
            answer.raise_for_status()
    except httpx.HTTPError:
        raise HTTPException(503) from None
    headers = {
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Disposition": "inline",
        "Cache-Control": "private, max-age=600",
    }
    return Response(answer.content, media_type=content_type, headers=headers)
