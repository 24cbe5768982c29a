"""Residents' files over HTTP: uploaded, sent with a request, shown to whoever may see the request."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from PIL import Image

from adapters import build
from adapters.blobs_folder import FolderBlobStore
from adapters.documents_sqlite import SqliteDocumentStore
from adapters.file_inspection import ContentInspector
from adapters.store_sqlite import SqliteRequestStore
from adapters.tokens import LocalTokens
from core.errors import Invalid, StoreUnavailable
from core.identity import Principal
from core.labels import Role
from core.ports.blobs import Blob
from core.ports.record_keeping import RecordKeeping
from core.request import Attachment, BuildingId, RequestId, ResidentId
from core.settings import Settings
from deployments.request_management.api.application import build_api
from deployments.request_management.attachments import (
    MOST_LOOSE,
    AlreadyAttached,
    Attachments,
    TooManyFiles,
    Upload,
    new_attachment_id,
)
from deployments.request_management.service import RequestManagementService
from tests.clock import ManualClock

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
OWNER = Principal("RES_A_101", Role.RESIDENT)
HOME = (ResidentId("RES_A_101"), BuildingId("A"))
Client = Callable[..., httpx.AsyncClient]


def photo(size: tuple[int, int] = (64, 48)) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", size, "navy").save(written, "JPEG")
    return written.getvalue()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def documents(tmp_path: Path) -> AsyncIterator[SqliteDocumentStore]:
    store = SqliteDocumentStore(tmp_path / "documents.sqlite3")
    yield store
    await store.close()


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobStore:
    return FolderBlobStore(tmp_path / "files")


@pytest.fixture
def stored() -> set[RequestId]:
    """The requests that the store has."""
    return {RequestId("REQ_1")}


@pytest.fixture
def attachments(
    documents: SqliteDocumentStore, blobs: FolderBlobStore, clock: ManualClock, stored: set[RequestId]
) -> Attachments:
    async def exists(request_id: RequestId) -> bool:
        return request_id in stored

    return Attachments(documents, blobs, ContentInspector(), b"key", 1_000_000, clock, exists)


async def sent(attachments: Attachments, attachment_id: str | None = None) -> str:
    upload = Upload("C:\\photos\\wall.jpg", "image/jpeg", photo())
    made = await attachments.upload(OWNER, HOME, upload, attachment_id or new_attachment_id())
    assert made.name == "wall.jpg"
    return made.attachment_id


class TestRules:
    async def test_uploading_again_under_one_id_is_the_first_upload(self, attachments: Attachments) -> None:
        identifier = new_attachment_id()
        assert await sent(attachments, identifier) == await sent(attachments, identifier)
        assert len(await attachments.of_resident("RES_A_101")) == 1

    async def test_a_file_belongs_to_one_request(self, attachments: Attachments) -> None:
        one = Attachment(attachment_id=await sent(attachments))
        (held,) = await attachments.claim([one], RequestId("REQ_1"), "RES_A_101")
        assert (held.name, held.content_type, held.url) == ("wall.jpg", "image/jpeg", None)
        assert await attachments.claim([one], RequestId("REQ_1"), "RES_A_101") == (held,)
        with pytest.raises(AlreadyAttached):
            await attachments.claim([one], RequestId("REQ_2"), "RES_A_101")

    async def test_of_two_requests_at_once_one_gets_it(self, attachments: Attachments) -> None:
        one = Attachment(attachment_id=await sent(attachments))
        claims = (attachments.claim([one], RequestId(f"REQ_{n}"), "RES_A_101") for n in range(8))
        outcomes = await asyncio.gather(*claims, return_exceptions=True)
        assert sum(isinstance(outcome, tuple) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, AlreadyAttached) for outcome in outcomes) == 7

    async def test_nobody_claims_a_file_of_another(self, attachments: Attachments) -> None:
        with pytest.raises(Invalid):
            await attachments.claim([Attachment(attachment_id=await sent(attachments))], RequestId("R"), "RES_A_102")

    async def test_a_submission_with_one_wrong_file_ties_none(self, attachments: Attachments) -> None:
        good, wrong = Attachment(attachment_id=await sent(attachments)), Attachment(attachment_id=new_attachment_id())
        with pytest.raises(Invalid):
            await attachments.claim([good, wrong], RequestId("REQ_1"), "RES_A_101")
        (held,) = await attachments.claim([good], RequestId("REQ_2"), "RES_A_101")
        assert held.attachment_id == good.attachment_id

    async def test_a_file_of_a_request_that_was_never_stored_is_free_again(
        self, attachments: Attachments, clock: ManualClock, stored: set[RequestId]
    ) -> None:
        one = Attachment(attachment_id=await sent(attachments))
        await attachments.claim([one], RequestId("REQ_lost"), "RES_A_101")
        with pytest.raises(AlreadyAttached):
            await attachments.claim([one], RequestId("REQ_2"), "RES_A_101")
        clock.advance(61)
        await attachments.claim([one], RequestId("REQ_2"), "RES_A_101")
        stored.add(RequestId("REQ_2"))
        clock.advance(61)
        with pytest.raises(AlreadyAttached):
            await attachments.claim([one], RequestId("REQ_lost"), "RES_A_101")

    async def test_a_file_of_a_request_that_was_never_stored_can_be_taken_back(
        self, attachments: Attachments, blobs: FolderBlobStore, clock: ManualClock
    ) -> None:
        identifier = await sent(attachments)
        await attachments.claim([Attachment(attachment_id=identifier)], RequestId("REQ_lost"), "RES_A_101")
        with pytest.raises(AlreadyAttached):
            await attachments.remove(OWNER, identifier)
        clock.advance(61)
        await attachments.remove(OWNER, identifier)
        assert await blobs.get(identifier) is None

    async def test_a_file_of_a_request_that_was_never_stored_is_removed_after_a_day(
        self, attachments: Attachments, blobs: FolderBlobStore, clock: ManualClock
    ) -> None:
        lost, confirmed = await sent(attachments), await sent(attachments)
        await attachments.claim([Attachment(attachment_id=lost)], RequestId("REQ_lost"), "RES_A_101")
        held = await attachments.claim([Attachment(attachment_id=confirmed)], RequestId("REQ_1"), "RES_A_101")
        await attachments.confirm(held)
        clock.advance(25 * 3600)
        assert await attachments.prune() == 1
        assert await blobs.get(lost) is None
        assert await blobs.get(confirmed) is not None

    async def test_a_file_that_is_being_sent_outlives_pruning_and_is_looked_at_again(
        self, attachments: Attachments, blobs: FolderBlobStore, clock: ManualClock
    ) -> None:
        identifier = await sent(attachments)
        clock.advance(25 * 3600)
        await attachments.claim([Attachment(attachment_id=identifier)], RequestId("REQ_lost"), "RES_A_101")
        assert await attachments.prune() == 0
        assert await blobs.get(identifier) is not None
        clock.advance(61)
        assert await attachments.prune() == 1
        assert await blobs.get(identifier) is None

    async def test_a_file_that_is_claimed_while_it_is_pruned_stays(
        self, attachments: Attachments, blobs: FolderBlobStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        identifier = await sent(attachments)
        clock.advance(25 * 3600)
        real = attachments._is_held  # pyright: ignore[reportPrivateUsage]

        async def then_claimed(entry: Any) -> bool:
            held = await real(entry)
            monkeypatch.setattr(attachments, "_is_held", real)
            await attachments.claim([Attachment(attachment_id=identifier)], RequestId("REQ_1"), "RES_A_101")
            return held

        monkeypatch.setattr(attachments, "_is_held", then_claimed)
        assert await attachments.prune() == 0
        assert await blobs.get(identifier) is not None
        with pytest.raises(AlreadyAttached):
            await attachments.remove(OWNER, identifier)

    async def test_a_file_whose_removal_has_begun_can_not_be_claimed_and_is_removed_later(
        self, attachments: Attachments, blobs: FolderBlobStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        identifier = await sent(attachments)

        async def lost(*_: object) -> None:
            raise RuntimeError("the process dies here")

        with monkeypatch.context() as patched:
            patched.setattr(attachments, "erase", lost)
            with pytest.raises(RuntimeError):
                await attachments.remove(OWNER, identifier)
        with pytest.raises(Invalid):
            await attachments.claim([Attachment(attachment_id=identifier)], RequestId("REQ_1"), "RES_A_101")
        assert await attachments.of_resident("RES_A_101") == ()
        clock.advance(25 * 3600)
        assert await attachments.prune() == 1
        assert await blobs.get(identifier) is None

    async def test_a_resident_has_so_many_files_that_no_request_holds(
        self, attachments: Attachments, clock: ManualClock
    ) -> None:
        made = await asyncio.gather(*(sent(attachments) for _ in range(MOST_LOOSE + 4)), return_exceptions=True)
        kept = [one for one in made if isinstance(one, str)]
        assert MOST_LOOSE <= len(kept) <= MOST_LOOSE + 1
        for _ in range(len(kept) - MOST_LOOSE):
            await attachments.remove(OWNER, kept.pop())
        with pytest.raises(TooManyFiles):
            await sent(attachments)
        await attachments.claim([Attachment(attachment_id=kept[0])], RequestId("REQ_1"), "RES_A_101")
        await sent(attachments)
        with pytest.raises(TooManyFiles):
            await sent(attachments)
        neighbour = (ResidentId("RES_A_102"), BuildingId("A"))
        await attachments.upload(OWNER, neighbour, Upload("a.jpg", "image/jpeg", photo()), new_attachment_id())
        clock.advance(25 * 3600)
        assert await attachments.prune() == MOST_LOOSE + 1
        await sent(attachments)

    async def test_pruning_goes_on_until_nothing_is_too_old(
        self, attachments: Attachments, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("deployments.request_management.attachments.PAGE", 2)
        for _ in range(7):
            await sent(attachments)
        clock.advance(25 * 3600)
        young = await sent(attachments)
        assert await attachments.prune() == 7
        assert [one.attachment_id for one in await attachments.of_resident("RES_A_101")] == [young]

    async def test_what_nobody_sent_is_removed_after_a_day(
        self, attachments: Attachments, blobs: FolderBlobStore, clock: ManualClock
    ) -> None:
        loose, kept = await sent(attachments), await sent(attachments)
        await attachments.claim([Attachment(attachment_id=kept)], RequestId("REQ_1"), "RES_A_101")
        assert await attachments.prune() == 0
        clock.advance(25 * 3600)
        assert await attachments.prune() == 1
        assert await blobs.get(loose) is None
        assert await blobs.get(kept) is not None

    async def test_an_upload_that_broke_off_leaves_nothing_for_good(
        self, attachments: Attachments, blobs: FolderBlobStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def lost(*_: object, **__: object) -> None:
            raise RuntimeError("the process dies here")

        monkeypatch.setattr(attachments, "_store", lost)
        identifier = new_attachment_id()
        with pytest.raises(RuntimeError):
            await sent(attachments, identifier)
        assert await blobs.get(identifier) is not None
        clock.advance(25 * 3600)
        assert await attachments.prune() == 1
        assert await blobs.get(identifier) is None


@pytest.fixture
async def client(
    tmp_path: Path, documents: SqliteDocumentStore, blobs: FolderBlobStore, clock: ManualClock
) -> AsyncIterator[Client]:
    settings = Settings(state_dir=tmp_path, attachment_limit_bytes=200_000)
    tokens = LocalTokens(settings.local_key)
    store = SqliteRequestStore(settings.database)
    nobody = cast(Any, None)
    ports = RecordKeeping(
        store=store,
        documents=documents,
        blobs=blobs,
        inspector=ContentInspector(),
        executions=nobody,
        outcomes=nobody,
        webhooks=nobody,
        sender=nobody,
        tokens=tokens,
        limits=build.rate_limits(settings),
        url_key=b"key",
    )
    service = RequestManagementService(settings, ports, nobody, nobody, nobody, clock=clock)
    application = build_api(lambda: service, settings)
    opened: list[httpx.AsyncClient] = []

    def make(role: Role | None = None, sub: str = "", *, buildings: list[str] | None = None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {tokens.issue(role, sub, buildings=buildings)}"} if role else {}
        transport = httpx.ASGITransport(application, raise_app_exceptions=False)
        opened.append(httpx.AsyncClient(transport=transport, base_url="http://testserver/api/v1", headers=headers))
        return opened[-1]

    yield make
    for one in opened:
        await one.aclose()
    await store.close()


async def _down(*_: object) -> bool:
    raise StoreUnavailable("down")


async def upload(client: httpx.AsyncClient, content: bytes | None = None, **form: Any) -> httpx.Response:
    files = {"file": ("wall.jpg", photo() if content is None else content, "image/jpeg")}
    return await client.post("/attachments", files=files, data=form.get("data"), headers=form.get("headers"))


class TestHttp:
    async def test_a_photo_is_uploaded_and_shown_by_a_signed_address(self, client: Client) -> None:
        resident = client(Role.RESIDENT, "RES_A_101")
        answer = await upload(resident)
        assert answer.status_code == 201, answer.text
        identifier = answer.json()["attachment_id"]
        shown = (await resident.get(f"/attachments/{identifier}")).json()
        file = await client().get(shown["url"])
        assert file.status_code == 200
        assert file.headers["content-type"] == "image/jpeg"
        assert "sandbox" in file.headers["content-security-policy"]
        with Image.open(io.BytesIO(file.content)) as opened:
            assert opened.size == (64, 48)

    async def test_an_address_is_over_after_ten_minutes_and_can_not_be_altered(
        self, client: Client, clock: ManualClock
    ) -> None:
        resident = client(Role.RESIDENT, "RES_A_101")
        first, second = [(await upload(resident)).json()["attachment_id"] for _ in range(2)]
        url = str((await resident.get(f"/attachments/{first}")).json()["url"])
        assert (await client().get(url.replace(first, second))).status_code == 404
        assert (await client().get(url.replace("expires=", "expires=9"))).status_code == 404
        clock.advance(timedelta(minutes=11).total_seconds())
        assert (await client().get(url)).status_code == 404

    async def test_only_the_owner_and_staff_of_the_building_see_it(self, client: Client) -> None:
        identifier = (await upload(client(Role.RESIDENT, "RES_A_101"))).json()["attachment_id"]
        path = f"/attachments/{identifier}"
        assert (await client(Role.STAFF, "sam", buildings=["A"]).get(path)).status_code == 200
        assert (await client(Role.STAFF, "sue", buildings=["B"]).get(path)).status_code == 404
        assert (await client(Role.RESIDENT, "RES_A_102").get(path)).status_code == 404
        assert (await client(Role.SERVICE, "robot").get(path)).status_code == 403
        assert (await client().get(path)).status_code == 401

    async def test_the_same_key_uploads_once(self, client: Client) -> None:
        resident = client(Role.RESIDENT, "RES_A_101")
        boundary = {"Content-Type": "multipart/form-data; boundary=b", "Idempotency-Key": "k1"}
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n'
        body = head + b"Content-Type: image/jpeg\r\n\r\n" + photo() + b"\r\n--b--\r\n"
        first = await resident.post("/attachments", content=body, headers=boundary)
        again = await resident.post("/attachments", content=body, headers=boundary)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert again.headers["Idempotency-Replayed"] == "true"

    async def test_one_file_too_many_is_told(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("deployments.request_management.attachments.MOST_LOOSE", 1)
        resident = client(Role.RESIDENT, "RES_A_101")
        path = f"/attachments/{(await upload(resident)).json()['attachment_id']}"
        refused = await upload(resident)
        assert (refused.status_code, refused.json()["code"]) == (409, "too_many_files")
        await resident.delete(path)
        assert (await upload(resident)).status_code == 201

    async def test_a_refused_submission_leaves_its_files_free(
        self, client: Client, documents: SqliteDocumentStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resident = client(Role.RESIDENT, "RES_A_101")
        held = {"attachment_id": (await upload(resident)).json()["attachment_id"]}

        async def loose() -> int:
            return len((await documents.list("loose-attachment", "all", limit=10)).items)

        def submission(*files: dict[str, str]) -> dict[str, Any]:
            return {"message_text": "The wall is wet.", "attachments": files}

        refused = await resident.post("/requests", json=submission(held, {"attachment_id": "ATT_x"}))
        assert refused.status_code == 422
        with monkeypatch.context() as patched:
            patched.setattr(SqliteRequestStore, "create", _down)
            lost = await resident.post("/requests", json=submission(held), headers={"Idempotency-Key": "again"})
        assert (lost.status_code, await loose()) == (503, 1)
        options = {"Idempotency-Key": "again", "Prefer": "wait=0"}
        made = await resident.post("/requests", json=submission(held), headers=options)
        assert made.status_code in (201, 202), made.text
        assert [one["attachment_id"] for one in made.json()["attachments"]] == [held["attachment_id"]]
        assert await loose() == 0

    async def test_staff_upload_for_a_resident_of_their_building(self, client: Client) -> None:
        staff = client(Role.STAFF, "sam", buildings=["A"])
        assert (await upload(staff, data={"resident_id": "RES_A_101"})).status_code == 201
        assert (await upload(staff, data={"resident_id": "RES_B_101"})).status_code == 403
        assert (await upload(staff)).status_code == 422

    @pytest.mark.parametrize(
        ("content", "kind", "status", "code"),
        [
            (b"", "image/jpeg", 422, "file_refused"),
            (b"not a picture", "image/jpeg", 422, "file_refused"),
            (photo(), "image/png", 422, "file_refused"),
            (b"<svg/>", "image/svg+xml", 415, "unsupported_file"),
            (bytes(250_000), "image/jpeg", 413, "too_large"),
        ],
    )
    async def test_what_can_not_be_taken_is_told(
        self, client: Client, content: bytes, kind: str, status: int, code: str
    ) -> None:
        resident = client(Role.RESIDENT, "RES_A_101")
        answer = await resident.post("/attachments", files={"file": ("x", content, kind)})
        assert (answer.status_code, answer.json()["code"]) == (status, code)

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b"{}", "application/json"),
            (b"--b--", "multipart/form-data; boundary=b"),
            (b"garbage", "multipart/form-data; boundary=b"),
            (b"garbage", "multipart/form-data"),
            (
                b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--b--',
                "multipart/form-data; boundary=b",
            ),
        ],
    )
    async def test_a_broken_form_is_told(self, client: Client, body: bytes, kind: str) -> None:
        resident = client(Role.RESIDENT, "RES_A_101")
        answer = await resident.post("/attachments", content=body, headers={"Content-Type": kind})
        assert answer.status_code in (415, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"

    async def test_a_file_that_was_not_sent_can_be_taken_back(self, client: Client, blobs: FolderBlobStore) -> None:
        resident = client(Role.RESIDENT, "RES_A_101")
        path = f"/attachments/{(await upload(resident)).json()['attachment_id']}"
        assert (await client(Role.RESIDENT, "RES_A_102").delete(path)).status_code == 404
        assert (await resident.delete(path)).status_code == 204
        assert (await resident.get(path)).status_code == 404


async def test_a_lost_file_is_not_found(attachments: Attachments, blobs: FolderBlobStore) -> None:
    identifier = await sent(attachments)
    address = await attachments.address(OWNER, identifier, "http://x")
    query = dict(part.split("=") for part in address.url.split("?")[1].split("&"))
    found, content = await attachments.content(identifier, int(query["expires"]), query["signature"])
    assert Blob(content, found.content_type) == await blobs.get(identifier)
    await blobs.delete(identifier)
    with pytest.raises(Exception, match="no such file"):
        await attachments.content(identifier, int(query["expires"]), query["signature"])
