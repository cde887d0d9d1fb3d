"""What a test of the console does beside the page: people, submissions, and a look at the API."""

import hashlib
import time
from typing import Any, Self
from uuid import UUID

import httpx
from tests.kajabi.deliveries import hook
from tests.support import tokens
from tests.support.factories import Factory

from elevate_api.submissions.models import Submission
from elevate_api.users.models import User

CRON_SECRET = "cron-secret-of-the-console"
KAJABI_SECRET = "kajabi-secret-of-the-console"
HOUR = 3600


class Console:
    """The service as the machines and people beside the browser use it."""

    def __init__(self, url: str, factory: Factory) -> None:
        self.url = url
        self.factory = factory
        self._client = httpx.AsyncClient(base_url=url, timeout=30, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    @staticmethod
    def session(user_id: str) -> str:
        """A session token that lasts for a test."""
        return tokens.token(user_id, exp=int(time.time()) + HOUR)

    async def person(self, role: str = "PARTICIPANT", **fields: Any) -> User:
        return await self.factory.user(role, **fields)

    async def submission(self, user: User, activity: str, status: str = "PENDING", **fields: Any) -> Submission:
        return await self.factory.submission(user, activity, status, **fields)

    async def refresh(self) -> None:
        """The views, as the cron service does it; the board's stream says so to whoever listens."""
        headers = {"Authorization": f"Bearer {CRON_SECRET}"}
        answer = await self._client.post("/api/cron/refresh-analytics", headers=headers)
        assert answer.status_code == 200, answer.text

    async def deliver(self, contact: str, email: str) -> None:
        """Kajabi reports that somebody of its own has completed the first course."""
        headers = {"X-Webhook-Secret": KAJABI_SECRET}
        answer = await self._client.post("/api/webhooks/kajabi", content=hook(contact, email), headers=headers)
        assert answer.is_success, answer.text

    async def get(self, path: str, as_user: str | None = None, **query: Any) -> Any:
        headers = tokens.bearer(as_user) if as_user else {}
        answer = await self._client.get(path, params=query, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, as_user: str, body: Any = None) -> Any:
        answer = await self._client.post(path, json=body, headers=tokens.bearer(as_user))
        assert answer.is_success, answer.text
        return answer.json()

    async def release_others(self, reviewer_id: str, *kept: UUID) -> None:
        """Give back whatever the reviewer holds of other tests' submissions."""
        held = await self.get("/api/review/queue", reviewer_id, claimed="true", limit=100)
        for item in held["items"]:
            claim, submission_id = item["claim"], item["submission"]["id"]
            if claim["reviewerId"] == reviewer_id and UUID(submission_id) not in kept:
                headers = tokens.bearer(reviewer_id)
                answer = await self._client.delete(f"/api/review/claims/{submission_id}", headers=headers)
                assert answer.status_code == 204, answer.text

    async def edit(self, submission: Submission, payload: dict[str, Any]) -> None:
        headers = tokens.bearer(submission.user_id)
        address = f"/api/submissions/{submission.id}"
        answer = await self._client.patch(address, json={"payload": payload}, headers=headers)
        assert answer.status_code == 200, answer.text

    async def attach(self, submission: Submission, content: bytes, name: str) -> str:
        """Upload a PDF as its owner does; answers the attachment's id."""
        digest = hashlib.sha256(content).hexdigest()
        announced = {"filename": name, "contentType": "application/pdf", "size": len(content), "sha256": digest}
        address = f"/api/submissions/{submission.id}/attachments"
        upload = await self.post(address, submission.user_id, announced)
        put = await self._client.put(upload["uploadUrl"], content=content, headers=upload["headers"])
        assert put.is_success, put.text
        await self.post(f"{address}/{upload['id']}/complete", submission.user_id)
        return str(upload["id"])
