"""Believable people and machines at work, and a journal of what the service has acknowledged to them.

Everybody behaves as a good client does: what was not answered, or answered 503, is sent again with the same
Idempotency-Key (or, for decisions and deliveries, which carry their own identity, just again) until somebody knows.
"""

# ruff: noqa: ASYNC110, B023 - no event to wait for; each attempt has ended before the next turn of its loop

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

import httpx
from tests.kajabi.deliveries import AI_1, TOKEN, hook
from tests.support import tokens
from tests.support.payloads import payload_for

TEACHERS, REVIEWERS = 6, 3
PAUSE = 0.05
TOKEN_SECONDS = 30


@dataclass
class Journal:
    """What was acknowledged, by the names that the harness gave."""

    submitted: dict[str, str] = field(default_factory=dict)
    """Idempotency-Key -> id of the submission."""
    decided: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Id of the submission -> status and points."""
    delivered: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Contact -> status of the event and points."""
    adjusted: dict[str, str] = field(default_factory=dict)
    """Idempotency-Key (which is in the reason, too) -> id of the adjustment."""
    keys: set[str] = field(default_factory=set)
    """Every Idempotency-Key that was ever sent, acknowledged or not."""
    surprises: Counter[str] = field(default_factory=Counter)
    """Answers that nothing explains; a 500 is one."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why what was refused was refused, for whoever never learns how it ended."""
    retried: int = 0
    refused: int = 0
    reads: int = 0
    last: float = 0.0

    @property
    def total(self) -> int:
        return len(self.submitted) + len(self.decided) + len(self.delivered) + len(self.adjusted)

    def acknowledged(self) -> None:
        self.last = time.monotonic()

    async def more(self, wanted: int, seconds: float = 90) -> None:
        """Wait for so many further acknowledgements."""
        start = self.total
        try:
            async with asyncio.timeout(seconds):
                while self.total < start + wanted:
                    await asyncio.sleep(0.01)
        except TimeoutError as error:
            known = f"{self.retried} broken off, {self.refused} refused, {dict(self.surprises)}"
            raise AssertionError(f"nothing more is acknowledged after {self.total}: {known}") from error


class Traffic:
    """Runs the load against `url` until it is stopped; then nobody begins anything, and everybody learns how it ended.

    `now` is what time the service believes it is, for tokens.
    """

    def __init__(self, url: str, prefix: str, *, now: Callable[[], float] = time.time) -> None:
        self.journal = Journal()
        self.prefix = prefix
        self._now = now
        self._client = httpx.AsyncClient(
            base_url=url, timeout=20, limits=httpx.Limits(max_connections=200, max_keepalive_connections=50)
        )
        self._over = asyncio.Event()
        self._open: Counter[str] = Counter()
        self._tokens: dict[str, tuple[float, dict[str, str]]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        workers: list[Awaitable[None]] = [self._teach(number) for number in range(TEACHERS)]
        workers += [self._review(number) for number in range(REVIEWERS)]
        workers += [self._deliver(), self._adjust(), self._look()]
        self._tasks = [asyncio.ensure_future(worker) for worker in workers]

    async def stop(self, seconds: float = 90) -> None:
        """Raises what a worker raised, and TimeoutError when somebody never learns how it ended."""
        self._over.set()
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*self._tasks)
        except TimeoutError as error:
            raise AssertionError(
                f"somebody never learns how it ended: {self._open}, {self.journal.surprises},"
                f" {self.journal.reasons.most_common(3)}"
            ) from error
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._client.aclose()

    def headers(self, who: str, **claims: Any) -> dict[str, str]:
        now = self._now()
        made, known = self._tokens.get(who, (0.0, {}))
        if abs(now - made) > TOKEN_SECONDS:
            issued = int(now)
            known = tokens.bearer(who, iat=issued, nbf=issued, exp=issued + 60, **claims)
            self._tokens[who] = (now, known)
        return known

    async def ask(
        self,
        method: str,
        path: str,
        *,
        who: str | None = None,
        headers: Mapping[str, str] | None = None,
        claims: Mapping[str, Any] | None = None,
        **body: Any,
    ) -> httpx.Response | None:
        """One attempt; None when nobody knows what came of it, or it is to be tried again."""
        self._open[f"{method} {path}"] += 1
        try:
            return await self._ask(method, path, who, headers or {}, claims or {}, body)
        finally:
            self._open[f"{method} {path}"] -= 1
            self._open += Counter()  # what is at zero goes

    async def _ask(
        self,
        method: str,
        path: str,
        who: str | None,
        headers: Mapping[str, str],
        claims: Mapping[str, Any],
        body: Mapping[str, Any],
    ) -> httpx.Response | None:
        signed = self.headers(who, **claims) if who is not None else {}
        try:
            answer = await self._client.request(method, path, headers={**signed, **headers}, **body)
        except httpx.TransportError:
            self.journal.retried += 1
            await asyncio.sleep(3 * PAUSE)  # a service that starts needs the machine, too
            return None
        if answer.status_code in {429, 503} or _is_code(answer, "IDEMPOTENCY_KEY_IN_USE"):
            self.journal.refused += 1
            self.journal.reasons[f"{method} {path[:40]} -> {answer.status_code} {answer.text[:300]}"] += 1
            return None
        if answer.status_code == httpx.codes.UNAUTHORIZED and who is not None:
            self._tokens.pop(who, None)  # the clock may have been moved between the signature and its verification
            self.journal.refused += 1
            return None
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            self.journal.surprises[f"{method} {path.split('?', maxsplit=1)[0][:40]} -> {answer.status_code}"] += 1
            return None
        return answer

    async def insist(self, attempt: Callable[[], Awaitable[httpx.Response | None]]) -> httpx.Response:
        while True:
            answer = await attempt()
            if answer is not None:
                return answer
            await asyncio.sleep(PAUSE)

    def _note(self, what: str, answer: httpx.Response) -> None:
        self.journal.surprises[f"{what} -> {answer.status_code} {answer.text[:200]}"] += 1

    async def _teach(self, number: int) -> None:
        for turn in count():
            if self._over.is_set():
                return
            # The hourly limit holds per person, so everybody brings a new colleague along in time.
            who, key = f"{self.prefix}-teacher-{number}-{turn // 8}", uuid4().hex
            evidence = payload_for("AMPLIFY", peersTrained=2, studentsTrained=1, evidenceNote=key)
            body = {"activityCode": "AMPLIFY", "payload": evidence}
            self.journal.keys.add(key)
            answer = await self.insist(
                lambda: self.ask(
                    "POST",
                    "/api/submissions",
                    who=who,
                    headers={"Idempotency-Key": key},
                    json=body,
                )
            )
            if answer.status_code == httpx.codes.CREATED:
                self.journal.submitted[key] = answer.json()["id"]
                self.journal.acknowledged()
            else:
                self._note("submit", answer)
            await asyncio.sleep(PAUSE)

    async def _review(self, number: int) -> None:
        who = f"reviewer-{number}"
        while not self._over.is_set():
            claimed = await self.ask("POST", "/api/review/claims", who=who, json={"count": 3})
            items = claimed.json().get("items", []) if claimed is not None else []
            for item in items:
                if item["submission"]["activityCode"] != "SHINE":  # whose evidence is still on its way
                    await self._decide(who, item["submission"])
            await asyncio.sleep(0.01 if items else 3 * PAUSE)

    async def _decide(self, who: str, submission: Mapping[str, Any]) -> None:
        approving = int(submission["id"][-1], 16) % 4 != 0
        path = f"/api/review/{submission['id']}/{'approve' if approving else 'reject'}"
        body = {"version": submission["version"], **({} if approving else {"note": "Not enough to go by"})}
        answer = await self.insist(lambda: self.ask("POST", path, who=who, json=body))
        if answer.status_code == httpx.codes.OK:
            document = answer.json()
            points = document.get("pointsAwarded", 0) if approving else 0
            self.journal.decided[submission["id"]] = ("APPROVED" if approving else "REJECTED", points)
            self.journal.acknowledged()
        elif not (_is_code(answer, "ALREADY_REVIEWED") or _is_code(answer, "CLAIMED_BY_ANOTHER")):
            self._note("decide", answer)  # those two: an earlier attempt of ours, or the claim ran out meanwhile

    async def _deliver(self) -> None:
        for number in count():
            if self._over.is_set():
                return
            who, contact = f"{self.prefix}-learner-{number}", f"{self.prefix}-contact-{number}"
            email = f"{who}@school.example"
            claims = {"email": email, "email_verified": True, "name": "Siti"}
            await self.insist(lambda: self.ask("GET", "/api/me", who=who, claims=claims))
            body = hook(contact, email, AI_1)
            answer = await self.insist(lambda: self.ask("POST", f"/api/webhooks/kajabi/{TOKEN}", content=body))
            if answer.is_success:
                receipt = answer.json()
                self.journal.delivered[contact] = (receipt["status"], receipt["pointsAwarded"])
                self.journal.acknowledged()
            else:
                self._note("deliver", answer)
            await asyncio.sleep(2 * PAUSE)

    async def _adjust(self) -> None:
        for _ in count():
            if self._over.is_set():
                return
            key = uuid4().hex
            body = {
                "userId": "adjusted",
                "activityCode": "SHINE",
                "deltaPoints": 1,
                "reason": f"Correction {key}",
            }
            self.journal.keys.add(key)
            answer = await self.insist(
                lambda: self.ask(
                    "POST",
                    "/api/admin/points/adjustments",
                    who="admin",
                    headers={"Idempotency-Key": key},
                    json=body,
                )
            )
            if answer.is_success:
                self.journal.adjusted[key] = answer.json()["id"]
                self.journal.acknowledged()
            else:
                self._note("adjust", answer)
            await asyncio.sleep(4 * PAUSE)

    async def _look(self) -> None:
        """Somebody always looks at the board and at the own dashboard; whatever they are told must be an answer."""
        while not self._over.is_set():
            for path, who in (("/api/leaderboard", None), ("/api/me/dashboard", "adjusted"), ("/api/stats", None)):
                if await self.ask("GET", path, who=who) is not None:
                    self.journal.reads += 1
            await asyncio.sleep(2 * PAUSE)


def _is_code(answer: httpx.Response, code: str) -> bool:
    if "problem+json" not in answer.headers.get("content-type", ""):
        return False
    return bool(answer.json().get("code") == code)
