"""Evidence per stage, as one union discriminated by the stage (shared/domain.md, "Stages and points")."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import Annotated, Any, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, model_validator
from pydantic.alias_generators import to_camel

from elevate_api.kit.schemas import Body, HttpsUrl, Instant, Line, Text, Whole
from elevate_api.points.rules import ActivityCode

Paragraph = Annotated[Text, Field(min_length=1, max_length=5000)]
Count = Whole


def _only_a_date(value: Any) -> Any:
    """Refuse what pydantic would take for a date besides `YYYY-MM-DD`: numbers and times."""
    if isinstance(value, str) and len(value) != len("YYYY-MM-DD"):
        raise ValueError("must be a date, as in 2025-01-31")
    if isinstance(value, str | date) and not isinstance(value, datetime):
        return value
    raise ValueError("must be a date, as in 2025-01-31")


def _wall_clock(value: Any) -> Any:
    if isinstance(value, str) and len(value) in (len("HH:MM"), len("HH:MM:SS")):
        return value
    raise ValueError("must be a time of day, as in 09:30")


def _on_linkedin(value: str) -> str:
    host = (urlsplit(value).hostname or "").lower()
    if host != "linkedin.com" and not host.endswith(".linkedin.com"):
        raise ValueError("must be an address on linkedin.com")
    return value


Day = Annotated[date, BeforeValidator(_only_a_date)]
WallClock = Annotated[time, BeforeValidator(_wall_clock)]
LinkedinUrl = Annotated[HttpsUrl, AfterValidator(_on_linkedin)]


def _date_or_instant(value: Any) -> Any:
    return (
        _INSTANT.validate_python(value)
        if isinstance(value, str) and "T" in value.upper()
        else _DAY.validate_python(value)
    )


_DAY: TypeAdapter[date] = TypeAdapter(Day)
_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
DayOrInstant = Annotated[datetime | date, BeforeValidator(_date_or_instant)]


class LearnPayload(Body):
    """A finished course. A `certificateHash` can be approved for one person only."""

    provider: Line
    course_name: Line
    completed_at: DayOrInstant = Field(description="Day or moment of completion; not in the future.")
    certificate_url: HttpsUrl | None = None
    certificate_hash: Annotated[Text, Field(min_length=8, max_length=200)] | None = None


class ExplorePayload(Body):
    """A lesson with AI, reflected on."""

    reflection: Annotated[Text, Field(min_length=150, max_length=10_000)]
    class_date: Day = Field(description="Day of the lesson; not in the future.")
    school: Line | None = None


class Location(Body):
    venue: Line | None = None
    city: Line | None = None
    country: Line | None = None


class AmplifyPayload(Body):
    """A session in which others were trained; worth 2 points a peer and 1 a student."""

    peers_trained: Count = Field(ge=0, le=50)
    students_trained: Count = Field(ge=0, le=200)
    session_date: Day = Field(description="Day of the session; not in the future.")
    session_start_time: WallClock | None = None
    duration_minutes: Annotated[Count, Field(ge=1, le=1440)] | None = None
    location: Location | None = None
    session_title: Line | None = None
    co_facilitators: Annotated[list[Line], Field(max_length=20)] | None = None
    evidence_note: Paragraph | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.peers_trained + self.students_trained == 0:
            raise ValueError("peersTrained and studentsTrained cannot both be 0")
        return self


class PresentPayload(Body):
    """A post about one's work."""

    linkedin_url: LinkedinUrl
    caption: Paragraph


class ShinePayload(Body):
    """An idea worth showing; recognition only."""

    idea_title: Line
    idea_summary: Paragraph


Payload = LearnPayload | ExplorePayload | AmplifyPayload | PresentPayload | ShinePayload

PAYLOADS: Mapping[ActivityCode, type[Payload]] = {
    ActivityCode.LEARN: LearnPayload,
    ActivityCode.EXPLORE: ExplorePayload,
    ActivityCode.AMPLIFY: AmplifyPayload,
    ActivityCode.PRESENT: PresentPayload,
    ActivityCode.SHINE: ShinePayload,
}


def stored_form(payload: Payload) -> dict[str, Any]:
    """The JSON object that is kept: camelCase keys, what was left out stays out."""
    return payload.model_dump(mode="json", by_alias=True, exclude_none=True)


def future_dates(payload: Payload, now: datetime, zone: ZoneInfo) -> Iterator[str]:
    """Wire names of the dates that lie in the future in the programme's zone."""
    today = now.astimezone(zone).date()
    for name in type(payload).model_fields:
        value = getattr(payload, name)
        if isinstance(value, datetime):
            late = value > now
        elif isinstance(value, date):
            late = value > today
        else:
            continue
        if late:
            yield to_camel(name)
