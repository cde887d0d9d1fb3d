import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kajabi.deliveries import AI_1, flat, hook

from elevate_api.kajabi.payload import Delivery, Kind, NotJson, UnknownShape, read

NOW = datetime(2025, 6, 1, tzinfo=UTC)


def understood(body: bytes) -> Delivery:
    return read(body, now=NOW)


def test_both_shapes_say_the_same() -> None:
    ours = understood(hook("77", "Siti@School.Example "))
    relayed = understood(flat("77", " siti@school.example"))
    assert ours == Delivery("tag_added", Kind.ADDED, "77", "siti@school.example", AI_1)
    assert relayed == Delivery("contact.tagged", Kind.ADDED, "77", "siti@school.example", AI_1)


def test_tags_are_compared_without_case_and_space() -> None:
    assert understood(hook("77", tag="  Elevate-AI-1-Completed ")).tag == AI_1


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("tag_added", Kind.ADDED),
        ("tag_removed", Kind.REMOVED),
        ("purchase", Kind.OTHER),
        ("payment_succeeded", Kind.OTHER),
        ("order_created", Kind.OTHER),
        ("form_submission", Kind.OTHER),
        ("something_new", Kind.OTHER),
    ],
)
def test_every_hook_event_is_understood(event: str, kind: Kind) -> None:
    found = understood(hook("77", "siti@school.example", event=event))
    assert (found.event_type, found.kind, found.email) == (event, kind, "siti@school.example")


@pytest.mark.parametrize(("event", "kind"), [("tag.added", Kind.ADDED), ("tag.removed", Kind.REMOVED)])
def test_relays_have_names_of_their_own(event: str, kind: Kind) -> None:
    assert understood(flat("77", None, event_type=event)).kind is kind


@pytest.mark.parametrize(
    "document",
    [
        {"id": 1, "event": "purchase.created", "member": {"email": "A@b.example"}, "offer": {"id": 3}},
        {"id": 1, "type": "purchase.created", "member_email": "a@b.example", "offer_id": 3},
        {"member_id": 1, "member_email": "a@b.example", "offer_title": "Course"},
    ],
)
def test_older_webhooks_are_known_and_mean_nothing(document: dict[str, Any]) -> None:
    found = understood(json.dumps(document).encode())
    assert (found.kind, found.tag, found.email) == (Kind.OTHER, None, "a@b.example")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe\x00", b"null", b"[]", b'"text"', b"1", b"[" * 100_000, b'{"event": ' + b"9" * 5000 + b"}"],
    ids=lambda body: repr(body[:8]),
)
def test_what_is_no_json_object_is_told_apart(body: bytes) -> None:
    with pytest.raises(NotJson):
        understood(body)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"hello": "world"}',
        b'{"event": "tag_added"}',
        b'{"event": "tag_added", "payload": []}',
        b'{"event": 5, "payload": []}',
        b'{"event_type": null}',
        b'{"event_type": "tag.added", "contact": "77", "tag": "x"}',
        flat(None, None),
        flat("77", None, None),
        flat("77", None, "  "),
        flat("77", None, "x" * 201),
        flat("77", None, "a\u0000b"),
        flat("7|tag:7", "a@b.example"),
        flat("siti@school.example", None),
        flat("user:1", None),
        flat(True, "a@b.example"),  # type: ignore[arg-type]
    ],
    ids=lambda body: repr(body[:60]),
)
def test_what_cannot_be_used_is_refused(body: bytes) -> None:
    with pytest.raises(UnknownShape):
        understood(body)


@pytest.mark.parametrize(
    ("given_time", "expected"),
    [
        ("2025-05-01T08:00:00+07:00", datetime(2025, 5, 1, 1, tzinfo=UTC)),
        ("2020-01-01T00:00:00Z", datetime(2020, 1, 1, tzinfo=UTC)),
        ("2099-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("2025-05-01", None),
        (1_700_000_000, None),
        (None, None),
    ],
)
def test_a_time_counts_where_it_can_be_one(given_time: Any, expected: datetime | None) -> None:
    assert understood(flat("77", None, created_at=given_time)).event_time == expected


def test_numbers_may_be_ids_and_fields_that_nobody_needs_are_not_judged() -> None:
    document = json.loads(hook("77", "siti@school.example", name="a\u0000b\ud800"))
    document["payload"][0]["id"] = 77
    document["payload"].append("stray")
    assert understood(json.dumps(document).encode()).contact_id == "77"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["event", "event_type", "payload", "contact", "tag", "id", "type", "member", "created_at"])
resources = st.fixed_dictionaries(
    {"type": st.sampled_from(["contacts", "contact_tags", "x"])},
    optional={
        "id": json_values,
        "attributes": json_values | st.dictionaries(st.sampled_from(["name", "email"]), json_values),
    },
)


@given(
    st.binary(max_size=40)
    | st.dictionaries(KEYS, json_values | st.lists(resources)).map(lambda d: json.dumps(d).encode())
)
def test_whatever_arrives_is_read_or_refused(body: bytes) -> None:
    try:
        found = understood(body)
    except (NotJson, UnknownShape):
        return
    for value in (found.event_type, found.contact_id, found.email, found.tag):
        assert value is None or ("\0" not in value and value.encode() and len(value) <= 200)
