"""Names, texts, times and addresses on the wire."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from elevate_api.kit.schemas import Body, HttpsUrl, Instant, Line, Schema, Text


class Person(Schema):
    first_name: Annotated[Text, Field(max_length=5)]
    created_at: Instant | None = None


def test_names_are_camel_case_on_the_wire_and_snake_case_in_python() -> None:
    person = Person(first_name="  Ada ")
    assert person.model_dump_json() == '{"firstName":"Ada","createdAt":null}'
    assert Person.model_validate({"firstName": "Ada"}) == person


def test_a_request_cannot_call_a_field_by_its_name_in_python() -> None:
    class NewPerson(Body):
        first_name: Text

    assert NewPerson.model_validate({"firstName": "Ada"}).first_name == "Ada"
    for body in ({"first_name": "Ada"}, {"first_name": "Ada", "firstName": "Ada"}):
        with pytest.raises(ValidationError, match="Extra inputs"):
            NewPerson.model_validate(body)


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Person.model_validate({"firstName": "Ada", "isAdmin": True})


def test_schemas_are_made_from_rows() -> None:
    class Row:
        first_name = "Ada"
        created_at = datetime(2025, 1, 31, 15, 0, tzinfo=timezone(timedelta(hours=7)))

    assert Person.model_validate(Row()).model_dump_json() == '{"firstName":"Ada","createdAt":"2025-01-31T08:00:00Z"}'


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "abcdef", 5, None, ["a"]])
def test_texts_are_short_and_storable(value: Any) -> None:
    with pytest.raises(ValidationError):
        Person.model_validate({"firstName": value})


@pytest.mark.parametrize("value", ["", "   ", "\t\n\u00a0", "x" * 201, "\u200b", "\u200e \u2060"])
def test_a_line_has_something_on_it(value: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Line).validate_python(value)


@pytest.mark.parametrize("value", ["a\nb", "a\tb", "a\x1bb", "a\x85b", "a\u2028b", "\u202eada", "ada\u2067"])
def test_a_line_is_one_line_in_one_direction(value: str) -> None:
    with pytest.raises(ValidationError, match="pattern"):
        TypeAdapter(Line).validate_python(value)


@pytest.mark.parametrize(
    "value", ["Siti Nurhaliza, S.Pd.", "محمد", "می\u200cخواهم", "👩\u200d🏫", "a\u00a0b", "x" * 200]
)
def test_a_line_takes_every_script(value: str) -> None:
    assert TypeAdapter(Line).validate_python(f" {value}\n") == value


@pytest.mark.parametrize("value", ["2025-01-31T08:00:00Z", "2025-01-31T15:00:00+07:00", "2025-01-31t08:00:00.000z"])
def test_times_come_out_in_utc(value: str) -> None:
    assert TypeAdapter(Instant).validate_python(value) == datetime(2025, 1, 31, 8, tzinfo=UTC)
    assert TypeAdapter(Instant).dump_json(TypeAdapter(Instant).validate_python(value)) == b'"2025-01-31T08:00:00Z"'


@pytest.mark.parametrize(
    "value",
    [
        "2025-01-31T08:00:00",
        "2025-01-31",
        "1738310400",
        1738310400,
        True,
        "0001-01-01T00:00:00+14:00",
        "tomorrow",
        "9999-12-31T23:59:59-01:00",
    ],
)
def test_times_without_an_offset_or_outside_the_calendar_are_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Instant).validate_python(value)


@pytest.mark.parametrize(
    "value",
    [
        "https://example.org",
        "https://example.org:8443/a?b=c#d",
        "https://xn--mnchen-3ya.de/%20",
        "https://[2001:db8::1]/",
    ],
)
def test_links_are_kept_as_they_were_written(value: str) -> None:
    assert TypeAdapter(HttpsUrl).validate_python(f" {value} ") == value


@pytest.mark.parametrize(
    "value",
    [
        "javascript:alert(1)",
        "http://example.org",
        "HTTPS://example.org",
        "//example.org",
        "https:example.org",
        "https://",
        "https:///path",
        "https://user:pass@example.org/",
        "https://example.org@evil.example/",
        "https://example.org\\@evil.example/",
        "https://exa mple.org",
        "https://example.org/a\nb",
        'https://example.org/"onclick=',
        "https://example.org/<script>",
        "https://example.org:99999/",
        "https://example.org:port/",
        "https://[::1",
        "https://\u202egro.elpmaxe/",
        "https://example.org/\0",
        "https://example.org/" + "a" * 2048,
        "",
        7,
    ],
)
def test_what_is_no_safe_link_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(HttpsUrl).validate_python(value)
