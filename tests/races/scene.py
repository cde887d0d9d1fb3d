"""One scene in which everything can happen to the same people and submissions.

Ana has one submission of each kind that matters, is bound to nothing yet, waits for two of Kajabi's events and has
asked to be erased, which is due. Two administrators of the highest role, so that "the last one" can be raced for.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from fastapi import FastAPI
from tests.kajabi.deliveries import AI_1, AI_2, flat
from tests.races.memory import Memory
from tests.support import tokens
from tests.support.cluster import OWNER, SEEDED, SERVICE, SUPERUSER, Administrator
from tests.support.payloads import payload_for
from tests.support.sql import Connection

from elevate_api.app import create_app
from elevate_api.config import (
    AppSettings,
    AttachmentSettings,
    ClerkSettings,
    DatabaseSettings,
    KajabiSettings,
    MachineSettings,
    RateLimitSettings,
    SchedulerSettings,
    Settings,
)
from elevate_api.features import Switches
from elevate_api.kit.db import Address, Database

KAJABI_TOKEN = "url-token-of-the-races"
CLERK_SECRET = "whsec_cmFjZXMtc2VjcmV0LW9mLWNsZXJrLXdlYmhvb2tz"
CRON_SECRET = "cron-secret-of-the-test-run"
GATE = 4_711
"""Advisory lock before which a gated request waits, at its end and inside its transaction."""
STAFF = {"boss": "SUPERADMIN", "chief": "SUPERADMIN", "rina": "ADMIN", "ruth": "REVIEWER", "agus": "REVIEWER"}
PDF = b"%PDF-1.4\n%%EOF\n"

# Whatever writes an audit row with this request id stops there until the gate opens: everything done, nothing
# committed, every lock held.
_GATE = f"""
CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared({GATE});
  RETURN NULL;
END $$;
CREATE TRIGGER wait_at_gate AFTER INSERT ON audit_log FOR EACH ROW WHEN (NEW.request_id = 'gated')
  EXECUTE FUNCTION wait_at_gate();
GRANT EXECUTE ON FUNCTION wait_at_gate() TO PUBLIC;
"""


@dataclass
class Stage:
    """The scene, the service on it, and somebody who sees and holds everything. `ids`: of what is there, by label."""

    app: FastAPI
    client: httpx.AsyncClient
    database: Database
    owner: Database
    superuser: Connection
    holder: Connection
    memory: Memory
    ids: dict[str, str] = field(default_factory=dict)

    def id(self, label: str) -> str:
        return self.ids[label]


class Theatre:
    """One database and the service on it; after each trial everything is as it was."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[Stage]:
        self._stage.app.state.switches = Switches(self._stage.database)
        try:
            yield self._stage
        finally:
            await self._stage.memory.put_back()


@asynccontextmanager
async def theatre(administrator: Administrator, directory: Path) -> AsyncIterator[Theatre]:
    """The scene, set in a database of its own."""
    name, cluster = administrator.clone(SEEDED), administrator.cluster
    database = Database(Address.parse(cluster.dsn(name, SERVICE)), pool_size=8)
    owner = Database(cluster.address(name, OWNER), pool_size=4)  # two jobs at once, each with two
    superuser, holder = [await asyncpg.connect(cluster.dsn(name, SUPERUSER)) for _ in range(2)]
    app = create_app(_settings(administrator, name, directory), database)
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            stage = Stage(app, client, database, owner, superuser, holder, Memory(superuser, directory))
            await _set(stage)
            await stage.memory.keep()
            yield Theatre(stage)
    finally:
        await holder.close()
        await superuser.close()
        await database.dispose()
        await owner.dispose()
        administrator.drop(name)


def _settings(administrator: Administrator, name: str, directory: Path) -> Settings:
    cluster = administrator.cluster
    clerk = {
        "CLERK_ISSUER": tokens.ISSUER, "CLERK_JWT_KEY": tokens.public_pem(), "CLERK_WEBHOOK_SECRET": CLERK_SECRET,
    }  # fmt: skip
    urls = {"DATABASE_URL": cluster.dsn(name, SERVICE), "DIRECT_URL": cluster.dsn(name, OWNER)}
    return Settings(
        app=AppSettings.model_validate({"ENVIRONMENT": "test", "PROGRAM_TIMEZONE": "Asia/Jakarta"}),
        database=DatabaseSettings.model_validate(urls),
        clerk=ClerkSettings.model_validate(clerk),
        kajabi=KajabiSettings.model_validate({"KAJABI_WEBHOOK_TOKENS": KAJABI_TOKEN}),
        machines=MachineSettings.model_validate({"CRON_SECRET": CRON_SECRET}),
        scheduler=SchedulerSettings.model_validate({"SCHEDULER_ENABLED": False}),
        rate_limits=RateLimitSettings.model_validate({"RATE_LIMIT_ENABLED": False}),
        attachments=AttachmentSettings.model_validate({"ATTACHMENT_DIR": str(directory)}),
    )


# --- setting the scene ----------------------------------------------------------------------------------------------


async def _set(stage: Stage) -> None:
    for name, role in STAFF.items():
        await stage.superuser.execute(
            "INSERT INTO users (id, handle, role) VALUES ($1, $2, $3)", f"user_{name}", f"the-{name}", role
        )
    for name in ("ana", "budi"):
        claims = {"email": f"{name}@s.test", "email_verified": True, "name": name.title()}
        answer = await stage.client.get("/api/me", headers=tokens.bearer(f"user_{name}", **claims))
        assert answer.status_code == httpx.codes.OK, answer.text
    await _evidence(stage)
    await _events(stage)
    # Due for erasure, as if it had been asked for a week ago.
    await stage.superuser.execute("UPDATE users SET erase_at = now() - interval '1 minute' WHERE id = 'user_ana'")
    await stage.superuser.execute("SELECT refresh_all_analytics()")
    await stage.superuser.execute(_GATE)


async def _evidence(stage: Stage) -> None:
    stages: dict[str, tuple[str, dict[str, Any]]] = {
        "explore": ("EXPLORE", {}),
        "explore2": ("EXPLORE", {"school": "SMA 2"}),
        "amplify": ("AMPLIFY", {"peersTrained": 20, "studentsTrained": 100}),
        "learn": ("LEARN", {"certificateHash": "certificate-a"}),
        "present": ("PRESENT", {}),
        "shine": ("SHINE", {}),
    }
    for label, (code, changes) in stages.items():
        stage.ids[label] = await submit(stage, "ana", code, **changes)
    stage.ids["other"] = await submit(stage, "budi", "LEARN", certificateHash="certificate-a")
    await _expect(stage, "ruth", "POST", f"/api/review/{stage.id('present')}/approve", {"version": 1})
    await _expect(stage, "agus", "POST", "/api/review/claims", {"count": 1, "activityCode": "SHINE"})
    file = {"filename": "proof.pdf", "contentType": "application/pdf", "size": len(PDF), "sha256": _digest(PDF)}
    announced = await _expect(stage, "ana", "POST", f"/api/submissions/{stage.id('explore')}/attachments", file)
    stage.ids["file"] = announced["id"]
    sent = await stage.client.request(
        announced["method"], announced["uploadUrl"], content=PDF, headers=announced["headers"]
    )
    assert sent.is_success, sent.text


async def _events(stage: Stage) -> None:
    """Two that wait for nobody known, one that is nobody's."""
    for label, body in {"waiting": flat("77", "ana-new@s.test", AI_1), "stranger": flat("88", None, AI_2)}.items():
        answer = await stage.client.post(f"/api/webhooks/kajabi/{KAJABI_TOKEN}", content=body)
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        stage.ids[label] = answer.json()["eventId"]


async def submit(stage: Stage, person: str, code: str, **changes: Any) -> str:
    body = {"activityCode": code, "payload": payload_for(code, **changes), "visibility": "PUBLIC"}
    return str((await _expect(stage, person, "POST", "/api/submissions", body))["id"])


async def _expect(stage: Stage, person: str, method: str, path: str, body: dict[str, Any]) -> Any:
    answer = await stage.client.request(method, path, json=body, headers=tokens.bearer(f"user_{person}"))
    assert answer.is_success, answer.text
    return answer.json()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
