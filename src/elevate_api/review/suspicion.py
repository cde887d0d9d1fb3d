"""What a reviewer should look at twice. Pure; it informs and never blocks (shared/domain.md).

The score is the sum of the weights of the warnings, at most 100.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

SAME_SESSION = timedelta(minutes=45)
PEERS_WARNING, STUDENTS_WARNING = 40, 150
"""Early warning of the manual for 7 days of AMPLIFY claims; the limits themselves are higher."""


class WarningCode(StrEnum):
    DUPLICATE_SESSION = "DUPLICATE_SESSION"
    CERTIFICATE_ALREADY_USED = "CERTIFICATE_ALREADY_USED"
    AMPLIFY_QUOTA_NEAR = "AMPLIFY_QUOTA_NEAR"
    SAME_FILE = "SAME_FILE"
    SAME_LINK = "SAME_LINK"
    SAME_TEXT = "SAME_TEXT"


WEIGHTS: Mapping[WarningCode, int] = {
    WarningCode.DUPLICATE_SESSION: 60,
    WarningCode.CERTIFICATE_ALREADY_USED: 80,
    WarningCode.AMPLIFY_QUOTA_NEAR: 20,
    WarningCode.SAME_FILE: 70,
    WarningCode.SAME_LINK: 50,
    WarningCode.SAME_TEXT: 50,
}
"""Points of suspicion. A certificate or file that somebody else sent has hardly an innocent reason; two sessions in one
hour may be a typing error; one post or text may belong to two people who worked together; a full week is no offence.
"""


@dataclass(frozen=True, slots=True)
class Warned:
    code: WarningCode
    message: str
    submission_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    id: UUID
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands around a submission: the person's APPROVED AMPLIFY sessions, the same certificate approved for
    somebody else, and what the person's AMPLIFY claims of the 7 days up to it add up to. The last three name another
    submission with a file of the same bytes by somebody else, the same post, or the same reflection (case, punctuation
    and white space aside) by anybody.
    """

    approved_sessions: tuple[Evidence, ...] = ()
    certificate_of: UUID | None = None
    week_peers: int = 0
    week_students: int = 0
    same_file_in: UUID | None = None
    same_link_in: UUID | None = None
    same_text_in: UUID | None = None


def warnings_for(evidence: Evidence, around: Surroundings) -> list[Warned]:
    return [*_duplicate_sessions(evidence, around), *_certificate(around), *_quota(around), *_copies(around)]


def suspicion_score(warned: Iterable[Warned]) -> int:
    return min(100, sum(WEIGHTS[warning.code] for warning in warned))


def _duplicate_sessions(evidence: Evidence, around: Surroundings) -> Iterator[Warned]:
    """Same person, same city, APPROVED, within 45 minutes of sessionStartTime."""
    start, city = _start(evidence.payload), _city(evidence.payload)
    if start is None or city is None:
        return
    for other in around.approved_sessions:
        other_start = _start(other.payload)
        if other.id == evidence.id or other_start is None or _city(other.payload) != city:
            continue
        if abs(other_start - start) <= SAME_SESSION:
            message = "An approved session in the same city started within 45 minutes of this one."
            yield Warned(WarningCode.DUPLICATE_SESSION, message, other.id)


def _certificate(around: Surroundings) -> Iterator[Warned]:
    if around.certificate_of is not None:
        message = "This certificate has been approved for somebody else."
        yield Warned(WarningCode.CERTIFICATE_ALREADY_USED, message, around.certificate_of)


def _quota(around: Surroundings) -> Iterator[Warned]:
    if around.week_peers > PEERS_WARNING or around.week_students > STUDENTS_WARNING:
        message = f"7 days of AMPLIFY name {around.week_peers} peers and {around.week_students} students."
        yield Warned(WarningCode.AMPLIFY_QUOTA_NEAR, message)


def _copies(around: Surroundings) -> Iterator[Warned]:
    if around.same_file_in is not None:
        yield Warned(WarningCode.SAME_FILE, "Somebody else has sent a file with the same bytes.", around.same_file_in)
    if around.same_link_in is not None:
        yield Warned(WarningCode.SAME_LINK, "Another submission names the same post.", around.same_link_in)
    if around.same_text_in is not None:
        yield Warned(WarningCode.SAME_TEXT, "Another submission has the same reflection.", around.same_text_in)


def _start(payload: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(f"{payload['sessionDate']}T{payload['sessionStartTime']}")
    except (KeyError, ValueError):
        return None


def _city(payload: Mapping[str, Any]) -> str | None:
    location = payload.get("location")
    city = location.get("city") if isinstance(location, Mapping) else None
    return city.strip().casefold() if isinstance(city, str) and city.strip() else None
