"""Evidence files in a folder of the test's own, and people who upload them."""

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from elevate_api.config import AttachmentSettings, Settings

PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00" + b"\0" * 64
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + b"\0" * 64 + b"\xff\xd9"
WEBP = b"RIFF\x40\x00\x00\x00WEBPVP8 " + b"\0" * 64
CSV = b"nama,nilai\nSiti,80\n"
KINDS = {
    "application/pdf": PDF,
    "image/png": PNG,
    "image/jpeg": JPEG,
    "image/webp": WEBP,
    "text/csv": CSV,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "evidence"


@pytest.fixture
def settings(settings: Settings, folder: Path) -> Settings:
    return settings.model_copy(
        update={"attachments": AttachmentSettings.model_validate({"ATTACHMENT_DIR": str(folder)})}
    )


def announcement(content: bytes, kind: str = "application/pdf", **changes: Any) -> dict[str, Any]:
    return {
        "filename": "certificate.pdf",
        "contentType": kind,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        **changes,
    }


async def announce(caller: httpx.AsyncClient, submission: Any, content: bytes, **changes: Any) -> dict[str, Any]:
    answer = await caller.post(f"/api/submissions/{submission.id}/attachments", json=announcement(content, **changes))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def send(client: httpx.AsyncClient, upload: dict[str, Any], content: bytes) -> httpx.Response:
    return await client.request(upload["method"], upload["uploadUrl"], headers=upload["headers"], content=content)


async def finish(caller: httpx.AsyncClient, submission: Any, upload: dict[str, Any]) -> httpx.Response:
    return await caller.post(f"/api/submissions/{submission.id}/attachments/{upload['id']}/complete")


Upload = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def upload(client: httpx.AsyncClient) -> Upload:
    """`await upload(caller, submission, content, kind=...)`: announced, sent, finished; as the API shows it."""

    async def whole(caller: httpx.AsyncClient, submission: Any, content: bytes, **changes: Any) -> dict[str, Any]:
        announced = await announce(caller, submission, content, **changes)
        assert (await send(client, announced, content)).status_code == 200
        answer = await finish(caller, submission, announced)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return whole
