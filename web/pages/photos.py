"""Photos of a report: taken one by one while it is written, or together with it where the browser runs no script."""

import hashlib
from collections.abc import Sequence

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import UploadFile

from web.api_client import Problem, path
from web.forms import Form, read_form
from web.language import Words
from web.report_form import Photo
from web.second_click import answer_of
from web.viewer import Resident, Viewer

router = APIRouter()

FIELD = "photos"


@router.post("/photos")
async def add_photo(request: Request, viewer: Resident) -> Response:
    """Upload one photo for the report that is being written: its id and name, or a sentence that says why not."""
    form = await read_form(request)
    photos, problems = await upload_all(viewer, form)
    if not photos:
        status, sentence = problems[0] if problems else (422, viewer.words.gettext("There is no file."))
        return JSONResponse({"problem": sentence}, status)
    return JSONResponse({"attachment_id": photos[0].attachment_id, "name": photos[0].name}, 201)


@router.post("/photos/{attachment_id}/remove")
async def remove_photo(attachment_id: str, viewer: Resident) -> Response:
    """Take back one that was not sent yet; one that is gone already is no error."""
    try:
        await viewer.api.delete(path("attachments", attachment_id))
    except Problem as problem:
        if problem.status in (401, 404):
            if problem.status == 401:
                raise
            return JSONResponse({})
        return JSONResponse({"problem": problem.detail}, problem.status)
    return JSONResponse({})


async def upload_all(viewer: Viewer, form: Form) -> tuple[list[Photo], list[tuple[int, str]]]:
    """The form's files, uploaded one after the other: those that were taken, and why each other one was not."""
    taken: list[Photo] = []
    problems: list[tuple[int, str]] = []
    for file in form.files.get(FIELD, ()):
        name = file.filename or "file"
        try:
            taken.append(await _upload(viewer, form, file, name))
        except Problem as problem:
            if problem.status == 401:
                raise
            problems.append((problem.status, why_not(viewer.words, name, problem)))
        finally:
            await file.close()
    return taken, problems


async def _upload(viewer: Viewer, form: Form, file: UploadFile, name: str) -> Photo:
    content = await file.read()
    # Of the content: the form sent twice uploads each of its files once.
    key = f"{form.key}.photo.{hashlib.sha256(content).hexdigest()[:16]}" if form.key else None
    kind = file.content_type or ""
    made = await answer_of(lambda: viewer.api.upload("/attachments", name, content, kind, {}, key=key))
    return Photo(made.body["attachment_id"], made.body["name"])


async def still_there(viewer: Viewer, photos: Sequence[Photo]) -> list[Photo]:
    """Those that can still be sent: not removed, and not sent with another request."""
    kept: list[Photo] = []
    for photo in photos:
        try:
            found = await viewer.api.get(path("attachments", photo.attachment_id))
        except Problem as problem:
            if problem.status not in (404, 422):
                raise
            continue
        if found.body["attachment"].get("request_id") is None:
            kept.append(photo)
    return kept


def why_not(words: Words, name: str, problem: Problem) -> str:
    """Why a file was not taken, in one sentence."""
    sentences = {
        "too_large": words.gettext("“%(name)s” is larger than 10 MB."),
        "unsupported_file": words.gettext(
            "“%(name)s” is no photo or PDF that we can take; JPEG, PNG, WebP and PDF work."
        ),
        "file_refused": words.gettext(
            "“%(name)s” can't be read as a photo or PDF. It may be damaged, or another kind of file."
        ),
        "too_many_files": words.gettext("“%(name)s” was not added: too many files wait to be sent. Remove some first."),
    }
    otherwise = words.gettext("“%(name)s” could not be taken just now. Please try again in a moment.")
    return sentences.get(problem.code, otherwise) % {"name": name}
