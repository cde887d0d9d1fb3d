from datetime import date, timedelta

import pytest
from tests.invariants.conftest import Look
from tests.support.factories import Factory

from elevate_api.kit.clock import utcnow
from elevate_api.ops.anomalies import Day, unusual


def days(*points: int) -> list[Day]:
    return [Day(date(2026, 5, 1) + timedelta(days=n), one, 1) for n, one in enumerate(points)]


@pytest.mark.parametrize(
    ("points", "stands_out"),
    [
        ((100,) * 7 + (300,), False),
        ((100,) * 7 + (301,), True),
        ((100,) * 7 + (-400,), True),  # a day on which far too much was taken back
        ((10,) * 7 + (299,), False),  # small figures
        ((0, 0, 0, 0, 0, 400, 400, 1_000_000), False),  # a programme that has just begun
        ((100,) * 6 + (900,), False),  # less than a week to compare with
    ],
)
def test_a_day_stands_out_against_the_week_before_it(points: tuple[int, ...], stands_out: bool) -> None:
    assert bool(unusual(days(*points))) is stands_out


async def test_a_flood_of_points_is_named(look: Look, factory: Factory) -> None:
    user = await factory.user()
    for ago in range(1, 9):
        await factory.entry(user, 100, "AMPLIFY", created_at=utcnow() - timedelta(days=ago))
    assert (await look("points_are_usual")).count == 0
    await factory.entry(user, 900, "AMPLIFY")
    assert [one["points"] for one in (await look("points_are_usual")).samples] == [900]
