"""Whatever arrives, however often, in whatever order, at once, with crashes in between: the end is that of some order.

Points do not depend on the order at all, as the cap is one number, so a plain recount of the input says them. What
depends on it is which of two deliveries is the first: there must be one, and only one.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.kajabi.deliveries import AI_1, AI_2, ALL, flat, hook

from elevate_api.config import KajabiSettings
from elevate_api.kajabi import hooks, inbox, queries
from elevate_api.kajabi.inbox import store
from elevate_api.kajabi.payload import Kind, NotJson, UnknownShape, read
from elevate_api.kajabi.rules import Status
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Address, Database
from elevate_api.users import arrival
from elevate_api.users.hooks import UserHooks
from elevate_api.users.identity import Identity

EXAMPLES = 400 if os.environ.get("ELEVATE_TEST_ALL") else 12
TAGS = KajabiSettings.model_validate({}).learn_tags
PEOPLE = ("a", "b", "c")
"""Person x has the address x@s.test and the contact 1x, which is also known under old-x@s.test."""


@dataclass(frozen=True)
class Deliver:
    """Taken in as the webhook does; `crash`: the process dies after storing."""

    body: bytes
    crash: bool


@dataclass(frozen=True)
class SignIn:
    person: str


Step = Deliver | SignIn


def completion(person: str, contact: str, tag: str, shape: str, address: str) -> bytes:
    email = f"{person}@s.test" if address == "own" else f"old-{person}@s.test"
    if shape == "hook":
        return hook(f"{contact}{person}", email, tag)
    return flat(None if shape == "no contact" else f"{contact}{person}", f"{person}@s.test", tag)


bodies = st.one_of(
    st.builds(
        completion,
        st.sampled_from(PEOPLE),
        st.sampled_from(["1"]),
        st.sampled_from([AI_1, AI_2, ALL]),
        st.sampled_from(["hook", "relay", "no contact"]),
        st.sampled_from(["own", "old"]),
    ),
    st.builds(hook, st.sampled_from(["1a", "9"]), st.just("a@s.test"), st.sampled_from(["newsletter"])),
    st.builds(hook, st.just("1b"), st.just("b@s.test"), st.just(AI_1), st.just("tag_removed")),
    st.sampled_from([b"{", b"{}", hook("99", "stranger@s.test", ALL)]),
)
steps = st.one_of(
    st.builds(Deliver, bodies, st.sampled_from([False, False, True])), st.builds(SignIn, st.sampled_from(PEOPLE))
)
rounds = st.lists(st.lists(steps, min_size=1, max_size=6), min_size=1, max_size=4)
"""What is in one round happens at the same moment."""


def recount(done: list[Step]) -> dict[str, int]:
    """Points of everybody who signed in, from nothing but the input."""
    arrived = {step.person for step in done if isinstance(step, SignIn)}
    deliveries = [understood(step.body) for step in done if isinstance(step, Deliver)]
    learning = [found for found in deliveries if found and found.kind is Kind.ADDED and found.tag in TAGS]
    # A contact is bound by a completion under the person's own address; then it also brings those under another.
    bound = {found.contact_id for found in learning if found.email in {f"{person}@s.test" for person in arrived}}
    points: dict[str, set[str]] = {person: set() for person in arrived}
    for found in learning:
        person = (found.email or "").removesuffix("@s.test").removeprefix("old-")
        if person in arrived and (found.email == f"{person}@s.test" or found.contact_id in bound):
            points[person].add(found.tag)
    return {f"user_{person}": min(20, sum(TAGS[tag] for tag in tags)) for person, tags in points.items()}


def understood(body: bytes) -> Any:
    try:
        return read(body, now=utcnow())
    except (NotJson, UnknownShape):
        return None


@pytest.fixture
def fresh(administrator: Any, cluster: Any) -> Any:
    """`await fresh(stack)`: a committed database of its own for each example."""

    async def make(stack: AsyncExitStack) -> Database:
        name = administrator.clone("template_seeded")
        stack.callback(administrator.drop, name)
        database = Database(Address.parse(cluster.dsn(name, "elevate_app")), pool_size=8)
        stack.push_async_callback(database.dispose)
        return database

    return make


def test_any_sequence_ends_as_some_order_of_it_would(fresh: Callable[..., Any]) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(rounds)
    def check(plan: list[list[Step]]) -> None:
        asyncio.run(_check(fresh, plan))

    check()


async def _check(fresh: Callable[..., Any], plan: list[list[Step]]) -> None:
    async with AsyncExitStack() as stack:
        database = await fresh(stack)
        user_hooks = UserHooks()
        hooks.install(user_hooks, TAGS)
        for together in plan:
            await asyncio.gather(*(take(database, user_hooks, step) for step in together))
        await recover(database)
        done = [step for together in plan for step in together]
        await hold(database, done)


async def take(database: Database, user_hooks: UserHooks, step: Step) -> None:
    if isinstance(step, SignIn):
        identity = Identity(f"user_{step.person}", f"{step.person}@s.test", True, name=step.person * 3)
        async with database.session() as session:
            await arrival.create(session, identity, user_hooks)
    elif step.crash:
        found = understood(step.body)
        state = Status.RECEIVED if found is not None else Status.FAILED
        await store(database, step.body, found, state=state)
    else:
        await inbox.receive(database, step.body, TAGS)


async def recover(database: Database) -> None:
    """What the job does, without waiting for its time: until nothing is due."""
    async with database.session() as session:
        due = await queries.oldest(session, Status.RECEIVED, None, 1000)
    await inbox._attempt_all(database, [event_id for _, event_id in due], TAGS)


async def hold(database: Database, done: list[Step]) -> None:
    connection = await asyncpg.connect(**database.address.driver_arguments())
    try:
        rows = await connection.fetch(
            "SELECT u.id, coalesce(sum(l.delta_points), 0) AS points FROM users u "
            "LEFT JOIN points_ledger l ON l.user_id = u.id GROUP BY u.id"
        )
        assert {row["id"]: row["points"] for row in rows} == recount(done)
        events = await connection.fetch("SELECT * FROM kajabi_events")
        badges = await connection.fetch("SELECT user_id FROM earned_badges")
        ledger = await connection.fetch("SELECT external_event_id, delta_points FROM points_ledger")
    finally:
        await connection.close()
    assert len(events) == sum(isinstance(step, Deliver) for step in done)
    assert {row["user_id"] for row in badges} == {row["id"] for row in rows if row["points"] == 20}
    statuses = [row["status"] for row in events]
    assert "RECEIVED" not in statuses
    processed = {
        f"kajabi:{e['contact_id']}|tag:{e['tag']}": e["points_awarded"] for e in events if e["status"] == "PROCESSED"
    }
    assert {row["external_event_id"]: row["delta_points"] for row in ledger} == {
        k: v for k, v in processed.items() if v
    }
    known = {row["id"]: row["status"] for row in events}
    assert all(known[row["duplicate_of"]] != "RECEIVED" for row in events if row["status"] == "DUPLICATE")
    firsts = [row["body_sha256"] for row in events if row["duplicate_of"] is None]
    assert len(firsts) == len(set(firsts)), "one first for the same bytes"
