import pytest
from tests.invariants.conftest import Look, Superuser
from tests.support.factories import Factory


async def test_a_badge_that_was_earned_and_is_not_there(look: Look, factory: Factory, superuser: Superuser) -> None:
    submission = await factory.submission(None, "EXPLORE", "APPROVED", points_awarded=0)
    found = await look("badges_follow_awards")
    assert found.samples == [{"kind": "missing", "subject": "IN_CLASS_INNOVATOR", "user_id": submission.user_id}]
    await superuser("UPDATE badges SET created_at = now() + interval '1 hour'")  # it came later: not expected backwards
    assert (await look("badges_follow_awards")).count == 0


async def test_a_badge_out_of_nowhere(look: Look, factory: Factory, superuser: Superuser) -> None:
    user, other = await factory.user(), await factory.user()
    await superuser(
        f"INSERT INTO earned_badges (user_id, badge_code) VALUES ('{user.id}', 'AMPLIFIER')",
        f"INSERT INTO earned_badges (user_id, badge_code, awarded_by) VALUES ('{other.id}', 'AMPLIFIER', '{user.id}')",
    )
    found = await look("badges_follow_awards")
    assert found.samples == [{"kind": "unexplained", "subject": "AMPLIFIER", "user_id": user.id}]


async def test_a_badge_that_was_brought_back_or_changed_is_not_expected_backwards(
    look: Look, factory: Factory, superuser: Superuser
) -> None:
    await factory.submission(None, "EXPLORE", "APPROVED", points_awarded=0)
    for field in ("active", "criteria"):
        await superuser(
            "INSERT INTO audit_log (action, target_type, target_id, details) VALUES"
            f" ('badge.update', 'badge', 'IN_CLASS_INNOVATOR', '{{\"fields\": [\"{field}\"]}}')"
        )
        assert (await look("badges_follow_awards")).count == 0
        await superuser('UPDATE audit_log SET details = \'{"fields": ["name"]}\'')
        assert (await look("badges_follow_awards")).count == 1


async def test_a_revocation_earns_no_badge(look: Look, factory: Factory, superuser: Superuser) -> None:
    """What is taken back is recorded after the badge came to be; what was awarded, before."""
    user = await factory.user()
    await factory.submission(user, "PRESENT", "APPROVED", points_awarded=20)
    await factory.entry(user, 20, "PRESENT")
    await superuser("UPDATE badges SET created_at = clock_timestamp()")
    await factory.entry(user, -50, "EXPLORE", external_event_id="submission:1:revoked:v1")
    assert (await look("badges_follow_awards")).count == 0


@pytest.mark.parametrize("action", ["badge.create", "badge.update"])
async def test_an_award_of_the_moments_of_a_change_may_not_have_seen_it(
    look: Look, factory: Factory, superuser: Superuser, action: str
) -> None:
    """The change is recorded before it can be seen; whoever is awarded something in between gets no such badge."""
    await superuser(
        f"INSERT INTO audit_log (action, target_type, target_id, details) VALUES"
        f" ('{action}', 'badge', 'IN_CLASS_INNOVATOR', '{{\"fields\": [\"criteria\"]}}')"
    )
    submission = await factory.submission(None, "EXPLORE", "APPROVED", points_awarded=0)
    assert (await look("badges_follow_awards")).count == 0
    await superuser("UPDATE audit_log SET created_at = now() - interval '1 hour'")
    found = await look("badges_follow_awards")
    assert [one["user_id"] for one in found.samples] == [submission.user_id]
