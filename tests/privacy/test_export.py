"""Everything that is held about a person is in their export, or there is a reason why not."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import text

from elevate_api.exports.snapshot import snapshot
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Address, Database
from elevate_api.privacy.export import personal_data
from elevate_api.privacy.inventory import IMPERSONAL, LEFT_OUT, PERSON, SECTIONS
from elevate_api.privacy.schemas import PersonalDataOut

SignIn = Callable[..., Awaitable[Any]]
Make = Callable[..., Awaitable[Any]]


async def run(owner: Database, statement: str, **values: Any) -> list[Any]:
    async with owner.session() as session:
        await session.execute(text("SET LOCAL elevate.restore = 'on'"))
        result = await session.execute(text(statement), values)
        return list(result.all()) if result.returns_rows else []  # type: ignore[attr-defined]


async def unexplained(owner: Database) -> set[str]:
    """Columns that the inventory does not know, and columns that only it knows."""
    rows = await run(owner, "SELECT table_name, column_name FROM information_schema.columns c JOIN pg_class r"
                     " ON r.relname = c.table_name AND r.relkind IN ('r', 'p')"
                     " AND r.relnamespace = 'public'::regnamespace WHERE table_schema = 'public'")  # fmt: skip
    known = {f"{section.table}.{column}" for section in (PERSON, *SECTIONS) for column in section.columns}
    known |= LEFT_OUT.keys()
    known |= {f"{table}.{column}" for table, (_, columns) in IMPERSONAL.items() for column in columns}
    live = {f"{table}.{column}" for table, column in rows}
    tables = {table for table, _ in rows}
    return (live - known) | {column for column in known - live if column.partition(".")[0] in tables}


async def test_every_column_of_every_table_is_exported_or_left_out_for_a_reason(owner: Database) -> None:
    assert await unexplained(owner) == set()


async def test_a_new_column_with_personal_data_is_noticed(owner: Database) -> None:
    await run(owner, "ALTER TABLE users ADD COLUMN phone text")
    await run(owner, "CREATE TABLE guardians (user_id text)")
    assert await unexplained(owner) == {"users.phone", "guardians.user_id"}


def test_every_reason_is_said() -> None:
    assert all(LEFT_OUT.values())
    assert all(reason for reason, _ in IMPERSONAL.values())


async def test_the_export_has_what_there_is(
    as_user: SignIn, make_user: Make, make_submission: Make, make_entry: Make, owner: Database
) -> None:
    admin, reviewer = await as_user("ADMIN"), await as_user("REVIEWER")
    teacher = await as_user(name="Siti Rahma", kajabi_contact_id="c-1", email="siti@smp.test")
    other = await make_submission(activity="SHINE")
    waiting = await make_submission(teacher.user, "EXPLORE")
    assert (await reviewer.post(f"/api/review/{waiting.id}/approve", json={"note": "Lovely"})).status_code == 200
    new = {"activityCode": "SHINE", "payload": {"ideaTitle": "A corner", "ideaSummary": "To read in"}}
    await teacher.post("/api/submissions", json=new, headers={"Idempotency-Key": "k1"})
    adjustment = {"userId": teacher.user.id, "activityCode": "LEARN", "deltaPoints": 5, "reason": "Late form"}
    await admin.post("/api/admin/points/adjustments", json=adjustment, headers={"Idempotency-Key": "k2"})
    await admin.post("/api/admin/badges/SHINE_NOMINEE/awards", json={"userId": teacher.user.id})
    await run(
        owner,
        "INSERT INTO submission_attachments (submission_id, filename, content_type, size_bytes, sha256, storage_key)"
        " VALUES (:id, 'bukti.pdf', 'application/pdf', 1, repeat('0', 64), 'k')",
        id=waiting.id,
    )
    await run(
        owner,
        "INSERT INTO kajabi_events (body, body_sha256, contact_id, email, status) VALUES"
        " ('own', 'a', 'c-1', 'siti@smp.test', 'UNMATCHED'), ('x', 'b', 'c-2', 'b@x.test', 'UNMATCHED')",
    )

    answer = await teacher.get("/api/me/export")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith('attachment; filename="my-data-')
    assert answer.headers["cache-control"] == "private, no-store"
    data = answer.json()
    PersonalDataOut.model_validate(data)  # what the contract says, no more and no less
    assert (data["person"]["name"], data["person"]["email"], data["person"]["handle"]) == (
        "Siti Rahma", "siti@smp.test", teacher.user.handle,
    )  # fmt: skip
    assert data["person"]["createdAt"].endswith("Z")
    assert {row["activityCode"] for row in data["submissions"]} == {"EXPLORE", "SHINE"}
    assert data["submissions"][0]["payload"]["reflection"].startswith("We compared")
    assert [row["reviewNote"] for row in data["submissions"]] == ["Lovely", None]
    assert [row["deltaPoints"] for row in data["points"]] == [50, 5]
    assert [row["reason"] for row in data["adjustments"]] == ["Late form"]
    assert {row["badgeCode"] for row in data["badges"]} == {"IN_CLASS_INNOVATOR", "SHINE_NOMINEE"}
    assert [row["filename"] for row in data["attachments"]] == ["bukti.pdf"]
    assert [row["body"] for row in data["kajabiEvents"]] == ["own"]
    assert [row["key"] for row in data["repeatableRequests"]] == ["k1"]
    assert {"submission.create", "submission.approve", "points.adjust", "badge.award"} <= {
        row["action"] for row in data["auditTrail"]
    }
    assert str(other.id) not in answer.text

    staff = (await reviewer.get("/api/me/export")).json()
    assert [row["reviewNote"] for row in staff["decisions"]] == ["Lovely"]
    assert "siti" not in json.dumps(staff).lower()
    staff = (await admin.get("/api/me/export")).json()
    assert [row["reason"] for row in staff["adjustmentsMade"]] == ["Late form"]
    assert [row["badgeCode"] for row in staff["badgesAwarded"]] == ["SHINE_NOMINEE"]


async def test_a_long_export_is_read_in_pages_and_through_a_pooler(
    app_dsn: str, owner: Database, make_user: Make
) -> None:
    person = await make_user("ADMIN")
    await run(
        owner,
        "INSERT INTO audit_log (actor_id, action, target_type, target_id, details)"
        " SELECT :id, 'test', 'user', i::text, jsonb_build_object('a', 1) FROM generate_series(1, 1203) i",
        id=person.id,
    )
    database = Database(Address.parse(app_dsn, pooled=True))
    pieces: list[bytes] = []

    async def write(piece: bytes) -> None:
        pieces.append(piece)

    async with snapshot(database) as connection:
        await personal_data(person.id, utcnow())(connection, write)
        assert await connection.fetchval("SELECT count(*) FROM pg_prepared_statements") == 0
    trail = json.loads(b"".join(pieces))["auditTrail"]
    assert len({row["id"] for row in trail}) == 1203
    assert trail[0]["details"] == {"a": 1}
    await database.dispose()
