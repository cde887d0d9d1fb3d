"""From the evaluation to somebody's hands: once, whatever fails on the way."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from tests.alerts.conftest import Watch
from tests.alerts.test_conditions import FIRED, as_owner
from tests.support.sink import HttpSink, SmtpSink

from elevate_api.alerts.channels import NotDelivered, Webhook, build
from elevate_api.alerts.courier import ATTEMPTS, FIRST_RETRY, LONGEST_RETRY, wait_after
from elevate_api.config import NoticeSettings, Settings
from elevate_api.kit.db import Database

BEHIND = "UPDATE alembic_version SET version_num = '0003'"
RULE = "invariant_violated"
DUE = "UPDATE alert_notices SET next_attempt_at = clock_timestamp()"


@pytest.fixture
def failing(another_watch: Callable[..., Watch]) -> Callable[[], Watch]:
    """Evaluators that all see one condition."""
    from elevate_api.alerts.observe import Outcome  # noqa: PLC0415
    from elevate_api.alerts.rules import Name  # noqa: PLC0415

    async def source(_line: Any, _now: Any) -> Outcome:
        return Outcome(True, "two totals differ", {"rows": 2})

    return lambda: another_watch(sources={Name.INVARIANT_VIOLATED: source})


async def test_many_processes_at_once_tell_once(failing: Callable[[], Watch], sink: HttpSink) -> None:
    watches = [failing() for _ in range(4)]
    for minutes in (0, 1, 2):
        await asyncio.gather(*(watch.look(minutes) for watch in watches))
    assert sink.of(RULE) == FIRED


async def test_a_round_is_left_out_while_another_is_fresh(failing: Callable[[], Watch]) -> None:
    one, other = failing(), failing()
    assert (await one.monitor.round(one.at(0))).evaluated
    assert not (await other.monitor.round(one.at(0.1))).evaluated
    assert (await other.monitor.round(one.at(0.25))).evaluated


async def test_a_receiver_that_fails_is_tried_again_until_it_has_the_notice_once(
    failing: Callable[[], Watch], sink: HttpSink, owner: Database
) -> None:
    watch, sink.status = failing(), 500
    await watch.look()
    async with owner.session() as session:
        row = (
            await session.execute(text("SELECT *, next_attempt_at - clock_timestamp() AS wait FROM alert_notices"))
        ).one()
    assert (row.attempts, row.error, row.delivered_at) == (1, "answered 500", None)
    assert timedelta(0) < row.wait <= FIRST_RETRY

    sink.status = 200
    await watch.monitor.courier.run()  # not due yet
    assert sink.of(RULE) == FIRED
    await as_owner(owner, DUE)
    for _ in range(2):
        await watch.monitor.courier.run()
    assert sink.of(RULE) == ["firing", "firing"]
    async with owner.session() as session:
        row = (await session.execute(text("SELECT * FROM alert_notices"))).one()
    assert row.attempts == 2
    assert row.delivered_at is not None


async def test_a_notice_that_nobody_takes_is_given_up(
    failing: Callable[[], Watch], sink: HttpSink, owner: Database
) -> None:
    watch, sink.status = failing(), 500
    await watch.look()
    await as_owner(owner, DUE + f", attempts = {ATTEMPTS - 1}")
    await watch.monitor.courier.run()
    await as_owner(owner, DUE)
    await watch.monitor.courier.run()
    assert sink.of(RULE) == ["firing", "firing"]


async def test_a_receiver_that_hangs_does_not_keep_an_evaluation_waiting(
    failing: Callable[[], Watch], monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, never = asyncio.Event(), asyncio.Event()

    async def hang(*_: Any) -> None:
        reached.set()
        await never.wait()

    monkeypatch.setattr(Webhook, "send", hang)
    watch = failing()
    await watch.monitor.round(watch.at(0), force=True)
    await reached.wait()
    async with asyncio.timeout(20):
        assert (await watch.monitor.round(watch.at(1), force=True)).evaluated


async def test_no_message_names_the_address_that_it_did_not_reach() -> None:
    channel = Webhook("http://127.0.0.1:9/services/T000/very-secret")
    with pytest.raises(NotDelivered) as failure:
        await channel.send({"rule": RULE})
    assert "secret" not in repr(failure.value)
    assert failure.value.__suppress_context__


async def test_slack_and_mail_say_the_same(sink: HttpSink) -> None:
    async with SmtpSink().running() as post:
        channels = build(
            NoticeSettings.model_validate(
                {
                    "ALERT_SLACK_WEBHOOK_URL": f"{sink.url}/slack",
                    "ALERT_EMAIL_TO": "oncall@mereka.test,second@mereka.test",
                    "ALERT_EMAIL_FROM": "alerts@mereka.test",
                    "SMTP_HOST": "127.0.0.1",
                    "SMTP_PORT": post.port,
                    "SMTP_SECURITY": "none",
                }
            )
        )
        message = {
            "kind": "firing", "severity": "critical", "title": "A view could not be refreshed", "rule": RULE,
            "environment": "test", "summary": "a < b", "openedAt": "2025-03-01T00:00:00Z",
        }  # fmt: skip
        for channel in channels.values():
            await channel.send(message)
    (path, body), (mail,) = sink.received[0], post.mails
    assert (path, set(body)) == ("/slack", {"text"})
    for words in ("[FIRING] critical: A view could not be refreshed (test)", RULE):
        assert words in body["text"]
        assert words in mail
    assert "a &lt; b" in body["text"]
    assert "To: oncall@mereka.test, second@mereka.test" in mail


def test_pauses_grow_to_an_end() -> None:
    waits = [wait_after(attempts) for attempts in range(1, ATTEMPTS + 1)]
    assert waits[0] == FIRST_RETRY
    assert waits[-2] == LONGEST_RETRY
    assert waits[-1] is None


async def test_a_message_has_what_a_receiver_needs(
    failing: Callable[[], Watch], sink: HttpSink, settings: Settings
) -> None:
    await failing().look()
    ((_, message),) = sink.received
    assert set(message) == {
        "version", "service", "environment", "rule", "severity", "title", "kind", "status", "summary", "evidence",
        "count", "openedAt", "resolvedAt", "sentAt", "dedupeKey",
    }  # fmt: skip
    assert message["dedupeKey"] == f"{RULE}:{message['openedAt']}"
    assert message["openedAt"].endswith("Z")
    assert (message["severity"], message["environment"]) == ("critical", settings.app.environment)
