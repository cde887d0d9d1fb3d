from typing import Any
from uuid import UUID

import pytest

from elevate_api.review.suspicion import Evidence, Surroundings, WarningCode, suspicion_score, warnings_for

THIS, OTHER = UUID(int=1), UUID(int=2)


def session(start: str | None = "09:00:00", city: str | None = "Bandung", day: str = "2024-05-01") -> dict[str, Any]:
    payload: dict[str, Any] = {"sessionDate": day, "location": {"city": city} if city else {}}
    return payload if start is None else {**payload, "sessionStartTime": start}


@pytest.mark.parametrize("start", ["09:00:00", "09:45:00", "08:15:00", "09:45"])
def test_a_session_in_the_same_city_within_45_minutes_is_suspicious(start: str) -> None:
    around = Surroundings(approved_sessions=(Evidence(OTHER, session(start, " bandung ")),))
    (warning,) = warnings_for(Evidence(THIS, session()), around)
    assert (warning.code, warning.submission_id) == (WarningCode.DUPLICATE_SESSION, OTHER)


@pytest.mark.parametrize(
    "other", [session("09:46:00"), session("08:14:00"), session(city="Jakarta"), session(None), session(city=None), {}]
)
def test_other_sessions_are_not(other: dict[str, Any]) -> None:
    around = Surroundings(approved_sessions=(Evidence(OTHER, other),))
    assert warnings_for(Evidence(THIS, session()), around) == []


def test_a_submission_is_no_duplicate_of_itself() -> None:
    assert warnings_for(Evidence(THIS, session()), Surroundings((Evidence(THIS, session()),))) == []


@pytest.mark.parametrize(("peers", "students", "warned"), [(40, 150, False), (41, 0, True), (0, 151, True)])
def test_the_quota_warning_comes_above_the_manuals_thresholds(peers: int, students: int, warned: bool) -> None:
    found = warnings_for(Evidence(THIS, {}), Surroundings(week_peers=peers, week_students=students))
    assert [warning.code for warning in found] == [WarningCode.AMPLIFY_QUOTA_NEAR] * warned


def test_the_score_is_the_sum_of_the_weights_and_at_most_100() -> None:
    around = Surroundings((Evidence(OTHER, session()),), certificate_of=OTHER, week_peers=41)
    found = warnings_for(Evidence(THIS, session()), around)
    assert len(found) == 3
    assert suspicion_score(found) == 100
    assert suspicion_score([]) == 0
