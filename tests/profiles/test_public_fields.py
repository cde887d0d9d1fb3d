import pytest
from tests.support.payloads import payload_for

from elevate_api.points.rules import ActivityCode
from elevate_api.profiles.public_fields import PUBLIC_FIELDS, public_payload
from elevate_api.submissions.payloads import PAYLOADS

PRIVATE = {
    "certificateUrl", "certificateHash", "evidenceNote", "coFacilitators", "sessionStartTime", "location.venue",
}  # fmt: skip


def wire_paths(activity: ActivityCode) -> set[str]:
    """Every field that a payload of the stage can have, a dot leading into `location`."""
    properties = PAYLOADS[activity].model_json_schema(by_alias=True)["properties"]
    inner = {f"location.{name}" for name in ("venue", "city", "country")} if "location" in properties else set()
    return (set(properties) - {"location"}) | inner


@pytest.mark.parametrize("activity", list(ActivityCode))
def test_every_field_of_every_stage_is_either_public_or_private_on_purpose(activity: ActivityCode) -> None:
    public = set(PUBLIC_FIELDS[activity])

    assert public | (PRIVATE & wire_paths(activity)) == wire_paths(activity)
    assert not public & PRIVATE


def test_only_listed_fields_are_shown_in_their_own_shape() -> None:
    payload = payload_for(
        "AMPLIFY",
        sessionStartTime="09:30",
        evidenceNote="call Pak Budi, 0812",
        coFacilitators=["Budi"],
        location={"venue": "Room 4", "city": "Jakarta", "country": "ID"},
    )

    assert public_payload("AMPLIFY", payload) == {
        "peersTrained": 5,
        "studentsTrained": 20,
        "sessionDate": "2024-05-03",
        "location": {"city": "Jakarta", "country": "ID"},
    }


@pytest.mark.parametrize(
    "payload", [{}, {"location": None}, {"location": "Jakarta"}, {"location": {"venue": "Room 4"}}]
)
def test_what_is_missing_or_of_another_shape_is_left_out(payload: dict[str, object]) -> None:
    assert public_payload("AMPLIFY", payload) == {}


def test_nothing_of_an_unknown_stage_is_shown() -> None:
    assert public_payload("SECRET", {"anything": 1}) == {}
