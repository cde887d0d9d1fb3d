from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from elevate_api.alerts import drop

JAKARTA = ZoneInfo("Asia/Jakarta")


def test_a_finished_day_is_yesterday_in_the_programmes_zone() -> None:
    just_after_midnight = datetime(2025, 3, 4, 17, 1, tzinfo=UTC)  # 00:01 on the fifth in Jakarta
    days = drop.finished_days(just_after_midnight, JAKARTA)
    assert days[0] == date(2025, 3, 4)
    assert {day.weekday() for day in days} == {1}
    assert len(days) == 5
    assert drop.bounds(days[0], JAKARTA)[0] == datetime(2025, 3, 3, 17, tzinfo=UTC)


def test_a_day_of_the_change_of_clocks_has_its_own_length() -> None:
    start, end = drop.bounds(date(2025, 3, 30), ZoneInfo("Europe/Berlin"))
    assert end.astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=23)


@pytest.mark.parametrize(
    ("submissions", "before", "dropped"),
    [
        (9, [20, 20, 20, 20], True),
        (10, [20, 20, 20, 20], False),  # half is not more than half
        (0, [19, 19, 19, 19], False),  # too few to tell
        (0, [40, 40, 0, 0], True),
        (0, [20, 19, 0, 0], False),
        (25, [20, 30, 40, 200], False),
    ],
)
def test_a_drop_is_more_than_half_below_the_median(submissions: int, before: list[int], dropped: bool) -> None:
    assert drop.judge(date(2025, 3, 4), submissions, before, share=0.5, least=20).dropped is dropped
