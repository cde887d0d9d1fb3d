"""What a reviewer sees beside each item: copies, and what the submitter has done so far."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import event, text

from elevate_api.kit.db import Database

SignIn = Callable[..., Awaitable[Any]]
Make = Callable[..., Awaitable[Any]]
REFLECTION = "My class asked a model for a summary, found two mistakes in it and wrote a better one together. " * 2
POST = "https://www.linkedin.com/posts/Siti-42"


async def attach(owner: Database, submission: Any, content: bytes, *, finished: bool = True) -> None:
    async with owner.session() as session:
        await session.execute(text("SET LOCAL elevate.restore = 'on'"))
        await session.execute(
            text("""
                INSERT INTO submission_attachments
                  (submission_id, filename, content_type, size_bytes, sha256, storage_key, completed_at)
                SELECT :id, 'a.pdf', 'application/pdf', 1, :sha256, uuid_v7()::text, CASE WHEN :done THEN now() END"""),
            {"id": submission.id, "sha256": hashlib.sha256(content).hexdigest(), "done": finished},
        )


async def item(reviewer: Any, submission: Any) -> dict[str, Any]:
    items = (await reviewer.get("/api/review/queue?limit=100")).json()["items"]
    found: dict[str, Any] = next(item for item in items if item["submission"]["id"] == str(submission.id))
    return found


async def warned(reviewer: Any, submission: Any) -> list[tuple[str, str | None]]:
    return [(w["code"], w["submissionId"]) for w in (await item(reviewer, submission))["warnings"]]


async def test_the_same_file_of_somebody_else_is_pointed_out(
    as_user: SignIn, make_user: Make, make_submission: Make, owner: Database
) -> None:
    reviewer, teacher = await as_user("REVIEWER"), await make_user()
    first = await make_submission(activity="EXPLORE", status="APPROVED")
    mine = await make_submission(teacher, "EXPLORE", payload={"reflection": REFLECTION})
    own_again = await make_submission(teacher, "SHINE")
    unfinished = await make_submission(activity="SHINE")
    for submission in (first, mine, own_again):
        await attach(owner, submission, b"one photo")
    await attach(owner, unfinished, b"one photo", finished=False)
    assert await warned(reviewer, mine) == [("SAME_FILE", str(first.id))]
    assert await warned(reviewer, own_again) == [("SAME_FILE", str(first.id))], "one's own second use is no copy"
    assert await warned(reviewer, unfinished) == []
    assert (await item(reviewer, mine))["suspicionScore"] == 70


@pytest.mark.parametrize("link", [POST, POST.lower() + "/", POST + "?utm_source=share", POST + "#comments"])
async def test_the_same_post_is_pointed_out_however_it_is_written(
    as_user: SignIn, make_submission: Make, link: str
) -> None:
    reviewer = await as_user("REVIEWER")
    first = await make_submission(activity="PRESENT", status="APPROVED", payload={"linkedinUrl": POST})
    other = await make_submission(activity="PRESENT", payload={"linkedinUrl": POST + "3"})
    copy = await make_submission(activity="PRESENT", payload={"linkedinUrl": link})
    assert await warned(reviewer, copy) == [("SAME_LINK", str(first.id))]
    assert await warned(reviewer, other) == []


async def test_the_same_reflection_is_pointed_out_but_not_rejected_work_sent_again(
    as_user: SignIn, make_user: Make, make_submission: Make
) -> None:
    reviewer, teacher = await as_user("REVIEWER"), await make_user()
    payload = {"reflection": REFLECTION}
    rejected = await make_submission(teacher, "EXPLORE", "REJECTED", payload=payload)
    again = await make_submission(teacher, "EXPLORE", payload=payload)
    assert await warned(reviewer, again) == []
    copy = await make_submission(activity="EXPLORE", payload={"reflection": REFLECTION.upper().replace(",", " ;\n")})
    assert await warned(reviewer, copy) == [("SAME_TEXT", str(rejected.id))]
    assert await warned(reviewer, again) == [("SAME_TEXT", str(copy.id))]


async def test_the_history_of_the_submitter_stands_beside_each_item(
    as_user: SignIn, make_user: Make, make_submission: Make, make_entry: Make
) -> None:
    reviewer, teacher = await as_user("REVIEWER"), await make_user()
    for number in range(4):
        rejected = await make_submission(teacher, "EXPLORE", "REJECTED", review_note=f"Note {number}")
    await make_submission(teacher, "LEARN", "APPROVED")
    await make_entry(teacher, 20, "LEARN")
    await make_entry(teacher, -5, "LEARN", source="MANUAL")
    waiting, newcomer = await make_submission(teacher, "EXPLORE"), await make_submission(activity="SHINE")
    history = (await item(reviewer, waiting))["history"]
    assert history["submissions"] == {"EXPLORE": {"PENDING": 1, "REJECTED": 4}, "LEARN": {"APPROVED": 1}}
    assert (history["totalPoints"], history["rejected"]) == (15, 4)
    assert [r["note"] for r in history["lastRejections"]] == ["Note 3", "Note 2", "Note 1"]
    assert history["lastRejections"][0]["submissionId"] == str(rejected.id)
    history = (await item(reviewer, newcomer))["history"]
    assert (history["submissions"], history["rejected"], history["lastRejections"]) == (
        {"SHINE": {"PENDING": 1}},
        0,
        [],
    )


async def test_a_longer_page_takes_no_more_statements(
    as_user: SignIn, make_submission: Make, database: Database
) -> None:
    reviewer = await as_user("REVIEWER")
    counts = []
    for _ in range(2):
        for activity in ("EXPLORE", "AMPLIFY", "PRESENT"):
            await make_submission(activity=activity)
        seen: list[str] = []

        def note(_c: Any, _cursor: Any, statement: str, *_rest: Any, seen: list[str] = seen) -> None:
            seen.append(statement)

        event.listen(database.engine.sync_engine, "before_cursor_execute", note)
        assert (await reviewer.get("/api/review/queue?limit=100")).status_code == 200
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)
        counts.append(len(seen))
    assert counts[0] == counts[1]
