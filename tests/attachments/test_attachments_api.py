import asyncio
import hashlib
import re
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import jwt
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from tests.attachments.conftest import KINDS, PDF, PNG, Upload, announce, announcement, finish, send
from tests.support.racing import race
from tests.support.waiting import waits_for_a_lock

from elevate_api.attachments.inspection import EICAR
from elevate_api.attachments.local import INCOMING
from elevate_api.attachments.schemas import MAX_BYTES
from elevate_api.attachments.setup import Evidence
from elevate_api.kit.db import Database

SignIn = Callable[..., Awaitable[Any]]
Make = Callable[..., Awaitable[Any]]


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "signing-key")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_file_goes_up_and_comes_down_again(
    as_user: SignIn, client: httpx.AsyncClient, make_submission: Make, upload: Upload, kind: str
) -> None:
    teacher = await as_user()
    submission = await make_submission(teacher.user, "EXPLORE")
    content = KINDS[kind]
    file = await upload(teacher, submission, content, kind=kind, filename="../Bukti é.bin")
    assert (file["contentType"], file["size"], file["sha256"]) == (
        kind,
        len(content),
        hashlib.sha256(content).hexdigest(),
    )
    shown = (await teacher.get(f"/api/submissions/{submission.id}")).json()
    assert shown["attachments"] == [file]

    answer = await teacher.get(f"/api/attachments/{file['id']}")
    assert answer.status_code == 302
    assert answer.headers["cache-control"] == "private, no-store"
    download = await client.get(answer.headers["location"])  # without signing in: the link is the permission
    assert (download.status_code, download.content) == (200, content)
    assert download.headers["content-type"].partition(";")[0] == kind
    assert download.headers["x-content-type-options"] == "nosniff"
    assert download.headers["content-disposition"].startswith("attachment; filename=")
    assert "filename*=UTF-8''Bukti%20%C3%A9" in download.headers["content-disposition"]
    assert "sandbox" in download.headers["content-security-policy"]


async def test_a_finished_file_raises_the_version_that_reviewers_name(
    as_user: SignIn, make_submission: Make, upload: Upload
) -> None:
    teacher, reviewer = await as_user(), await as_user("REVIEWER")
    submission = await make_submission(teacher.user, "EXPLORE")
    await upload(teacher, submission, PDF)
    answer = await reviewer.post(f"/api/review/{submission.id}/approve", json={"version": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "SUBMISSION_CHANGED")
    assert answer.json()["current_version"] == 2


async def test_completing_twice_answers_the_same(
    as_user: SignIn, client: httpx.AsyncClient, make_submission: Make
) -> None:
    teacher = await as_user()
    submission = await make_submission(teacher.user)
    announced = await announce(teacher, submission, PDF)
    await send(client, announced, PDF)
    answers = await race(*(finish(teacher, submission, announced) for _ in range(3)))
    bodies = [answer.json() for answer in answers if isinstance(answer, httpx.Response)]
    assert len(bodies) == 3
    assert bodies[0]["id"] == announced["id"]
    assert bodies[1:] == bodies[:1] * 2
    assert (await teacher.get(f"/api/submissions/{submission.id}")).json()["version"] == 2


async def test_a_file_that_is_gone_when_its_owner_is_locked_is_not_there(
    as_user: SignIn, client: httpx.AsyncClient, make_submission: Make, owner: Database
) -> None:
    """An erasure came first."""
    teacher = await as_user()
    submission = await make_submission(teacher.user)
    announced = await announce(teacher, submission, PDF)
    await send(client, announced, PDF)
    async with owner.session() as session:
        await session.execute(text("SELECT lock_person(:id)"), {"id": teacher.user.id})
        finishing = asyncio.create_task(finish(teacher, submission, announced))
        await waits_for_a_lock(owner)
        await session.execute(text("DELETE FROM submission_attachments"))
    assert (await finishing).status_code == 404


async def test_a_refusal_is_told_once(
    as_user: SignIn, client: httpx.AsyncClient, make_submission: Make, owner: Database
) -> None:
    teacher = await as_user()
    submission = await make_submission(teacher.user)
    announced = await announce(teacher, submission, PDF, sha256="ab" * 32)
    await send(client, announced, PDF)
    async with owner.session() as session:
        await session.execute(text("SELECT lock_person(:id)"), {"id": teacher.user.id})
        finishing = [asyncio.create_task(finish(teacher, submission, announced)) for _ in range(2)]
        await waits_for_a_lock(owner, many=2)
    assert {(await one).status_code for one in finishing} <= {404, 409, 422}
    async with owner.session() as session:
        told = await session.scalar(text("SELECT count(*) FROM audit_log WHERE action = 'attachment.refuse'"))
    assert told == 1


async def test_six_at_once_leave_five(as_user: SignIn, make_submission: Make, owner: Database) -> None:
    teacher = await as_user()
    submission = await make_submission(teacher.user)
    path = f"/api/submissions/{submission.id}/attachments"
    answers = await race(*(teacher.post(path, json=announcement(PDF)) for _ in range(8)))
    codes = sorted(answer.status_code for answer in answers if isinstance(answer, httpx.Response))
    assert codes == [201] * 5 + [409] * 3
    refused = await teacher.post(path, json=announcement(PDF))
    assert (refused.json()["code"], refused.json()["limit"]) == ("ATTACHMENT_LIMIT_REACHED", 5)
    async with owner.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM submission_attachments")) == 5


@pytest.mark.parametrize("status", ["APPROVED", "REJECTED", "WITHDRAWN", "REVOKED"])
async def test_evidence_is_closed_after_a_decision(as_user: SignIn, make_submission: Make, status: str) -> None:
    teacher = await as_user()
    submission = await make_submission(teacher.user, status=status)
    answer = await teacher.post(f"/api/submissions/{submission.id}/attachments", json=announcement(PDF))
    assert (answer.status_code, answer.json()["code"]) == (409, "SUBMISSION_NOT_PENDING")


async def test_a_file_announced_before_the_decision_does_not_finish_after_it(
    as_user: SignIn, client: httpx.AsyncClient, make_submission: Make
) -> None:
    teacher, reviewer = await as_user(), await as_user("REVIEWER")
    submission = await make_submission(teacher.user)
    announced = await announce(teacher, submission, PDF)
    await send(client, announced, PDF)
    decision, done = await race(
        reviewer.post(f"/api/review/{submission.id}/approve", json={"version": 1}),
        finish(teacher, submission, announced),
    )
    assert isinstance(decision, httpx.Response)
    assert isinstance(done, httpx.Response)
    # Either order is right; both succeeding would be points for unseen evidence.
    assert sorted((decision.status_code, done.status_code)) == [200, 409]


async def test_somebody_elses_submission_is_not_there(
    as_user: SignIn, client: httpx.AsyncClient, make_submission: Make, upload: Upload
) -> None:
    teacher, other, reviewer = await as_user(), await as_user(), await as_user("REVIEWER")
    submission = await make_submission(teacher.user)
    file = await upload(teacher, submission, PDF)
    waiting = await announce(teacher, submission, PNG, kind="image/png")
    assert (
        await other.post(f"/api/submissions/{submission.id}/attachments", json=announcement(PDF))
    ).status_code == 404
    assert (await finish(other, submission, waiting)).status_code == 404
    assert (await other.get(f"/api/attachments/{file['id']}")).status_code == 404
    assert (await reviewer.get(f"/api/attachments/{file['id']}")).status_code == 302
    assert (await reviewer.get(f"/api/attachments/{waiting['id']}")).status_code == 404  # nothing there yet
    assert (await client.get(f"/api/attachments/{file['id']}")).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        {"contentType": "text/html"},
        {"contentType": "image/svg+xml"},
        {"contentType": "application/pdf; charset=x"},
        {"size": 0},
        {"size": MAX_BYTES + 1},
        {"size": "12"},
        {"sha256": "abc"},
        {"sha256": "g" * 64},
        {"filename": ""},
        {"filename": "a" * 256},
        {"filename": "a\0.pdf"},
        {"path": "../x"},
    ],
)
async def test_an_announcement_that_makes_no_sense_is_refused(
    as_user: SignIn, make_submission: Make, change: dict[str, Any]
) -> None:
    teacher = await as_user()
    submission = await make_submission(teacher.user)
    answer = await teacher.post(f"/api/submissions/{submission.id}/attachments", json=announcement(PDF) | change)
    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_FAILED")


async def test_nothing_uploaded_is_said_so_and_may_still_come(
    as_user: SignIn, client: httpx.AsyncClient, make_submission: Make
) -> None:
    teacher = await as_user()
    submission = await make_submission(teacher.user)
    announced = await announce(teacher, submission, PDF)
    answer = await finish(teacher, submission, announced)
    assert (answer.status_code, answer.json()["code"]) == (409, "ATTACHMENT_NOT_UPLOADED")
    await send(client, announced, PDF)
    assert (await finish(teacher, submission, announced)).status_code == 200


@pytest.mark.parametrize(
    ("content", "announced", "reason"),
    [
        (PNG, {"kind": "application/pdf"}, "KIND_DIFFERS"),
        (b"<script>alert(1)</script>", {"kind": "text/csv"}, "KIND_DIFFERS"),
        (PDF, {"sha256": "0" * 64}, "SHA256_DIFFERS"),
        (b"a,b\n" + EICAR, {"kind": "text/csv"}, "MALWARE"),
        (PDF + EICAR, {}, "MALWARE"),
    ],
)
async def test_what_is_not_what_was_announced_is_removed_and_its_place_is_free(
    as_user: SignIn, client: httpx.AsyncClient, make_submission: Make, owner: Database,
    content: bytes, announced: dict[str, Any], reason: str,
) -> None:  # fmt: skip
    teacher = await as_user()
    submission = await make_submission(teacher.user)
    upload = await announce(teacher, submission, content, **announced)
    await send(client, upload, content)
    answer = await finish(teacher, submission, upload)
    assert (answer.status_code, answer.json()["code"], answer.json()["reason"]) == (422, "ATTACHMENT_REFUSED", reason)
    assert (await finish(teacher, submission, upload)).status_code == 404
    async with owner.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM submission_attachments")) == 0
        assert await session.scalar(text("SELECT count(*) FROM attachment_removals")) == 1
        trail = (await session.execute(text("SELECT action, details->>'reason' FROM audit_log ORDER BY id"))).all()
    assert [tuple(row) for row in trail] == [("attachment.announce", None), ("attachment.refuse", reason)]


# --- the local store's links ----------------------------------------------------------------------------------------


async def test_an_upload_link_takes_exactly_what_was_announced(
    as_user: SignIn, client: httpx.AsyncClient, make_submission: Make, folder: Path
) -> None:
    teacher = await as_user()
    submission = await make_submission(teacher.user)
    announced = await announce(teacher, submission, PDF)
    too_long = await send(client, announced, PDF + b"x")
    assert (too_long.status_code, too_long.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert (await send(client, announced, PDF[:-1])).status_code == 422
    other_kind = {**announced, "headers": {"Content-Type": "text/html"}}
    assert (await send(client, other_kind, PDF)).status_code == 415
    assert files(folder) == []
    assert (await send(client, announced, PDF)).status_code == 200
    again = await send(client, announced, PDF[::-1])
    assert (again.status_code, again.json()["code"]) == (409, "CONFLICT")
    stored = files(folder)
    assert [path.read_bytes() for path in stored] == [PDF]
    assert re.search(r"/\d{4}/\d{2}/\d{2}/[0-9a-f-]{36}$", str(stored[0]))
    assert stat.S_IMODE(folder.lstat().st_mode) == 0o700  # noqa: ASYNC240


async def test_a_link_is_for_one_file_one_act_and_a_time(
    as_user: SignIn, client: httpx.AsyncClient, make_submission: Make, upload: Upload, app: FastAPI
) -> None:
    teacher = await as_user()
    submission = await make_submission(teacher.user)
    file = await upload(teacher, submission, PDF)
    location = (await teacher.get(f"/api/attachments/{file['id']}")).headers["location"]
    announced = await announce(teacher, submission, PNG, kind="image/png")
    upload_path = httpx.URL(announced["uploadUrl"])
    download_path = httpx.URL(location)
    evidence: Evidence = app.state.evidence
    key = evidence.storage.signer._load()  # type: ignore[attr-defined]  # the local store's
    claims = jwt.decode(upload_path.params["token"], key, algorithms=["HS256"])
    expired = jwt.encode(claims | {"exp": 1}, key, algorithm="HS256")
    eternal = jwt.encode({k: v for k, v in claims.items() if k != "exp"}, key, algorithm="HS256")
    foreign = jwt.encode(claims, b"x" * 32, algorithm="HS256")
    unsigned = jwt.encode(claims, "", algorithm="none")
    tokens = [expired, eternal, foreign, unsigned, "x", download_path.params["token"]]
    for token in tokens:
        answer = await client.put(upload_path.copy_set_param("token", token), content=PNG, headers=announced["headers"])
        assert (answer.status_code, answer.json()["code"]) == (403, "UPLOAD_LINK_INVALID"), token
    crossed = download_path.copy_set_param("token", upload_path.params["token"])
    assert (await client.get(crossed)).status_code == 403
    swapped = upload_path.copy_with(path=download_path.path)
    assert (await client.put(swapped, content=PNG, headers=announced["headers"])).status_code == 403


OUTSIDE = [
    "../signing-key",
    "..%2Fsigning-key",
    "%2e%2e/%2e%2e/etc/passwd",
    "signing-key",
    ".incoming/x",
    "2025/01/20/..%2f..%2f..%2fsigning-key",
    "/etc/passwd",
    "2025/01/20/0198f2a4-7c1e-7b3a-9d54-2f6f0f3a1c11%00.pdf",
    "２025/01/20/0198f2a4-7c1e-7b3a-9d54-2f6f0f3a1c11",
]


async def test_no_path_leads_out_of_the_store(
    as_user: SignIn, client: httpx.AsyncClient, make_submission: Make, app: FastAPI
) -> None:
    teacher = await as_user()
    await announce(teacher, await make_submission(teacher.user), PDF)
    key = app.state.evidence.storage.signer._load()
    for path in OUTSIDE:
        claims = {"key": unquote(path), "kind": "text/csv", "size": 1, "name": "x", "exp": 2**31}
        for method, operation in (("GET", "get"), ("PUT", "put")):
            token = jwt.encode(claims | {"op": operation}, key)
            answer = await client.request(
                method, f"/api/storage/{path}?token={token}", headers={"Content-Type": "text/csv"}, content=b"x"
            )
            # 415: the client itself resolved the path away, and what it then asked for takes no such body.
            assert answer.status_code in {404, 415}, (path, answer.text)


async def test_an_upload_that_breaks_off_leaves_nothing(
    as_user: SignIn, app: FastAPI, make_submission: Make, folder: Path
) -> None:
    teacher = await as_user()
    announced = await announce(teacher, await make_submission(teacher.user), PDF)
    url = httpx.URL(announced["uploadUrl"])
    first_written = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not first_written.is_set():
            first_written.set()
            return {"type": "http.request", "body": PDF[:10], "more_body": True}
        assert len(list((folder / INCOMING).iterdir())) == 1
        return {"type": "http.disconnect"}

    async def send_nowhere(message: Any) -> None: ...

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "PUT", "scheme": "http",
        "path": url.path, "raw_path": url.raw_path, "query_string": url.query, "root_path": "",
        "headers": [(b"content-type", b"application/pdf")], "client": ("127.0.0.1", 1), "server": ("test", 80),
    }  # fmt: skip
    await app(scope, receive, send_nowhere)
    assert files(folder) == []


async def test_ten_megabytes_pass_and_no_more(
    as_user: SignIn, client: httpx.AsyncClient, make_submission: Make, upload: Upload
) -> None:
    teacher = await as_user()
    submission = await make_submission(teacher.user)
    content = PDF + b"\0" * (MAX_BYTES - len(PDF))
    assert (await upload(teacher, submission, content))["size"] == MAX_BYTES
    announced = await announce(teacher, submission, content)
    answer = await send(client, announced, content + b"\0")
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")


async def test_a_scanner_has_the_last_word(
    as_user: SignIn, client: httpx.AsyncClient, make_submission: Make, app: FastAPI, tmp_path: Path
) -> None:
    from elevate_api.attachments.scanning import CommandScanner  # noqa: PLC0415

    script = tmp_path / "scan"
    script.write_text('#!/bin/sh\ngrep -q broken "$1" && exit 2\ngrep -q bad "$1" && exit 1\nexit 0\n')
    script.chmod(0o755)
    evidence = app.state.evidence
    app.state.evidence = Evidence(evidence.storage, CommandScanner(str(script)))
    teacher = await as_user()
    submission = await make_submission(teacher.user)
    outcomes = []
    for content in (b"good,1\n", b"bad,1\n", b"broken,1\n"):
        announced = await announce(teacher, submission, content, kind="text/csv")
        await send(client, announced, content)
        answer = await finish(teacher, submission, announced)
        outcomes.append((answer.status_code, answer.json().get("code"), answer.json().get("reason")))
    assert outcomes == [(200, None, None), (422, "ATTACHMENT_REFUSED", "MALWARE"), (503, "SCAN_UNAVAILABLE", None)]
