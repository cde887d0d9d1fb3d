"""Whoever is erased in the very moment of an own request leaves no answer of it behind, whatever else it locked.

An erasure removes the answers that are kept for a person. That of a request which is under way then must be removed as
well, or the request refused.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.races.operations import EXTRA, OPERATIONS, adjusts, call, submits
from tests.races.scene import GATE, PDF, Stage, Theatre, theatre
from tests.races.trials import holding, until_settled
from tests.support.cluster import Administrator

from elevate_api.kit.idempotency import HEADER

KEPT = {
    "correction": adjusts("boss", -30, "key"),
    "badge": call("boss", "POST", "/api/admin/badges", EXTRA, key="key"),
    "award": call("boss", "POST", "/api/admin/badges/STARTER/awards", {"userId": "user_ana"}, key="key"),
    "silence": call("boss", "POST", "/api/admin/alerts/silences", {
        "rule": None, "endsAt": "2999-01-01T00:00:00Z", "reason": "Maintenance."}, key="key"),
    "submission": submits("SHINE", key="key"),
    "file": call("ana", "POST", "/api/submissions/<explore>/attachments", {
        "filename": "b.pdf", "contentType": "application/pdf", "size": len(PDF), "sha256": "ab" * 32}, key="key"),
}  # fmt: skip
"""A request of every route that keeps its answer."""
OWNERS = {name: "user_ana" if name in {"submission", "file"} else "user_boss" for name in KEPT}
CORRECTION = {"activityCode": "LEARN", "deltaPoints": 5, "reason": "Counted again."}
EACH_OTHER = [
    call(who, "POST", "/api/admin/points/adjustments", {"userId": f"user_{whom}", **CORRECTION}, key="key")
    for who, whom in (("rina", "boss"), ("boss", "rina"))
]
ERASE = "SELECT erase_user('{}')"
LEFT = """
    SELECT (SELECT count(*) FROM idempotency_keys), (SELECT count(*) FROM audit_log WHERE request_id = 'meanwhile')"""


@pytest.fixture
async def stages(administrator: Administrator, tmp_path: Path) -> AsyncIterator[Theatre]:
    async with theatre(administrator, tmp_path) as theatre_:
        yield theatre_


async def keepers(stage: Stage) -> list[str]:
    return [row[0] for row in await stage.superuser.fetch("SELECT user_id FROM idempotency_keys ORDER BY user_id")]


@asynccontextmanager
async def answers_uncommitted(stage: Stage) -> AsyncIterator[None]:
    """While this lasts, an answer that is kept is not committed."""
    await stage.superuser.execute(
        "CREATE OR REPLACE TRIGGER wait_at_gate AFTER INSERT ON idempotency_keys"
        " FOR EACH ROW EXECUTE FUNCTION wait_at_gate()"
    )
    async with holding(stage.holder, f"SELECT pg_advisory_xact_lock({GATE})"):
        yield


async def test_every_route_that_keeps_an_answer_is_here(stages: Theatre) -> None:
    async with stages.stage() as stage:
        paths = stage.app.openapi()["paths"]
    keeping = {
        f"{method.upper()} {path}"
        for path, methods in paths.items()
        for method, route in methods.items()
        if any(parameter["name"] == HEADER for parameter in route.get("parameters", []))
    }
    named = [operation.does for operation in KEPT.values()]
    assert {does.replace("<explore>", "{submission_id}").replace("STARTER", "{code}") for does in named} == keeping


async def test_a_request_of_who_is_just_being_erased_is_refused(stages: Theatre) -> None:
    """It was let in before; everything that it did goes with it."""
    ends = {}
    for name, request in KEPT.items():
        async with stages.stage() as stage:
            erasing = stage.holder.transaction()
            await erasing.start()
            await stage.holder.execute(ERASE.format(OWNERS[name]))
            task = asyncio.create_task(request(stage, "meanwhile"))
            await until_settled(stage, [task])
            await erasing.commit()
            ends[name] = ((await task).code, *await stage.superuser.fetchrow(LEFT))
    # The file's submission is withdrawn by then, which is seen first.
    codes = {name: "SUBMISSION_NOT_PENDING" if name == "file" else "USER_ERASED" for name in KEPT}
    assert ends == {name: (code, 0, 0) for name, code in codes.items()}


async def test_an_erasure_that_is_given_up_lets_the_request_go_on(stages: Theatre) -> None:
    ends = {}
    for name, request in KEPT.items():
        async with stages.stage() as stage:
            async with holding(stage.holder, ERASE.format(OWNERS[name])):
                task = asyncio.create_task(request(stage, "meanwhile"))
                await until_settled(stage, [task])
            ends[name] = ((await task).status, await keepers(stage))
    assert ends == {name: (201, [OWNERS[name]]) for name in KEPT}


async def test_an_answer_that_is_just_being_kept_goes_with_its_owner(stages: Theatre) -> None:
    ends = {}
    for name, request in KEPT.items():
        erasure = OPERATIONS[f"clerk deletes {OWNERS[name].removeprefix('user_')}"]
        async with stages.stage() as stage:
            async with answers_uncommitted(stage):
                tasks = [asyncio.create_task(request(stage, "meanwhile"))]
                await until_settled(stage, tasks)
                tasks.append(asyncio.create_task(erasure(stage, "then")))
                await until_settled(stage, tasks)
            ends[name] = ([(await task).status for task in tasks], await keepers(stage))
    assert ends == {name: ([201, 200], []) for name in KEPT}


async def test_two_who_correct_each_other_do_not_wait_for_each_other(stages: Theatre) -> None:
    """Each holds the other's row by then, and keeps an answer of their own."""
    async with stages.stage() as stage:
        async with holding(stage.holder, f"SELECT pg_advisory_xact_lock({GATE})"):
            tasks = [asyncio.create_task(corrects(stage, "gated")) for corrects in EACH_OTHER]
            await until_settled(stage, tasks)
            assert not any(task.done() for task in tasks)
        assert [(await task).status for task in tasks] == [201, 201]
        assert await keepers(stage) == ["user_boss", "user_rina"]
