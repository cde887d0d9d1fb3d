from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError
from tests.support.payloads import payload_for

from elevate_api.points.rules import ActivityCode
from elevate_api.submissions.payloads import PAYLOADS, future_dates, stored_form

JAKARTA = ZoneInfo("Asia/Jakarta")


@pytest.mark.parametrize("stage", list(ActivityCode))
def test_a_valid_payload_is_kept_as_it_came(stage: ActivityCode) -> None:
    payload = payload_for(stage)
    kept = stored_form(PAYLOADS[stage].model_validate(payload))
    assert kept == {key: value.strip() if isinstance(value, str) else value for key, value in payload.items()}


def test_every_optional_key_of_amplify_is_kept() -> None:
    payload = payload_for(
        "AMPLIFY",
        sessionStartTime="09:30:00",
        durationMinutes=90,
        location={"venue": "Hall", "city": "Bandung", "country": "ID"},
        sessionTitle="Prompts",
        coFacilitators=["Ibu Sari"],
        evidenceNote="See the photos.",
    )
    assert stored_form(PAYLOADS[ActivityCode.AMPLIFY].model_validate(payload)) == payload


@pytest.mark.parametrize(
    ("stage", "changes"),
    [
        ("LEARN", {"unknown": 1}),
        ("LEARN", {"provider": None}),
        ("LEARN", {"completedAt": "yesterday"}),
        ("LEARN", {"completedAt": 1714521600}),
        ("LEARN", {"completedAt": "2024-05-01T10:00:00"}),
        ("LEARN", {"certificateUrl": "http://provider.test/1"}),
        ("LEARN", {"certificateUrl": "javascript:alert(1)"}),
        ("EXPLORE", {"reflection": "short"}),
        ("EXPLORE", {"reflection": " " * 200}),
        ("EXPLORE", {"classDate": "2024-02-30"}),
        ("EXPLORE", {"classDate": 20240501}),
        ("AMPLIFY", {"peersTrained": 51}),
        ("AMPLIFY", {"peersTrained": -1}),
        ("AMPLIFY", {"peersTrained": "5"}),
        ("AMPLIFY", {"peersTrained": 5.5}),
        ("AMPLIFY", {"peersTrained": True}),
        ("AMPLIFY", {"peersTrained": 10**30}),
        ("AMPLIFY", {"studentsTrained": 201}),
        ("AMPLIFY", {"peersTrained": 0, "studentsTrained": 0}),
        ("AMPLIFY", {"sessionStartTime": "25:00"}),
        ("AMPLIFY", {"sessionStartTime": 5}),
        ("AMPLIFY", {"durationMinutes": 0}),
        ("AMPLIFY", {"location": {"planet": "Mars"}}),
        ("AMPLIFY", {"coFacilitators": ["x"] * 21}),
        ("PRESENT", {"linkedinUrl": "https://linkedin.com.evil.test/post"}),
        ("PRESENT", {"linkedinUrl": "https://evil-linkedin.com/post"}),
        ("PRESENT", {"linkedinUrl": "http://www.linkedin.com/post"}),
        ("PRESENT", {"linkedinUrl": "https://linkedin.com@evil.test/"}),
        ("PRESENT", {"caption": ""}),
        ("SHINE", {"ideaTitle": "x" * 201}),
        ("SHINE", {"ideaSummary": "with \x00 in it"}),
    ],
)
def test_what_is_no_evidence_is_refused(stage: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PAYLOADS[ActivityCode(stage)].model_validate(payload_for(stage, **changes))


@pytest.mark.parametrize("host", ["linkedin.com", "www.linkedin.com", "id.linkedin.com", "WWW.LinkedIn.com"])
def test_linkedin_and_its_subdomains_are_accepted(host: str) -> None:
    PAYLOADS[ActivityCode.PRESENT].model_validate(payload_for("PRESENT", linkedinUrl=f"https://{host}/posts/1"))


@pytest.mark.parametrize(
    ("now", "day", "late"),
    [
        ("2024-05-01T16:59:59+00:00", "2024-05-01", []),
        ("2024-05-01T16:59:59+00:00", "2024-05-02", ["classDate"]),
        ("2024-05-01T17:00:00+00:00", "2024-05-02", []),
    ],
)
def test_the_future_begins_at_midnight_of_the_programmes_zone(now: str, day: str, late: list[str]) -> None:
    payload = PAYLOADS[ActivityCode.EXPLORE].model_validate(payload_for("EXPLORE", classDate=day))
    assert list(future_dates(payload, datetime.fromisoformat(now), JAKARTA)) == late


def test_a_moment_of_completion_is_judged_to_the_second() -> None:
    payload = PAYLOADS[ActivityCode.LEARN].model_validate(payload_for("LEARN", completedAt="2024-05-01T10:00:00+07:00"))
    before, after = datetime(2024, 5, 1, 2, 59, 59, tzinfo=UTC), datetime(2024, 5, 1, 3, tzinfo=UTC)
    assert list(future_dates(payload, before, JAKARTA)) == ["completedAt"]
    assert list(future_dates(payload, after, JAKARTA)) == []
    assert stored_form(payload)["completedAt"] == "2024-05-01T03:00:00Z"
