"""Routes for residents' files: upload one, have it shown, take it back."""

from email.message import Message
from typing import Annotated, Any, get_args
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from core.attachments import ContentType, StoredAttachment, UnsupportedFile
from core.errors import Invalid
from deployments.request_management.api.context import Caller, OnceOnly, Reply, Service, send
from deployments.request_management.api.problems import documented
from deployments.request_management.attachments import AttachmentAddress, Upload, new_attachment_id
from deployments.request_management.intake import home_of_caller

router = APIRouter(tags=["attachments"], responses=documented(401, 403, 413, 422, 429, 500, 503))

_FILE: dict[str, Any] = {
    "description": "The file",
    "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in get_args(ContentType)},
}
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "resident_id": {"type": "string", "description": "Needed from staff."},
                        "building_id": {"type": "string"},
                    },
                }
            }
        },
    }
}


@router.post(
    "/attachments",
    response_model=StoredAttachment,
    status_code=201,
    responses=documented(409, 415),
    openapi_extra=_FORM,
)
async def upload_attachment(request: Request, service: Service, caller: Caller, once: OnceOnly) -> Response:
    """Upload a photo (JPEG, PNG, WebP) or PDF of up to 10 MB; send its id with `POST /requests`.

    At most 20 files of a resident wait to be sent with a request; one more is answered 409 (`too_many_files`).
    """

    async def work(attachment_id: str) -> Reply:
        upload, fields = await _read_form(request)
        resident_id, building_id, _ = home_of_caller(caller, fields.get("resident_id"), fields.get("building_id"), None)
        made = await service.attachments.upload(caller, (resident_id, building_id), upload, attachment_id)
        return Reply(made, 201, {"Location": f"/api/v1/attachments/{made.attachment_id}"})

    # Read here, so that the form is parsed from memory and the key's fingerprint covers it.
    await request.body()
    return await once(new_attachment_id(), work)


@router.get("/attachments/{attachment_id}", response_model=AttachmentAddress, responses=documented(404))
async def get_attachment(attachment_id: str, request: Request, service: Service, caller: Caller) -> Response:
    """What the file is, and an address that shows it for ten minutes without a token."""
    base_url = str(request.base_url).rstrip("/") + "/api/v1"
    return send(Reply(await service.attachments.address(caller, attachment_id, base_url)))


@router.get(
    "/attachments/{attachment_id}/content",
    response_class=Response,
    responses={**documented(404), 200: _FILE},
)
async def get_attachment_content(
    attachment_id: str,
    service: Service,
    expires: Annotated[int, Query(ge=0, le=2**40)],
    signature: Annotated[str, Query(pattern="^[0-9a-f]{64}$")],
) -> Response:
    """The file behind a signed address; no token is needed."""
    found, content = await service.attachments.content(attachment_id, expires, signature)
    headers = {
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(found.name, safe='')}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, max-age=600",
    }
    return Response(content, media_type=found.content_type, headers=headers)


@router.delete("/attachments/{attachment_id}", status_code=204, response_class=Response, responses=documented(404, 409))
async def remove_attachment(attachment_id: str, service: Service, caller: Caller) -> Response:
    """Take back a file that was not sent with a request yet."""
    await service.attachments.remove(caller, attachment_id)
    return Response(status_code=204)


async def _read_form(request: Request) -> tuple[Upload, dict[str, str]]:
    kind = Message()
    kind["content-type"] = request.headers.get("content-type", "")
    if kind.get_content_type() != "multipart/form-data":
        raise UnsupportedFile("Send the file as multipart/form-data in a field named file.")
    try:
        async with request.form(max_files=1, max_fields=5) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise Invalid("There is no file in the field named file.")
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            upload = Upload(file.filename or "file", file.content_type or "", await file.read())
            return upload, fields
    except (MultiPartException, HTTPException, KeyError, UnicodeDecodeError):
        raise Invalid("The form can't be read.") from None
