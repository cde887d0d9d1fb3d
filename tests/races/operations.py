"""Everything that changes something, aimed at the same people and submissions of the scene."""

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
from tests.kajabi.deliveries import AI_1, AI_2, ALL, flat, hook
from tests.races.scene import CLERK_SECRET, CRON_SECRET, KAJABI_TOKEN, Stage
from tests.support import tokens
from tests.support.payloads import payload_for

from elevate_api.analytics import totals
from elevate_api.attachments.jobs import remove_due, sweep
from elevate_api.clerk.signature import key_of, sign
from elevate_api.config import KajabiSettings
from elevate_api.kajabi import inbox
from elevate_api.kit import idempotency
from elevate_api.kit.clock import utcnow
from elevate_api.ops.ledger_check.recover import recover
from elevate_api.seal import service as sealing
from elevate_api.users.erasure import erase_due

DELIVERY = "POST /api/webhooks/kajabi/<token>"
TAGS = KajabiSettings.model_validate({}).learn_tags


@dataclass(frozen=True)
class Outcome:
    status: int
    code: str | None = None
    retry_after: str | None = None

    @property
    def kind(self) -> str:
        """done, refused, or busy: nothing was done, and the caller is told to come again."""
        if self.status == httpx.codes.SERVICE_UNAVAILABLE or self.code == "IDEMPOTENCY_KEY_IN_USE":
            return "busy"
        return "done" if self.status < 400 else "refused"


Act = Callable[[Stage, str], Awaitable[Outcome]]
"""Plays on a stage, under a request id."""


@dataclass(frozen=True)
class Operation:
    """`does`: method and path of a request, `job` or `command` and a name; test_completeness.py reads it."""

    does: str
    act: Act

    async def __call__(self, stage: Stage, request_id: str) -> Outcome:
        return await self.act(stage, request_id)


def call(
    actor: str,
    method: str,
    path: str,
    body: Any = None,
    *,
    key: str | None = None,
    claims: dict[str, Any] | None = None,
) -> Operation:
    """A request of somebody; `{label}` in path and body stands for an id of the scene."""

    async def act(stage: Stage, request_id: str) -> Outcome:
        headers = {**tokens.bearer(f"user_{actor}", **(claims or {})), "X-Request-ID": request_id}
        if key is not None:
            headers["Idempotency-Key"] = key
        filled = None if body is None else json.loads(_fill(json.dumps(body), stage))
        return heard(await stage.client.request(method, _fill(path, stage), json=filled, headers=headers))

    return Operation(f"{method} {path}", act)


def _fill(text: str, stage: Stage) -> str:
    for label, value in stage.ids.items():
        text = text.replace(f"<{label}>", value)
    return text


def heard(answer: httpx.Response) -> Outcome:
    code = answer.json().get("code") if answer.is_error else None
    return Outcome(answer.status_code, code, answer.headers.get("retry-after"))


def submits(code: str, *, key: str | None = None, **changes: Any) -> Operation:
    body = {"activityCode": code, "payload": payload_for(code, **changes), "visibility": "PRIVATE"}
    return call("ana", "POST", "/api/submissions", body, key=key)


def decides(who: str, decision: str, label: str, **more: Any) -> Operation:
    return call(who, "POST", f"/api/review/<{label}>/{decision}", {"note": "Seen.", "version": 1, **more})


def patches(who: str, person: str, **change: Any) -> Operation:
    return call(who, "PATCH", f"/api/admin/users/user_{person}", change)


def adjusts(who: str, points: int, key: str) -> Operation:
    body = {"userId": "user_ana", "activityCode": "LEARN", "deltaPoints": points, "reason": "Counted again."}
    return call(who, "POST", "/api/admin/points/adjustments", body, key=key)


def delivers(body: bytes) -> Operation:
    async def act(stage: Stage, request_id: str) -> Outcome:
        headers = {"X-Request-ID": request_id}
        return heard(await stage.client.post(f"/api/webhooks/kajabi/{KAJABI_TOKEN}", content=body, headers=headers))

    return Operation(DELIVERY, act)


def clerk(event: str, person: str, **data: Any) -> Operation:
    """A message of Clerk's, signed by Svix; each of its own id."""

    async def act(stage: Stage, request_id: str) -> Outcome:
        now = int(time.time())
        content = {"id": f"user_{person}", "updated_at": now * 1000, **data}
        body = json.dumps({"type": event, "timestamp": now * 1000, "data": content}).encode()
        message = f"msg_{event}_{person}_{len(data)}"
        signature = sign(message, now, body, key_of(CLERK_SECRET))
        headers = {"svix-id": message, "svix-timestamp": str(now), "svix-signature": signature}
        return heard(
            await stage.client.post(
                "/api/webhooks/clerk", content=body, headers={**headers, "X-Request-ID": request_id}
            )
        )

    return Operation("POST /api/webhooks/clerk", act)


def cron(job: str) -> Operation:
    async def act(stage: Stage, request_id: str) -> Outcome:
        headers = {"Authorization": f"Bearer {CRON_SECRET}", "X-Request-ID": request_id}
        return heard(await stage.client.post(f"/api/cron/{job}", headers=headers))

    return Operation(f"POST /api/cron/{job}", act)


def job(does: str, work: Callable[[Stage], Awaitable[object]]) -> Operation:
    async def act(stage: Stage, _request_id: str) -> Outcome:
        await work(stage)
        return Outcome(200)

    return Operation(does, act)


async def _recover(stage: Stage) -> None:
    async with stage.owner.session() as session:
        await recover(session)


async def _purge(stage: Stage) -> None:
    async with stage.database.session() as session:
        await idempotency.purge(session)


ADDRESS = {
    "email_addresses": [{"id": "m", "email_address": "ana-new@s.test", "verification": {"status": "verified"}}],
    "primary_email_address_id": "m", "first_name": "Ana",
}  # fmt: skip
NEW_ADDRESS = {"email": "ana-new@s.test", "email_verified": True}
BULK = [{"id": f"<{label}>", "decision": "approve", "version": 1} for label in ("explore", "amplify", "learn")]


def decides_many(who: str, decisions: list[dict[str, Any]]) -> Operation:
    return call(who, "POST", "/api/review/bulk", {"decisions": decisions})


PARTS = {
    name: [(decides_many(who, many[:cut]), decides_many(who, many[cut:])) for cut in range(1, len(many))]
    for name, who, many in (("bulk", "agus", BULK), ("bulk the other way", "ruth", BULK[::-1]))
}
"""Of what decides one after the other, each on its own: what may be done before, and what after, something else."""
EXTRA = {"code": "EXTRA", "name": "Extra", "criteria": {"type": "points", "atLeast": 20}}

OPERATIONS: dict[str, Operation] = {
    # Ana herself
    "submit explore": submits("EXPLORE", school="SMA 9"),
    "submit amplify": submits("AMPLIFY", peersTrained=25, studentsTrained=50),
    "submit amplify full": submits("AMPLIFY", peersTrained=30, studentsTrained=100),
    "submit learn": submits("LEARN"),
    "submit with a key": submits("SHINE", key="submit-1"),
    "edit amplify": call("ana", "PATCH", "/api/submissions/<amplify>", {
        "payload": payload_for("AMPLIFY", peersTrained=40, studentsTrained=100)}),
    "edit explore": call("ana", "PATCH", "/api/submissions/<explore>", {"visibility": "PRIVATE"}),
    "withdraw explore": call("ana", "POST", "/api/submissions/<explore>/withdraw"),
    "withdraw learn": call("ana", "POST", "/api/submissions/<learn>/withdraw"),
    "announce a file": call("ana", "POST", "/api/submissions/<explore>/attachments", {
        "filename": "b.pdf", "contentType": "application/pdf", "size": 15, "sha256": "ab" * 32}),
    "complete a file": call("ana", "POST", "/api/submissions/<explore>/attachments/<file>/complete"),
    "opt out": call("ana", "PATCH", "/api/me", {"showOnLeaderboard": False, "cohort": "2025A"}),
    "ask for erasure": call("ana", "DELETE", "/api/me"),
    "stay": call("ana", "POST", "/api/me/erasure/cancel"),
    "come with a new address": call("ana", "GET", "/api/me", claims=NEW_ADDRESS),
    "somebody comes with that address": call("nina", "GET", "/api/me", claims={**NEW_ADDRESS, "name": "Nina"}),
    # reviewers
    "approve explore": decides("ruth", "approve", "explore"),
    "approve explore by another": decides("agus", "approve", "explore"),
    "approve the second explore": decides("ruth", "approve", "explore2"),
    "approve amplify": decides("ruth", "approve", "amplify"),
    "approve learn": decides("ruth", "approve", "learn", points=16, reason="Half of it."),
    "approve the other's certificate": decides("agus", "approve", "other"),
    "approve what is claimed": decides("ruth", "approve", "shine"),
    "reject explore": decides("agus", "reject", "explore"),
    "bulk": decides_many("agus", BULK),
    "bulk the other way": decides_many("ruth", BULK[::-1]),
    "claim": call("ruth", "POST", "/api/review/claims", {"count": 1}),
    "claim all": call("agus", "POST", "/api/review/claims", {"count": 20}),
    "release": call("agus", "DELETE", "/api/review/claims/<shine>"),
    # administrators
    "revoke present": call("rina", "POST", "/api/review/<present>/revoke", {"reason": "Not hers."}),
    "revoke present by another": call("boss", "POST", "/api/review/<present>/revoke", {"reason": "Not hers."}),
    "adjust up": adjusts("rina", 15, "adjust-1"),
    "adjust down": adjusts("boss", -30, "adjust-2"),
    "adjust with the same key": adjusts("rina", 15, "adjust-1"),
    "make a badge": call("rina", "POST", "/api/admin/badges", EXTRA),
    "retire a badge": call("rina", "PATCH", "/api/admin/badges/IN_CLASS_INNOVATOR", {"active": False}),
    "award a badge": call("rina", "POST", "/api/admin/badges/STARTER/awards", {"userId": "user_ana"}),
    "promote ana": patches("boss", "ana", role="REVIEWER"),
    "demote ruth": patches("boss", "ruth", role="PARTICIPANT"),
    "demote boss": patches("chief", "boss", role="ADMIN"),
    "demote chief": patches("boss", "chief", role="ADMIN"),
    "boss asks for erasure": call("boss", "DELETE", "/api/me"),
    "chief asks for erasure": call("chief", "DELETE", "/api/me"),
    "move ana": patches("rina", "ana", cohort="2025B", school="SMA 1"),
    "bind ana": patches("rina", "ana", kajabiContactId="77"),
    "bind budi": patches("boss", "budi", kajabiContactId="77"),
    "match the waiting event": call("rina", "POST", "/api/admin/kajabi/events/<waiting>/match", {"userId": "user_ana"}),
    "match it to another": call("boss", "POST", "/api/admin/kajabi/events/<waiting>/match", {"userId": "user_budi"}),
    "match the stranger": call("rina", "POST", "/api/admin/kajabi/events/<stranger>/match", {"userId": "user_ana"}),
    "replay the waiting event": call("rina", "POST", "/api/admin/kajabi/events/<waiting>/replay"),
    "replay all that waits": call("rina", "POST", "/api/admin/kajabi/events/replay", {"status": "UNMATCHED"}),
    # machines
    "deliver one tag": delivers(hook("99", "ana@s.test", AI_1)),
    "deliver it again": delivers(hook("99", "ana@s.test", AI_1)),
    "deliver it otherwise": delivers(flat("99", "ana@s.test", AI_1)),
    "deliver another tag": delivers(flat("77", "ana@s.test", AI_2)),
    "deliver all": delivers(flat(None, "ana@s.test", ALL)),
    "clerk tells of ana": clerk("user.updated", "ana", **ADDRESS),
    "clerk deletes ana": clerk("user.deleted", "ana"),
    "clerk deletes ruth": clerk("user.deleted", "ruth"),
    "clerk deletes boss": clerk("user.deleted", "boss"),
    "refresh": cron("refresh-analytics"),
    "daily health": cron("daily-health"),
    "retention": cron("retention"),
    # jobs and commands
    "erase who is due": job("job erase-due", lambda stage: erase_due(stage.database)),
    "sweep the inbox": job("job kajabi-inbox", lambda stage: inbox.sweep(stage.database, TAGS)),
    "sweep who waits": job("job kajabi-unmatched", lambda stage: inbox.sweep_unmatched(stage.database, TAGS)),
    "remove files": job("job remove-attachments", lambda stage: remove_due(
        stage.database, stage.app.state.evidence.storage)),
    "sweep files": job("job sweep-attachments", lambda stage: sweep(
        stage.database, stage.app.state.evidence.storage, [utcnow().date()])),
    "purge keys": job("job purge-idempotency-keys", _purge),
    "fold totals": job("job fold-totals", lambda stage: totals.fold(stage.database)),
    "count totals anew": job("command analytics rebuild", lambda stage: totals.rebuild(stage.owner, "races")),
    "recover points": job("command points recover", _recover),
    "seal": job("job ledger-seal", lambda stage: sealing.seal(stage.owner, "races")),
    "refresh by hand": call("rina", "POST", "/api/admin/ops/refresh"),
}  # fmt: skip

DANGEROUS: tuple[tuple[str, str], ...] = (
    ("submit explore", "clerk deletes ana"),
    ("submit with a key", "erase who is due"),
    ("submit with a key", "submit with a key"),
    ("submit amplify", "edit amplify"),
    ("submit amplify full", "submit amplify full"),
    ("submit learn", "withdraw learn"),
    ("edit explore", "approve explore"),
    ("complete a file", "approve explore"),
    ("complete a file", "clerk deletes ana"),
    ("withdraw explore", "approve explore"),
    ("approve explore", "approve explore by another"),
    ("approve explore", "approve the second explore"),
    ("approve learn", "deliver all"),
    ("approve learn", "approve the other's certificate"),
    ("bulk", "bulk the other way"),
    ("claim", "claim all"),
    ("claim all", "erase who is due"),
    ("claim", "approve explore by another"),
    ("revoke present", "revoke present by another"),
    ("adjust up", "adjust with the same key"),
    ("make a badge", "approve explore"),
    ("demote boss", "demote chief"),
    ("boss asks for erasure", "chief asks for erasure"),
    ("demote boss", "clerk deletes boss"),
    ("bind ana", "bind budi"),
    ("bind ana", "deliver another tag"),
    ("match the waiting event", "match it to another"),
    ("clerk tells of ana", "replay all that waits"),
    ("clerk tells of ana", "deliver one tag"),
    ("match the waiting event", "come with a new address"),
    ("come with a new address", "somebody comes with that address"),
    ("deliver one tag", "deliver it again"),
    ("deliver one tag", "deliver it otherwise"),
    ("deliver all", "deliver another tag"),
    ("clerk deletes ana", "deliver one tag"),
    ("stay", "erase who is due"),
    ("clerk deletes ana", "match the waiting event"),
    ("recover points", "approve explore"),
    ("refresh", "clerk deletes ana"),
)
"""Where something was wrong once, or where the rule is a sum, a count or a first one: raced in every run."""
