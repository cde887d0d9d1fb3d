"""A whole run of the service in production mode leaves JSON without tokens, e-mail addresses and signatures."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support import tokens
from tests.support.factories import Factory
from tests.support.payloads import payload_for
from tests.support.service import Service, running_service

from elevate_api.users.models import User

EMAIL = "siti.rahma@school.test"
KAJABI_TOKEN, KAJABI_SECRET = "kajabi-token-in-the-url-0001", "kajabi-shared-secret-0001"
METRICS_TOKEN, CRON_SECRET = "metrics-token-of-this-run-01", "cron-secret-of-this-very-run"
HOOK = "http://127.0.0.1:9/services/T0001/slack-address-is-secret"


@pytest.fixture
def service(app_dsn: str, owner_dsn: str, tmp_path: Path) -> Iterator[Service]:
    settings = {
        "ENVIRONMENT": "production",
        "LOG_LEVEL": "DEBUG",
        "METRICS_TOKEN": METRICS_TOKEN,
        "CRON_SECRET": CRON_SECRET,
        "KAJABI_WEBHOOK_TOKENS": KAJABI_TOKEN,
        "KAJABI_WEBHOOK_SECRET": KAJABI_SECRET,
        "ALERT_SLACK_WEBHOOK_URL": HOOK,
        "SCHEDULER_ENABLED": "true",
        "ALERTS_INTERVAL_SECONDS": "1",
    }
    with running_service(Service(app_dsn, owner_dsn, tmp_path / "log", settings)) as service:
        yield service


def call(service: Service, method: str, path: str, **more: Any) -> httpx.Response:
    return httpx.request(method, service.url + path, **more)


def go_through(service: Service, reviewer: User) -> list[str]:
    """Sign in, submit, be refused, be approved, hear from Kajabi, be scraped; answers what must not be found."""
    teacher = tokens.bearer("user_teacher", email=EMAIL, name="Siti Rahma", email_verified=True)
    signed = tokens.bearer(reviewer.id)
    body = {"activityCode": "AMPLIFY", "payload": payload_for("AMPLIFY", peersTrained=40)}
    made = call(service, "POST", "/api/submissions", json=body, headers=teacher)
    assert made.status_code == 201, made.text
    assert call(service, "POST", "/api/submissions", json=body, headers=teacher).status_code == 409
    path = f"/api/review/{made.json()['id']}/approve"
    assert call(service, "POST", path, json={}, headers=signed).status_code == 200
    assert call(service, "GET", "/api/me", headers={"Authorization": f"{teacher['Authorization']}x"}).status_code == 401
    assert call(service, "PATCH", "/api/me", json={"handle": EMAIL}, headers=teacher).status_code == 422

    tag = {"event_id": "1", "event_type": "tag.added", "contact": {"id": "c1", "email": EMAIL},
           "tag": {"name": "learn_completed"}}  # fmt: skip
    raw = json.dumps(tag).encode()
    signature = hmac.new(KAJABI_SECRET.encode(), raw, hashlib.sha256).hexdigest()
    kinds = {"Content-Type": "application/json"}
    posts = [
        call(service, "POST", "/api/webhooks/kajabi", content=raw, headers={**kinds, "X-Kajabi-Signature": signature}),
        call(service, "POST", f"/api/webhooks/kajabi/{KAJABI_TOKEN}", content=raw + b" ", headers=kinds),
        call(service, "POST", f"/api/webhooks/kajabi/{KAJABI_TOKEN}x", content=raw, headers=kinds),
    ]
    assert [post.status_code for post in posts] == [200, 200, 401]
    for secret, where in ((METRICS_TOKEN, "/metrics"), (CRON_SECRET, "/api/cron/refresh-analytics")):
        assert call(service, "GET", where, headers={"Authorization": f"Bearer {secret}"}).status_code in {200, 202}
    given = [header["Authorization"].removeprefix("Bearer ") for header in (teacher, signed)]
    return [*given, *(token.rpartition(".")[2] for token in given), signature]


async def test_the_log_of_a_whole_run_has_nothing_that_opens_or_names(
    service: Service, factory: Factory, tmp_path: Path
) -> None:
    reviewer = await factory.user("REVIEWER", email="reviewer.person@school.test")
    secrets = go_through(service, reviewer)
    assert service.stop() == 0

    log = (tmp_path / "log").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    secrets += [EMAIL, "siti.rahma", "Siti Rahma", "reviewer.person@school.test", KAJABI_TOKEN, KAJABI_SECRET]
    secrets += [METRICS_TOKEN, CRON_SECRET, "slack-address-is-secret"]
    assert [secret for secret in secrets if secret in log] == []

    assert [line for line in lines if line["level"] in {"error", "critical"}] == []

    requests = [line for line in lines if line["event"] == "request"]
    approval = next(line for line in requests if line["route"] == "/api/review/{submission_id}/approve")
    assert {"request_id", "user_id", "status", "duration_ms", "method", "timestamp", "level"} <= set(approval)
    assert (approval["user_id"], approval["status"]) == (reviewer.id, 200)
    assert any(line["path"] == "/api/webhooks/kajabi/***" for line in requests)
