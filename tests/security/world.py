"""People of every role and state, and fresh objects for each request: what the matrix of routes plays with."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import httpx
from tests.support import tokens
from tests.support.payloads import payload_for
from tests.support.sql import Connection, award, submit

CALLERS = ("anonymous", "stranger", "owner", "reviewer", "admin", "superadmin", "suspended", "erased")
"""`owner` is a PARTICIPANT whose things are asked for, `stranger` another one."""
ROLES = {"reviewer": "REVIEWER", "admin": "ADMIN", "superadmin": "SUPERADMIN"}
LONG_AGO = datetime.now(UTC) - timedelta(days=20)
PDF = {"filename": "a.pdf", "contentType": "application/pdf", "size": 9, "sha256": "ab" * 32}


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, complete and valid: only who asks decides what is answered."""

    path: str
    json: Any = None
    headers: dict[str, str] | None = None
    content: bytes | None = None


class World:
    def __init__(self, owner: Connection) -> None:
        self.sql = owner
        self._numbers = count(1)

    async def people(self) -> None:
        await self.sql.execute("SET elevate.restore = 'on'")
        for who in (*CALLERS[1:], "colleague", "chief"):
            role = {**ROLES, "colleague": "REVIEWER", "chief": "SUPERADMIN"}.get(who, "PARTICIPANT")
            await self.sql.execute(
                "INSERT INTO users (id, handle, name, role, suspended_at) VALUES ($1, $1, $1, $2, $3)",
                who, role, LONG_AGO if who == "suspended" else None,
            )  # fmt: skip
        await self.sql.execute("SELECT erase_user('erased')")
        await self.sql.execute("SELECT refresh_all_analytics()")

    def headers(self, who: str) -> dict[str, str]:
        return {} if who == "anonymous" else tokens.bearer(who)

    async def person(self) -> str:
        name = f"somebody_{next(self._numbers)}"
        await self.sql.execute("INSERT INTO users (id, handle) VALUES ($1, $2)", name, name.replace("_", "-"))
        return name

    async def submission(self, whose: str = "owner", status: str = "PENDING") -> UUID:
        decided: dict[str, Any] = {}
        if status != "PENDING":
            decided = {"status": status, "reviewer_id": "colleague", "reviewed_at": LONG_AGO, "points_awarded": 0}
        return await submit(self.sql, whose, "SHINE", created_at=LONG_AGO, **decided)

    async def attachment(self, submission: UUID, *, finished: bool) -> UUID:
        found: UUID = await self.sql.fetchval(
            """INSERT INTO submission_attachments
                 (submission_id, filename, content_type, size_bytes, sha256, storage_key, completed_at)
               VALUES ($1, 'a.pdf', 'application/pdf', 9, $2, $3, $4) RETURNING id""",
            submission, "ab" * 32, f"evidence/{next(self._numbers)}.pdf", LONG_AGO if finished else None,
        )  # fmt: skip
        return found

    async def claim(self, submission: UUID, who: str) -> None:
        await self.sql.execute(
            """INSERT INTO review_claims (submission_id, reviewer_id, expires_at)
               VALUES ($1, $2, now() + interval '5 min')""",
            submission, who,
        )  # fmt: skip

    async def event(self) -> UUID:
        contact = f"c{next(self._numbers)}"
        flat = {"event_id": contact, "event_type": "tag.added", "contact": {"id": contact}, "tag": {"name": "x"}}
        found: UUID = await self.sql.fetchval(
            """INSERT INTO kajabi_events (body, body_sha256, event_type, contact_id, tag, status)
               VALUES ($1, sha256($1), 'tag.added', $2, 'x', 'UNMATCHED') RETURNING id""",
            json.dumps(flat).encode(), contact,
        )  # fmt: skip
        return found

    async def alert(self) -> UUID:
        await self.sql.execute("DELETE FROM alerts")
        found: UUID = await self.sql.fetchval(
            """INSERT INTO alerts (rule, severity, title, status, since, count, summary, evidence, announced)
               VALUES ('slow_query', 'warning', 'x', 'FIRING', now(), 1, 'x', '{}', true) RETURNING id"""
        )
        return found

    async def silence(self) -> UUID:
        found: UUID = await self.sql.fetchval(
            """INSERT INTO alert_silences (starts_at, ends_at, reason, created_by)
               VALUES (now(), now() + interval '1 day', 'x', 'admin') RETURNING id"""
        )
        return found

    async def badge(self) -> str:
        code = f"BADGE_{next(self._numbers)}"
        await self.sql.execute("INSERT INTO badges (code, name) VALUES ($1, $1)", code)
        return code

    def key(self) -> dict[str, str]:
        return {"Idempotency-Key": f"key-{next(self._numbers)}"}

    async def points(self, whose: str) -> None:
        await award(self.sql, whose, 5, created_at=LONG_AGO)

    # --- requests -----------------------------------------------------------------------------------------------------

    async def ask(self, operation: tuple[str, str], who: str, whose: str = "owner") -> Ask:
        """A request of `who` about something of `whose`, made for this one question."""
        method, path = operation
        maker = getattr(self, _maker(method, path), None)
        if maker is not None:
            found: Ask = await maker(path, who, whose)
            return found
        return Ask(path.format(handle=whose, user_id=whose, file="users", token="no-such-token"))

    async def patch_me(self, path: str, who: str, whose: str) -> Ask:
        return Ask(path, {"region": "Jawa Barat"})

    async def post_submissions(self, path: str, who: str, whose: str) -> Ask:
        return Ask(path, {"activityCode": "SHINE", "payload": payload_for("SHINE")})

    async def _about_submission(self, path: str, whose: str, body: Any = None, status: str = "PENDING") -> Ask:
        return Ask(path.format(submission_id=await self.submission(whose, status)), body)

    async def get_submissions_submission_id(self, path: str, who: str, whose: str) -> Ask:
        return await self._about_submission(path, whose)

    async def patch_submissions_submission_id(self, path: str, who: str, whose: str) -> Ask:
        return await self._about_submission(path, whose, {"visibility": "PUBLIC"})

    async def post_submissions_submission_id_withdraw(self, path: str, who: str, whose: str) -> Ask:
        return await self._about_submission(path, whose)

    async def post_submissions_submission_id_attachments(self, path: str, who: str, whose: str) -> Ask:
        return await self._about_submission(path, whose, PDF)

    async def post_submissions_submission_id_attachments_attachment_id_complete(
        self, path: str, who: str, whose: str
    ) -> Ask:
        submission = await self.submission(whose)
        attachment = await self.attachment(submission, finished=False)
        return Ask(path.format(submission_id=submission, attachment_id=attachment))

    async def get_attachments_attachment_id(self, path: str, who: str, whose: str) -> Ask:
        submission = await self.submission(whose)
        return Ask(path.format(attachment_id=await self.attachment(submission, finished=True)))

    async def post_review_claims(self, path: str, who: str, whose: str) -> Ask:
        return Ask(path, {"count": 1})

    async def delete_review_claims_submission_id(self, path: str, who: str, whose: str) -> Ask:
        submission = await self.submission(whose)
        await self.claim(submission, who if who in {"reviewer", "admin"} else "colleague")
        return Ask(path.format(submission_id=submission))

    async def post_review_bulk(self, path: str, who: str, whose: str) -> Ask:
        return Ask(path, {"decisions": [{"id": str(await self.submission(whose)), "decision": "approve"}]})

    async def post_review_submission_id_approve(self, path: str, who: str, whose: str) -> Ask:
        return await self._about_submission(path, whose, {"version": 1})

    async def post_review_submission_id_reject(self, path: str, who: str, whose: str) -> Ask:
        return await self._about_submission(path, whose, {"note": "Please name the day.", "version": 1})

    async def post_review_submission_id_revoke(self, path: str, who: str, whose: str) -> Ask:
        return await self._about_submission(path, whose, {"reason": "Sent in twice."}, status="APPROVED")

    async def post_admin_points_adjustments(self, path: str, who: str, whose: str) -> Ask:
        body = {"userId": whose, "activityCode": "LEARN", "deltaPoints": 1, "reason": "Before 2024."}
        return Ask(path, body, self.key())

    async def patch_admin_users_user_id(self, path: str, who: str, whose: str) -> Ask:
        return Ask(path.format(user_id=await self.person()), {"cohort": "2025A"})

    async def post_admin_badges(self, path: str, who: str, whose: str) -> Ask:
        return Ask(path, {"code": f"NEW_{next(self._numbers)}", "name": "New"})

    async def patch_admin_badges_code(self, path: str, who: str, whose: str) -> Ask:
        return Ask(path.format(code=await self.badge()), {"name": "Other"})

    async def post_admin_badges_code_awards(self, path: str, who: str, whose: str) -> Ask:
        return Ask(path.format(code=await self.badge()), {"userId": whose})

    async def get_admin_kajabi_events_event_id(self, path: str, who: str, whose: str) -> Ask:
        return Ask(path.format(event_id=await self.event()))

    async def post_admin_kajabi_events_event_id_match(self, path: str, who: str, whose: str) -> Ask:
        return Ask(path.format(event_id=await self.event()), {"userId": await self.person()})

    async def post_admin_kajabi_events_event_id_replay(self, path: str, who: str, whose: str) -> Ask:
        return Ask(path.format(event_id=await self.event()))

    async def post_admin_kajabi_events_replay(self, path: str, who: str, whose: str) -> Ask:
        return Ask(path, {"status": "UNMATCHED"})

    async def post_admin_alerts_alert_id_acknowledge(self, path: str, who: str, whose: str) -> Ask:
        return Ask(path.format(alert_id=await self.alert()))

    async def post_admin_alerts_silences(self, path: str, who: str, whose: str) -> Ask:
        ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        return Ask(path, {"endsAt": ends, "reason": "Upgrade"})

    async def delete_admin_alerts_silences_silence_id(self, path: str, who: str, whose: str) -> Ask:
        return Ask(path.format(silence_id=await self.silence()))

    async def post_webhooks_kajabi(self, path: str, who: str, whose: str) -> Ask:
        return Ask(path.format(token="no-such-token"), content=b'{"event": "tag_added"}')

    post_webhooks_kajabi_token = post_webhooks_kajabi
    post_webhooks_clerk = post_webhooks_kajabi


async def send(client: httpx.AsyncClient, method: str, ask: Ask, headers: dict[str, str]) -> httpx.Response:
    return await client.request(
        method, ask.path, json=ask.json, content=ask.content, headers={**headers, **(ask.headers or {})}
    )


def _maker(method: str, path: str) -> str:
    words = path.removeprefix("/api/").replace("{", "").replace("}", "").replace("-", "_").split("/")
    return "_".join([method.lower(), *words])
