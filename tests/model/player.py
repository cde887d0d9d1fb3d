"""Plays steps against the running service and compares every answer and every row with the programme in memory."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import permutations
from typing import Any, cast

import httpx
from tests.model.facts import Facts, age, differences, told_by_database, told_by_model
from tests.model.programme import BOARD_30D, ROLES, Answer, Programme, Step
from tests.support import tokens
from tests.support.sql import Connection

from elevate_api.clerk.signature import key_of, sign
from elevate_api.kit.db import Database
from elevate_api.users.erasure import erase_due

KAJABI_TOKEN = "url-token-of-the-model-test"
CLERK_SECRET = "whsec_bW9kZWwtdGVzdC1zZWNyZXQtb2YtY2xlcms="
CRON_SECRET = "cron-secret-of-the-test-run"
STAFF = {"user_boss": "SUPERADMIN", "user_rina": "ADMIN", "user_agus": "REVIEWER", "user_lila": "REVIEWER"}
Request = tuple[str, str, dict[str, Any]]


class Disagreement(AssertionError):
    """The service did what the rules do not say. `kind`: what tells this fault from another, without its details."""

    def __init__(self, kind: str, story: str) -> None:
        super().__init__(story)
        self.kind = kind


@dataclass
class Heard:
    """An answer of the service, in the words of `Answer`."""

    status: int
    code: str | None = None
    body: Any = None
    replayed: bool = False


def those_not_turned_away(steps: list[Step], heard: list[Heard]) -> list[int]:
    """Numbers of the steps that had a turn. Who finds its key held by another of the moment has none, whatever
    becomes of the other: an order, where all are one after the other, does not know a key that is in use."""
    in_use = [one.code == "IDEMPOTENCY_KEY_IN_USE" for one in heard]
    held = {_key_of(step) for step, refused in zip(steps, in_use, strict=True) if not refused}
    return [number for number, step in enumerate(steps) if not (in_use[number] and _key_of(step) in held)]


def _key_of(step: Step) -> tuple[str, str | None]:
    return step.actor, step.args.get("key")


@dataclass
class Player:
    client: httpx.AsyncClient
    database: Database
    superuser: Connection
    programme: Programme = field(default_factory=Programme)
    ids: dict[str, str] = field(default_factory=dict)
    audit: Counter[Any] = field(default_factory=Counter)
    bodies: dict[str, Any] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    _tokens: dict[str, str] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def begin(self) -> None:
        """The first staff come with the database: nobody can promote them."""
        for person, role in STAFF.items():
            await self.superuser.execute(
                "INSERT INTO users (id, handle, role) VALUES ($1, $2, $3)", person, person.replace("_", "-"), role
            )
            arrived = self.programme.apply(Step("arrive", "", person, {"email": None, "verified": False}), _now())
            assert arrived is not None
            self.programme.people[person].role = role
        await self._cron("refresh-analytics")
        for row in await self.superuser.fetch("SELECT actor_id, action, target_type, target_id FROM audit_log"):
            self.audit[tuple(row)] += 1

    # --- one after the other ----------------------------------------------------------------------------------------

    async def take(self, step: Step) -> None:
        """One step and a full comparison. Raises Disagreement."""
        answer = self.programme.apply(step, _now())
        if answer is None:
            return
        heard = await self._send(step)
        fault = self._listen(step, answer, heard)
        if fault is not None:
            raise Disagreement(f"answer to {step.kind}", f"{step}\n  {fault}")
        self._learn(step, answer, heard)
        await self._compare(step)
        self.counts[step.kind] += 1
        self.counts["refused" if answer.codes else "done"] += 1

    async def _compare(self, step: Step) -> None:
        found = differences(told_by_model(self.programme, self.ids, self.audit), await told_by_database(self.superuser))
        if found:
            areas = sorted({line.partition(" ")[0] for line in found})
            raise Disagreement(
                f"{areas} after {step.kind}", f"after {step}" + "".join(f"\n  {one}" for one in found[:12])
            )

    # --- at once ----------------------------------------------------------------------------------------------------

    async def take_together(self, steps: list[Step]) -> None:
        """All at once: answers and rows must be those of some order of them. Raises Disagreement."""
        now, before = _now(), self.programme
        meant = [step for step in steps if before.copy().apply(step, now) is not None]
        heard = list(await asyncio.gather(*(self._send(step) for step in meant)))
        database = await told_by_database(self.superuser)
        reasons: list[str] = []
        for order in permutations(those_not_turned_away(meant, heard)):
            tried = self._try(meant, heard, order, database, now, reasons)
            if tried is not None:
                self.programme, self.audit, self.ids, self.bodies = tried
                self.counts["together"] += len(meant)
                self.counts["another order"] += order != tuple(sorted(order))
                return
        said = "".join(
            f"\n  {step}\n    -> {one.status} {one.code or ''}" for step, one in zip(meant, heard, strict=True)
        )
        raise Disagreement("no order", f"no order of these explains what happened:{said}\n  first order: {reasons[:4]}")

    def _try(
        self, steps: list[Step], heard: list[Heard], order: tuple[int, ...], database: Facts, now: datetime,
        reasons: list[str],
    ) -> tuple[Programme, Counter[Any], dict[str, str], dict[str, Any]] | None:  # fmt: skip
        """The world after this order of the steps, if it is the one that the service is in."""
        kept = self.programme, self.audit, self.ids, self.bodies
        self.programme, self.audit = self.programme.copy(), self.audit.copy()
        self.ids, self.bodies = dict(self.ids), dict(self.bodies)
        try:
            for number in order:
                answer = self.programme.apply(steps[number], now)
                if answer is None:
                    return None
                fault = self._listen(steps[number], answer, heard[number])
                if fault is not None:
                    reasons.append(f"{steps[number]}: {fault}")
                    return None
                self._learn(steps[number], answer, heard[number])
            found = differences(told_by_model(self.programme, self.ids, self.audit), database)
            reasons += found[:2]
            after = self.programme, self.audit, self.ids, self.bodies
        except KeyError as missing:
            reasons.append(f"{missing} is not there yet")
            return None
        else:
            return None if found else after
        finally:
            self.programme, self.audit, self.ids, self.bodies = kept

    # --- hearing ----------------------------------------------------------------------------------------------------

    def _listen(self, step: Step, answer: Answer, heard: Heard) -> str | None:
        """Why what was heard is not the answer; None when it is."""
        if answer.codes:
            return (
                None if heard.code in answer.codes else f"should be refused as {set(answer.codes)}, is {_said(heard)}"
            )
        if heard.status != answer.status:
            return f"should be {answer.status} {answer.says}, is {_said(heard)}"
        if answer.replay_of is not None:
            same = heard.replayed and heard.body == self.bodies[answer.replay_of]
            return None if same else f"should repeat the answer to {answer.replay_of}, is {_said(heard)}"
        if step.kind == "look":
            return _look(answer, heard.body)
        return self._mismatch(step, answer.says, heard.body)

    def _mismatch(self, step: Step, says: dict[str, Any], body: Any) -> str | None:
        if "taken" in says:
            taken = sorted(item["submission"]["id"] for item in body["items"])
            should = sorted(self.ids[label] for label in says["taken"])
            return None if taken == should else f"should hand out {should}, does {taken}"
        if "results" in says:
            return self._bulk_mismatch(says["results"], body["results"])
        for name, value in says.items():
            if name == "event":
                if value != step.label and body["eventId"] != self.ids[value]:
                    return f"should answer the event of {value}, is {body}"
            elif body.get(name) != value:
                return f"{name} should be {value!r}, is {body.get(name)!r}"
        return None

    def _bulk_mismatch(self, should: list[tuple[str, Answer]], does: list[dict[str, Any]]) -> str | None:
        for (label, answer), result in zip(should, does, strict=True):
            code = (result.get("problem") or {}).get("code")
            fits = code in answer.codes if answer.codes else result["ok"]
            if not answer.codes and fits:
                fits = result["pointsAwarded"] == answer.says["pointsAwarded"]
            if not fits or result["id"] != self.ids[label]:
                return f"{label} should be {answer.codes or answer.says}, is {result}"
        return None

    def _learn(self, step: Step, answer: Answer, heard: Heard) -> None:
        """What only the service knows: ids and the moment that it recorded."""
        if not answer.codes and answer.replay_of is None:
            if step.kind in ("submit", "adjust"):
                self.ids[step.label] = heard.body["id"]
            if step.kind == "submit":
                self.programme.submissions[step.label].at = datetime.fromisoformat(heard.body["createdAt"])
            if step.args.get("key") is not None:
                self.bodies[step.label] = heard.body
        if step.kind == "deliver":
            self.ids[step.label] = self._row_of(heard.body)
        for actor, action, kind, target in answer.changes:
            self.audit[actor, action, kind, self.ids.get(target, target)] += 1

    # --- speaking ---------------------------------------------------------------------------------------------------

    async def _send(self, step: Step) -> Heard:
        special = cast("Callable[[Step], Awaitable[Heard]] | None", getattr(self, f"_play_{step.kind}", None))
        if special is not None:
            return await special(step)
        method, path, options = getattr(self, f"_say_{step.kind}")(step)
        headers = {"Authorization": f"Bearer {self._token(step.actor)}"}
        if step.args.get("key") is not None:
            headers["Idempotency-Key"] = step.args["key"]
        return _heard(await self.client.request(method, path, headers=headers, **options))

    def _token(self, person: str) -> str:
        if person not in self._tokens:
            self._tokens[person] = tokens.token(person, exp=int(time.time()) + 86_400)
        return self._tokens[person]

    def _say_show(self, step: Step) -> Request:
        return "PATCH", "/api/me", {"json": {"showOnLeaderboard": step.args["shown"], "cohort": step.args["cohort"]}}

    def _say_promote(self, step: Step) -> Request:
        return "PATCH", f"/api/admin/users/{step.args['person']}", {"json": {"role": step.args["role"]}}

    def _say_bind(self, step: Step) -> Request:
        return "PATCH", f"/api/admin/users/{step.args['person']}", {"json": {"kajabiContactId": step.args["contact"]}}

    def _say_ask_erasure(self, _step: Step) -> Request:
        return "DELETE", "/api/me", {}

    def _say_cancel_erasure(self, _step: Step) -> Request:
        return "POST", "/api/me/erasure/cancel", {}

    def _say_submit(self, step: Step) -> Request:
        names = {"activityCode": "stage", "payload": "payload", "visibility": "visibility"}
        return "POST", "/api/submissions", {"json": {wire: step.args[name] for wire, name in names.items()}}

    def _say_edit(self, step: Step) -> Request:
        change = {name: step.args[name] for name in ("payload", "visibility") if name in step.args}
        return "PATCH", f"/api/submissions/{self._id(step)}", {"json": change}

    def _say_withdraw(self, step: Step) -> Request:
        return "POST", f"/api/submissions/{self._id(step)}/withdraw", {}

    def _say_claim(self, step: Step) -> Request:
        wanted = {"count": step.args["count"]} | ({"activityCode": step.args["stage"]} if "stage" in step.args else {})
        return "POST", "/api/review/claims", {"json": wanted}

    def _say_release(self, step: Step) -> Request:
        return "DELETE", f"/api/review/claims/{self._id(step)}", {}

    def _say_approve(self, step: Step) -> Request:
        decision = {name: step.args[name] for name in ("version", "points") if name in step.args}
        return "POST", f"/api/review/{self._id(step)}/approve", {"json": {**decision, "reason": "Looked at twice."}}

    def _say_reject(self, step: Step) -> Request:
        version = {"version": step.args["version"]} if "version" in step.args else {}
        return "POST", f"/api/review/{self._id(step)}/reject", {"json": {"note": "Not this one.", **version}}

    def _say_bulk(self, step: Step) -> Request:
        decisions = [
            {"id": self.ids[one["of"]], "note": "In one go.", **{k: v for k, v in one.items() if k != "of"}}
            for one in step.args["decisions"] if one["of"] in self.programme.submissions
        ]  # fmt: skip
        return "POST", "/api/review/bulk", {"json": {"decisions": decisions}}

    def _say_revoke(self, step: Step) -> Request:
        return "POST", f"/api/review/{self._id(step)}/revoke", {"json": {"reason": "Sent in by mistake."}}

    def _say_adjust(self, step: Step) -> Request:
        names = {"userId": "person", "activityCode": "stage", "deltaPoints": "points"}
        wanted = {wire: step.args[name] for wire, name in names.items()}
        return "POST", "/api/admin/points/adjustments", {"json": {**wanted, "reason": "Counted again."}}

    def _say_make_badge(self, step: Step) -> Request:
        code = step.args["code"]
        new = {"code": code, "name": code.title(), "criteria": step.args["criteria"]}
        return "POST", "/api/admin/badges", {"json": new}

    def _say_retire_badge(self, step: Step) -> Request:
        return "PATCH", f"/api/admin/badges/{step.args['code']}", {"json": {"active": step.args["active"]}}

    def _say_award_badge(self, step: Step) -> Request:
        return "POST", f"/api/admin/badges/{step.args['code']}/awards", {"json": {"userId": step.args["person"]}}

    def _say_match(self, step: Step) -> Request:
        event = self.ids[step.args["event"]]
        return "POST", f"/api/admin/kajabi/events/{event}/match", {"json": {"userId": step.args["person"]}}

    def _say_replay(self, step: Step) -> Request:
        return "POST", f"/api/admin/kajabi/events/{self.ids[step.args['event']]}/replay", {}

    def _say_replay_all(self, step: Step) -> Request:
        return "POST", "/api/admin/kajabi/events/replay", {"json": {"status": step.args["status"]}}

    def _id(self, step: Step) -> str:
        return self.ids[step.args["of"]]

    # --- those that take more than a request ------------------------------------------------------------------------

    async def _play_arrive(self, step: Step) -> Heard:
        claims = {"email": step.args["email"], "email_verified": step.args["verified"], "name": step.actor[5:].title()}
        return _heard(await self.client.get("/api/me", headers=tokens.bearer(step.actor, **claims)))

    async def _play_look(self, step: Step) -> Heard:
        headers = {"Authorization": f"Bearer {self._token(step.actor)}"}
        points = await self.client.get("/api/me/points", headers=headers)
        heard = _heard(await self.client.get("/api/me/dashboard", headers=headers))
        if heard.status == httpx.codes.OK:
            heard.body["ledger"] = points.json()
        return heard

    async def _play_deliver(self, step: Step) -> Heard:
        answer = await self.client.post(f"/api/webhooks/kajabi/{KAJABI_TOKEN}", content=step.args["body"].encode())
        heard = _heard(answer)
        heard.body = {**(heard.body or {}), "rows": await self._stored(step)}
        return heard

    async def _stored(self, step: Step) -> list[str]:
        """The rows of these bytes, the oldest first: what is answered is the id of the first."""
        query = "SELECT id::text FROM kajabi_events WHERE body_sha256 = sha256($1) ORDER BY created_at, id"
        async with self._turn:
            rows = await self.superuser.fetch(query, step.args["body"].encode())
        return [row["id"] for row in rows]

    def _row_of(self, body: dict[str, Any]) -> str:
        """The row that this very delivery left: none that another step has, nor the first, which is another's."""
        taken = {*self.ids.values(), *([body["eventId"]] if body.get("duplicate") else [])}
        free = [row for row in body["rows"] if row not in taken]
        return str(body["eventId"]) if body.get("duplicate") is False else free[0]

    async def _play_clerk_deletes(self, step: Step) -> Heard:
        person, moment = step.args["person"], int(time.time())
        body = json.dumps({"type": "user.deleted", "timestamp": moment * 1000, "data": {"id": person}}).encode()
        message = f"msg_{step.label}"
        signature = sign(message, moment, body, key_of(CLERK_SECRET))
        headers = {"svix-id": message, "svix-timestamp": str(moment), "svix-signature": signature}
        return _heard(await self.client.post("/api/webhooks/clerk", content=body, headers=headers))

    async def _play_erase_due(self, _step: Step) -> Heard:
        await erase_due(self.database)
        return Heard(200)

    async def _play_jump(self, step: Step) -> Heard:
        await age(self.superuser, step.args["days"])
        return Heard(200)

    async def _cron(self, job: str) -> Heard:
        headers = {"Authorization": f"Bearer {CRON_SECRET}"}
        return _heard(await self.client.post(f"/api/cron/{job}", headers=headers))

    async def _play_retention(self, _step: Step) -> Heard:
        heard = await self._cron("retention")
        rows = await self.superuser.fetch("SELECT actor_id, action, target_type, target_id FROM audit_log")
        self.audit = Counter(tuple(row) for row in rows)  # the oldest of them may go
        return heard

    async def _play_health(self, _step: Step) -> Heard:
        """The service's own checks find nothing, whatever was played, but what the rules tell them to find."""
        heard = await self._cron("daily-health")
        faults = [one for one in heard.body["checks"] if one["severity"] == "error" and not one["ok"]]
        found, should = {one["name"] for one in faults}, self.programme.alarms()
        if found != should:
            raise Disagreement(f"health {sorted(found ^ should)}", f"daily-health should find {should}, found {faults}")
        return heard

    async def _play_refresh(self, _step: Step) -> Heard:
        heard = await self._cron("refresh-analytics")
        if heard.status == httpx.codes.OK:
            await self._compare_boards()
        return heard

    async def _compare_boards(self) -> None:
        """Both boards, page by page, and the rank of everybody; the model has taken its own picture already."""
        times = await self.superuser.fetch("SELECT user_id, created_at FROM points_ledger")
        handles = dict(await self.superuser.fetch("SELECT id, handle FROM users"))
        for period, span in (("all", None), ("30d", BOARD_30D)):
            points = (self.programme.boards or {})[period]
            since = None if span is None else _now() - span
            reached = {
                person: max(at for who, at in times if who == person and (since is None or at > since))
                for person in points
            }
            order = sorted(points, key=lambda one: (-points[one], reached[one], one))
            should = [(1 + sum(p > points[one] for p in points.values()), handles[one], points[one]) for one in order]
            does = await self._board(period)
            if does != should:
                raise Disagreement(f"board {period}", f"board {period} should be {should}, is {does}")

    async def _board(self, period: str) -> list[tuple[int, str, int]]:
        rows: list[tuple[int, str, int]] = []
        cursor: str | None = ""
        while cursor is not None:
            parameters = {"period": period, "limit": "5"} | ({"cursor": cursor} if cursor else {})
            page = (await self.client.get("/api/leaderboard", params=parameters)).json()
            rows += [(item["rank"], item["handle"], item["points"]) for item in page["items"]]
            cursor = page["nextCursor"]
        return rows


def _look(answer: Answer, body: Any) -> str | None:
    points = {stage["activityCode"]: stage["points"] for stage in body["stages"]}
    ledger = {one["activityCode"]: one["points"] for one in body["ledger"]["byActivity"]}
    found = {
        "points": points,
        "used": body["amplifyQuota"]["used"],
        "badges": sorted(badge["code"] for badge in body["badges"]),
    }
    if found != answer.says:
        return f"should show {answer.says}, shows {found}"
    total = sum(points.values())
    same = {k: v for k, v in points.items() if v} == {k: v for k, v in ledger.items() if v}
    sums = body["totalPoints"] == body["ledger"]["totalPoints"] == total
    return None if same and sums else f"points of the dashboard {points}, of the ledger {ledger}"


def _heard(response: httpx.Response) -> Heard:
    if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        asked = f"{response.request.method} {response.request.url.path}"
        raise Disagreement(f"{response.request.method} {response.status_code}", f"{asked}: {response.text}")
    body = response.json() if response.content else None
    code = body["code"] if body is not None and response.is_client_error else None
    return Heard(response.status_code, code, body, "idempotency-replayed" in response.headers)


def _said(heard: Heard) -> str:
    return f"{heard.status} {heard.code or json.dumps(heard.body)[:300]}"


def _now() -> datetime:
    return datetime.now(UTC)


assert set(STAFF.values()) <= set(ROLES)
