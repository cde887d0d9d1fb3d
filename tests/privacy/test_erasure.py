"""Asking to be erased, taking it back, and the proof: a dump of the whole database without a trace."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from tests.attachments.conftest import PDF, announce, finish, send
from tests.support.cluster import Cluster
from tests.support.racing import race

from elevate_api.attachments import jobs
from elevate_api.attachments.local import LocalStorage
from elevate_api.config import AttachmentSettings, Settings
from elevate_api.kit.db import Database
from elevate_api.users.erasure import erase_due

SignIn = Callable[..., Awaitable[Any]]
Make = Callable[..., Awaitable[Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "evidence"


@pytest.fixture
def settings(settings: Settings, folder: Path) -> Settings:
    attachments = AttachmentSettings.model_validate({"ATTACHMENT_DIR": str(folder)})
    return settings.model_copy(update={"attachments": attachments})


async def run(owner: Database, statement: str, **values: Any) -> list[Any]:
    async with owner.session() as session:
        result = await session.execute(text(statement), values)
        return list(result.all()) if result.returns_rows else []  # type: ignore[attr-defined]


async def make_due(owner: Database) -> None:
    await run(owner, "UPDATE users SET erase_at = now() - interval '1 second' WHERE erase_at IS NOT NULL")


async def test_a_request_waits_seven_days_and_says_so(as_user: SignIn, database: Database, owner: Database) -> None:
    teacher, admin = await as_user(), await as_user("ADMIN")
    first = await teacher.delete("/api/me")
    assert first.status_code == 202
    erase_at = datetime.fromisoformat(first.json()["eraseAt"])
    assert abs(erase_at - datetime.now(UTC) - timedelta(days=7)) < timedelta(minutes=1)
    assert (await teacher.delete("/api/me")).json() == first.json(), "asking again changes nothing"
    assert (await admin.get(f"/api/admin/users/{teacher.user.id}")).json()["eraseAt"] == first.json()["eraseAt"]
    assert await erase_due(database) == 0
    assert (await teacher.get("/api/me")).status_code == 200
    await make_due(owner)
    assert await erase_due(database) == 1
    for answer in (await teacher.get("/api/me"), await teacher.post("/api/me/erasure/cancel")):
        assert (answer.status_code, answer.json()["code"]) == (403, "USER_ERASED")


async def test_a_request_can_be_taken_back(as_user: SignIn, database: Database, owner: Database) -> None:
    teacher = await as_user()
    await teacher.delete("/api/me")
    for _ in range(2):
        answer = await teacher.post("/api/me/erasure/cancel")
        assert (answer.status_code, answer.json()) == (200, {"eraseAt": None})
    await make_due(owner)
    assert await erase_due(database) == 0
    trail = await run(owner, "SELECT action FROM audit_log ORDER BY id")
    assert [row[0] for row in trail] == ["user.erasure_request", "user.erasure_cancel"]


async def test_the_last_superadmin_stays(as_user: SignIn, database: Database, owner: Database) -> None:
    one, two = await as_user("SUPERADMIN"), await as_user("SUPERADMIN")
    answers = await race(one.delete("/api/me"), two.delete("/api/me"))
    codes = [answer.status_code for answer in answers if isinstance(answer, httpx.Response)]
    assert sorted(codes) == [202, 409], "two who ask at once do not both go"
    stays = one if codes[0] == 409 else two
    assert (await stays.delete("/api/me")).json()["code"] == "LAST_SUPERADMIN"
    await make_due(owner)
    assert await erase_due(database) == 1
    assert (await stays.get("/api/me")).status_code == 200


def dumped(cluster: Cluster, name: str) -> str:
    command = [str(cluster.tool("pg_dump")), "--no-owner", "--inserts", cluster.dsn(name, "postgres")]
    done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=60)
    return done.stdout


async def test_no_trace_of_an_erased_person_is_left_in_a_dump(
    as_user: SignIn, client: httpx.AsyncClient, make_submission: Make, make_user: Make, owner: Database,
    database: Database, cluster: Cluster, database_name: str, folder: Path,
) -> None:  # fmt: skip
    """Name, handle, address and contact, in every place that the service itself writes them to."""
    name, handle, email, contact = "Siti Nurhaliza Qx7", "siti-qx7", "siti.qx7@smp.test", "contact-qx7"
    teacher = await as_user(name=name, handle=handle, email=email, kajabi_contact_id=contact, region="Jawa qx7",
                            school="SMP qx7", cohort="qx7", avatar_url="https://img.test/qx7.png")  # fmt: skip
    admin, reviewer = await as_user("ADMIN"), await as_user("REVIEWER")
    note = f"Thank you, {name} ({email})"
    approved = await make_submission(teacher.user, "EXPLORE", payload={"reflection": f"I, {name}, tried it. " * 20})
    await reviewer.post(f"/api/review/{approved.id}/approve", json={"note": note})
    rejected = await make_submission(teacher.user, "SHINE", payload={"ideaTitle": name})
    await reviewer.post(f"/api/review/{rejected.id}/reject", json={"note": note})
    new = {"activityCode": "PRESENT", "visibility": "PUBLIC",
           "payload": {"linkedinUrl": f"https://linkedin.com/in/{handle}", "caption": name}}  # fmt: skip
    await teacher.post("/api/submissions", json=new, headers={"Idempotency-Key": f"key-{handle}"})
    pending = await make_submission(teacher.user, "SHINE", payload={"ideaSummary": f"{email} {name}"})
    upload = await announce(teacher, pending, PDF, filename=f"{name}.pdf")
    await send(client, upload, PDF)
    assert (await finish(teacher, pending, upload)).status_code == 200
    await admin.patch(f"/api/admin/users/{teacher.user.id}", json={"school": "SMP baru qx7"})
    adjustment = {"userId": teacher.user.id, "activityCode": "LEARN", "deltaPoints": 5, "reason": note}
    await admin.post("/api/admin/points/adjustments", json=adjustment, headers={"Idempotency-Key": "k"})
    await teacher.get("/api/me/export")
    together = [name, "Budi", email, f"@{handle}"]
    others = await make_submission(activity="AMPLIFY", status="APPROVED", payload={"coFacilitators": together})
    body = f'{{"contact": {{"id": "{contact}", "email": "{email}", "name": "{name}"}}}}'
    await run(owner, "INSERT INTO kajabi_events (body, body_sha256, contact_id, email, status, user_id) VALUES"
              " (convert_to(:body, 'UTF8'), 'a', :contact, :email, 'UNMATCHED', NULL),"
              " (convert_to(:body, 'UTF8'), 'b', :contact, :email, 'IGNORED', :id)",
              body=body, contact=contact, email=email, id=teacher.user.id)  # fmt: skip
    await run(owner, "SELECT refresh_all_analytics()")
    traces = [name, handle, email, contact, "qx7", email.encode().hex(), name.encode().hex()]
    before = await asyncio.to_thread(dumped, cluster, database_name)
    assert [trace for trace in traces if trace.lower() not in before.lower()] == [], "the search would find them"

    await teacher.delete("/api/me")
    await make_due(owner)
    assert await erase_due(database) == 1
    await run(owner, "SELECT refresh_all_analytics()")
    after = await asyncio.to_thread(dumped, cluster, database_name)
    left = {trace: [line[:160] for line in after.splitlines() if trace.lower() in line.lower()] for trace in traces}
    assert {trace: lines for trace, lines in left.items() if lines} == {}
    assert teacher.user.id in after, "the id stays as a pseudonym"

    theirs = (await admin.get(f"/api/submissions/{others.id}")).json()
    assert theirs["payload"]["coFacilitators"] == ["[erased]", "Budi", "[erased]", "[erased]"]

    assert await jobs.remove_due(database, LocalStorage(folder)) == 1
    assert [path for path in folder.rglob("*") if path.is_file() and path.name != "signing-key"] == []  # noqa: ASYNC240
    points = (await admin.get(f"/api/admin/users/{teacher.user.id}/points")).json()
    assert points["totalPoints"] == 55, "what was earned stays in the sums"
