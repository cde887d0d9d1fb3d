"""Educators, reviewers, administrators, Kajabi, cron and erasure against the running service and a model in memory.

Every step is a real request (or job) on a committed database; after every step the answer and every row of people,
submissions, ledger, badges, events and audit log must be what `programme.py`, written from the rules, says. Days pass:
`jump` makes every row older. The service's own checks run in between and must be green.

A driver of our own instead of hypothesis for the long plays: rules over 7 and 30 days, caps and badges show only
hundreds of steps deep in one database, and an example of hypothesis ends at 8 KB of choices. `test_machine.py` plays
the same steps as a hypothesis state machine. The seed is printed; MODEL_SEED=... repeats it. A failing play is
shortened and printed as steps.
"""

import os
import time

import pytest
from tests.model.player import Heard, those_not_turned_away
from tests.model.programme import Step
from tests.model.runs import SEED, episode
from tests.support.cluster import Administrator

SECONDS = float(os.environ.get("MODEL_SECONDS", "300"))
"""How long the long play lasts: `MODEL_SECONDS=14400 scripts/test --all tests/model` plays for four hours."""
STEPS = 450


@pytest.mark.parametrize("number", range(2))
async def test_the_service_does_what_the_rules_say(administrator: Administrator, number: int) -> None:
    seed = f"{SEED}-{number}"
    counts = await episode(administrator, seed, STEPS)
    print(f"seed {seed}: {dict(counts)}")  # noqa: T201
    assert counts["done"] > STEPS / 3, "most steps must have an effect, or nothing is tried"


@pytest.mark.parametrize("number", range(2))
async def test_what_happens_at_once_is_what_some_order_of_it_does(administrator: Administrator, number: int) -> None:
    seed = f"{SEED}-together-{number}"
    counts = await episode(administrator, seed, 250, width=5)
    print(f"seed {seed}: {dict(counts)}")  # noqa: T201
    assert counts["together"] > 80


@pytest.mark.slow
async def test_the_same_for_as_long_as_asked(administrator: Administrator) -> None:
    end, number = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        seed = f"{SEED}-long-{number}"
        print(f"seed {seed}", flush=True)  # noqa: T201
        await episode(administrator, seed, 1500, width=1 if number % 2 else 5)
        number += 1


def test_a_key_in_use_is_an_answer_only_while_another_holds_it() -> None:
    steps = [Step("submit", f"s{number}", person, {"key": "k"}) for number, person in enumerate(("ani", "ani", "budi"))]
    refused, in_use = Heard(429, "SUBMISSION_RATE_LIMITED"), Heard(409, "IDEMPOTENCY_KEY_IN_USE")
    assert those_not_turned_away(steps, [refused, in_use, in_use]) == [0, 2]  # nobody else has budi's key
    assert those_not_turned_away(steps, [in_use, in_use, refused]) == [0, 1, 2]  # somebody must have had it
