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
