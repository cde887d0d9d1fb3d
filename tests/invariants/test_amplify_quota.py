from datetime import timedelta

import pytest
from tests.invariants.conftest import Look
from tests.support.factories import Factory

from elevate_api.kit.clock import utcnow


@pytest.mark.parametrize(("apart_hours", "violations"), [(7 * 24 + 1, 0), (7 * 24 - 1, 1)])
async def test_any_seven_days_count_however_long_ago(
    look: Look, factory: Factory, apart_hours: int, violations: int
) -> None:
    user, then = await factory.user(), utcnow() - timedelta(days=100)
    for at in (then, then + timedelta(hours=apart_hours)):
        await factory.submission(user, "AMPLIFY", payload={"peersTrained": 30, "studentsTrained": 0}, created_at=at)
    assert (await look("amplify_quota")).count == violations


async def test_what_was_rejected_does_not_count(look: Look, factory: Factory) -> None:
    user = await factory.user()
    for status in ("REJECTED", "APPROVED"):
        await factory.submission(user, "AMPLIFY", status, payload={"peersTrained": 30, "studentsTrained": 0})
    assert (await look("amplify_quota")).count == 0
