"""One active LEARN submission per person; a certificate approved for one person only (shared/domain.md)."""

import pytest
from tests.support.sql import Connection, add_person, approve, change, refused, submit

HASH = "ab" * 32


async def test_a_second_active_learn_is_refused(anybody: Connection, person: str, reviewer: str) -> None:
    first = await submit(anybody, person, "LEARN")
    with refused("submissions_one_active_learn"):
        await submit(anybody, person, "LEARN")
    await approve(anybody, first, reviewer, 20)
    with refused("submissions_one_active_learn"):
        await submit(anybody, person, "LEARN")


@pytest.mark.parametrize("status", ["WITHDRAWN", "REJECTED"])
async def test_a_learn_that_came_to_nothing_leaves_room(
    status: str, service: Connection, person: str, reviewer: str
) -> None:
    first = await submit(service, person, "LEARN")
    decision = {"reviewer_id": reviewer, "review_note": "no"} if status == "REJECTED" else {}
    await change(service, first, status=status, **decision)
    assert await submit(service, person, "LEARN") != first


async def test_a_revoked_learn_leaves_room(service: Connection, person: str, reviewer: str) -> None:
    first = await submit(service, person, "LEARN")
    await approve(service, first, reviewer, 20)
    await service.execute(
        "UPDATE submissions SET status = 'REVOKED', revoked_by = $1, revoked_at = now(), revoke_reason = 'x'", reviewer
    )
    assert await submit(service, person, "LEARN") != first


async def test_other_stages_take_several(service: Connection, person: str) -> None:
    for activity in ("EXPLORE", "PRESENT", "SHINE"):
        assert await submit(service, person, activity) != await submit(service, person, activity)


async def test_a_certificate_is_approved_for_one_person(
    anybody: Connection, service: Connection, person: str, reviewer: str
) -> None:
    await add_person(service, "budi")
    mine = await submit(service, person, "LEARN", payload={"certificateHash": HASH})
    theirs = await submit(service, "budi", "LEARN", payload={"certificateHash": HASH.upper()})
    await approve(anybody, mine, reviewer, 20)
    with refused("submissions_certificate_hash_key"):
        await approve(anybody, theirs, reviewer, 20)


async def test_a_certificate_is_free_again_after_a_revocation(service: Connection, person: str, reviewer: str) -> None:
    await add_person(service, "budi")
    mine = await submit(service, person, "LEARN", payload={"certificateHash": HASH})
    theirs = await submit(service, "budi", "LEARN", payload={"certificateHash": HASH})
    await approve(service, mine, reviewer, 20)
    await service.execute(
        "UPDATE submissions SET status = 'REVOKED', revoked_by = $1, revoked_at = now(), revoke_reason = 'x'"
        " WHERE id = $2",
        reviewer,
        mine,
    )
    await approve(service, theirs, reviewer, 20)
    assert await service.fetchval("SELECT count(*) FROM submissions WHERE status = 'APPROVED'") == 1


async def test_certificates_without_a_hash_do_not_collide(service: Connection, person: str, reviewer: str) -> None:
    await add_person(service, "budi")
    for owner in (person, "budi"):
        await approve(service, await submit(service, owner, "LEARN"), reviewer, 20)
    assert await service.fetchval("SELECT count(*) FROM submissions WHERE status = 'APPROVED'") == 2
