from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from tests.attachments import standin as double
from tests.attachments.conftest import PDF, announce, finish
from tests.attachments.standin import LEGACY_KEY, OPAQUE_KEY, StandIn

from elevate_api.attachments.errors import StorageUnavailable
from elevate_api.attachments.local import LocalStorage
from elevate_api.attachments.names import ContentType
from elevate_api.attachments.setup import build_storage
from elevate_api.attachments.storage import ObjectMissing
from elevate_api.attachments.supabase import SupabaseStorage
from elevate_api.config import AttachmentSettings, Settings, SettingsError, SupabaseSettings

SignIn = Callable[..., Awaitable[Any]]
Make = Callable[..., Awaitable[Any]]
KEY = "2025/01/20/0198f2a4-7c1e-7b3a-9d54-2f6f0f3a1c11"


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    async with double.running() as running:
        yield running


@pytest.fixture
async def web() -> AsyncIterator[httpx.AsyncClient]:
    """Somebody's browser: it has no key."""
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture(params=[OPAQUE_KEY, LEGACY_KEY], ids=["sb_secret", "service_role"])
async def storage(request: pytest.FixtureRequest, standin: StandIn) -> AsyncIterator[SupabaseStorage]:
    storage = SupabaseStorage(standin.url, request.param, double.BUCKET)
    yield storage
    await storage.aclose()


async def read(storage: SupabaseStorage, key: str) -> bytes:
    return b"".join([piece async for piece in storage.read(key)])


async def test_an_object_goes_up_down_and_away(
    storage: SupabaseStorage, standin: StandIn, web: httpx.AsyncClient
) -> None:
    upload = await storage.sign_upload(KEY, ContentType.PDF, len(PDF))
    with pytest.raises(ObjectMissing):
        await read(storage, KEY)
    assert (await web.request(upload.method, upload.url, headers=upload.headers, content=PDF)).status_code == 200
    overwriting = await web.request(upload.method, upload.url, headers=upload.headers, content=PDF[::-1])
    assert overwriting.json()["statusCode"] == "409"
    assert await read(storage, KEY) == PDF
    url = await storage.sign_download(KEY, ContentType.PDF, "bukti é & co.pdf")
    download = await web.get(url)
    assert download.content == PDF
    assert httpx.URL(url).params["download"] == "bukti é & co.pdf"
    await storage.remove([KEY, KEY.replace("11", "12")])
    assert standin.objects == {}
    with pytest.raises(ObjectMissing):
        await storage.sign_download(KEY, ContentType.PDF, "x.pdf")


async def test_a_day_is_listed_page_by_page(standin: StandIn) -> None:
    storage = SupabaseStorage(standin.url, OPAQUE_KEY, double.BUCKET)
    now = datetime.now(UTC)
    names = [f"2025/01/20/{number:08d}-7c1e-7b3a-9d54-2f6f0f3a1c11" for number in range(2300)]
    standin.objects = dict.fromkeys([*names, "2025/01/21/other", "2025/01/20/sub/deep"], (b"x", "text/csv", now))
    assert [key async for key, _ in storage.keys_of(date(2025, 1, 20))] == names
    assert [key async for key, _ in storage.keys_of(date(2025, 1, 22))] == []
    await storage.aclose()


@pytest.mark.parametrize("case", ["down", "wrong key", "no bucket", "nobody there"])
async def test_trouble_is_one_error(standin: StandIn, case: str) -> None:
    standin.down = case == "down"
    url = "http://127.0.0.1:9" if case == "nobody there" else standin.url
    key = "sb_secret_other" if case == "wrong key" else OPAQUE_KEY
    storage = SupabaseStorage(url, key, "other" if case == "no bucket" else double.BUCKET)
    with pytest.raises(StorageUnavailable):
        await storage.sign_upload(KEY, ContentType.PDF, 1)
    if case != "no bucket":
        with pytest.raises(StorageUnavailable):
            await read(storage, KEY)
        with pytest.raises(StorageUnavailable):
            await storage.remove([KEY])
    await storage.aclose()


def test_the_store_is_chosen_by_settings(settings: Settings) -> None:
    def chosen(store: str, url: str | None) -> type:
        supabase = SupabaseSettings.model_validate({"SUPABASE_URL": url, "SUPABASE_SECRET_KEY": SecretStr("k")})
        attachments = AttachmentSettings.model_validate({"ATTACHMENT_STORE": store})
        return type(build_storage(settings.model_copy(update={"supabase": supabase, "attachments": attachments})))

    assert chosen("auto", None) is LocalStorage
    assert chosen("auto", "https://x.supabase.co") is SupabaseStorage
    assert chosen("local", "https://x.supabase.co") is LocalStorage
    with pytest.raises(SettingsError, match="ATTACHMENT_STORE"):
        chosen("supabase", None)


class TestTheServiceOnSupabase:
    @pytest.fixture
    def settings(self, settings: Settings, standin: StandIn) -> Settings:
        values = {"SUPABASE_URL": standin.url, "SUPABASE_SERVICE_ROLE": LEGACY_KEY}
        return settings.model_copy(update={"supabase": SupabaseSettings.model_validate(values)})

    async def test_a_file_goes_the_whole_way(
        self, as_user: SignIn, make_submission: Make, web: httpx.AsyncClient, standin: StandIn
    ) -> None:
        teacher = await as_user()
        submission = await make_submission(teacher.user)
        upload = await announce(teacher, submission, PDF)
        assert upload["uploadUrl"].startswith(standin.url)
        assert (await finish(teacher, submission, upload)).json()["code"] == "ATTACHMENT_NOT_UPLOADED"
        await web.request(upload["method"], upload["uploadUrl"], headers=upload["headers"], content=PDF)
        assert (await finish(teacher, submission, upload)).status_code == 200
        answer = await teacher.get(f"/api/attachments/{upload['id']}")
        assert answer.status_code == 302
        assert (await web.get(answer.headers["location"])).content == PDF
        key = next(iter(standin.objects))
        assert teacher.user.id not in key
        assert "certificate" not in key

    async def test_trouble_there_is_a_503_here_and_changes_nothing(
        self, as_user: SignIn, make_submission: Make, standin: StandIn, app: FastAPI
    ) -> None:
        teacher = await as_user()
        submission = await make_submission(teacher.user)
        upload = await announce(teacher, submission, PDF)
        standin.down = True
        answer = await finish(teacher, submission, upload)
        assert (answer.status_code, answer.json()["code"]) == (503, "STORAGE_UNAVAILABLE")
        assert int(answer.headers["retry-after"]) > 0
        path = f"/api/submissions/{submission.id}/attachments"
        body = {"filename": "a.pdf", "contentType": "application/pdf", "size": 1, "sha256": "0" * 64}
        assert (await teacher.post(path, json=body)).status_code == 503
        assert (await teacher.get("/api/storage/2025/01/20/x?token=x")).status_code == 404
