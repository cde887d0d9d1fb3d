"""Who does what: the mix of a school day. A user sends a request a second, so so many users are so many requests.

ELEVATE_LOAD names a file with people's tokens. Refusals (503 with Retry-After) are counted by themselves, as "shed".
"""

import json
import os
import random
from pathlib import Path
from typing import Any
from uuid import uuid4

from locust import FastHttpUser, constant_pacing, task

PEOPLE: dict[str, list[str]] = json.loads(Path(os.environ["ELEVATE_LOAD"]).read_text(encoding="utf-8"))
KAJABI = os.environ["ELEVATE_LOAD_KAJABI"]
SHED, UNHEALTHY = "shed (503)", "unhealthy (503)"


class Person(FastHttpUser):
    """Somebody else with every request: 1,000 connections of one request a second each are what a proxy brings."""

    wait_time = constant_pacing(1)
    connection_timeout = 30
    network_timeout = 30

    def ask(self, method: str, path: str, name: str, role: str | None = None, **more: Any) -> Any:
        headers = dict(more.pop("headers", {}))
        if role is not None:
            headers["Authorization"] = f"Bearer {random.choice(PEOPLE[role])}"  # noqa: S311
        with self.client.request(method, path, name=name, headers=headers, catch_response=True, **more) as response:
            if response.status_code == 503 and response.headers.get("Retry-After"):  # noqa: PLR2004
                response.request_meta["name"] = SHED
                response.success()
            elif name == "health" and response.status_code == 503:  # noqa: PLR2004
                response.request_meta["name"] = UNHEALTHY  # an answer, too: its probe found PostgreSQL too slow
                response.success()
            elif response.status_code in {409, 429}:  # somebody was quicker, or has brought enough for this hour
                response.success()
            elif response.status_code >= 400:  # noqa: PLR2004
                response.failure(f"{response.status_code} {response.text[:200]}")
            return response.json() if 200 <= response.status_code < 300 else None  # noqa: PLR2004

    @task(30)
    def board(self) -> None:
        self.ask("GET", f"/api/leaderboard?limit=50&period={random.choice(('all', '30d'))}", "board")  # noqa: S311

    @task(5)
    def figures(self) -> None:
        self.ask("GET", "/api/stats", "stats")

    @task(10)
    def oneself(self) -> None:
        self.ask("GET", "/api/me", "me", "educators")

    @task(15)
    def dashboard(self) -> None:
        self.ask("GET", "/api/me/dashboard", "dashboard", "educators")

    @task(10)
    def rank(self) -> None:
        self.ask("GET", "/api/me/rank", "rank", "educators")

    @task(12)
    def submit(self) -> None:
        evidence = {"peersTrained": 1, "studentsTrained": 2, "sessionDate": "2024-05-03"}
        body = {"activityCode": "AMPLIFY", "payload": evidence}
        headers = {"Idempotency-Key": uuid4().hex}
        self.ask("POST", "/api/submissions", "submit", "educators", json=body, headers=headers)

    @task(5)
    def review(self) -> None:
        reviewer = {"Authorization": f"Bearer {random.choice(PEOPLE['reviewers'])}"}  # noqa: S311
        claimed = self.ask("POST", "/api/review/claims", "claim", json={"count": 2}, headers=reviewer)
        for item in (claimed or {}).get("items", []):
            one = item["submission"]
            path = f"/api/review/{one['id']}/approve"
            self.ask("POST", path, "approve", json={"version": one["version"]}, headers=reviewer)

    @task(8)
    def deliver(self) -> None:
        contact = uuid4().hex
        body = {
            "event_id": contact,
            "event_type": "contact.tagged",
            "contact": {"id": contact, "email": f"{contact}@school.example"},
            "tag": {"name": "elevate-ai-1-completed"},
        }
        self.ask("POST", f"/api/webhooks/kajabi/{KAJABI}", "webhook", json=body)

    @task(3)
    def administer(self) -> None:
        path = random.choice(("/api/admin/users?limit=20", "/api/admin/analytics/activities", "/api/review/queue"))  # noqa: S311
        self.ask("GET", path, "admin reads", "admins")

    @task(2)
    def health(self) -> None:
        self.ask("GET", "/health/database", "health")
