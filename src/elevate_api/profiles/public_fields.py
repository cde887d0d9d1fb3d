"""Which parts of a public submission everybody may see. What is not listed stays with the owner and the reviewers.

Left out on purpose: certificates, notes to the reviewer, names of other people, and where and when exactly.
"""

from collections.abc import Mapping
from typing import Any

PUBLIC_FIELDS: Mapping[str, tuple[str, ...]] = {
    "LEARN": ("provider", "courseName", "completedAt"),
    "EXPLORE": ("reflection", "classDate", "school"),
    "AMPLIFY": (
        "peersTrained",
        "studentsTrained",
        "sessionDate",
        "sessionTitle",
        "durationMinutes",
        "location.city",
        "location.country",
    ),
    "PRESENT": ("linkedinUrl", "caption"),
    "SHINE": ("ideaTitle", "ideaSummary"),
}
"""By stage; a dot leads into an object."""


def public_payload(activity_code: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The listed fields that `payload` has, in their order and shape; nothing of a stage that is not listed."""
    shown: dict[str, Any] = {}
    for path in PUBLIC_FIELDS.get(activity_code, ()):
        outer, _, inner = path.partition(".")
        value = payload.get(outer)
        if inner:
            value = value.get(inner) if isinstance(value, Mapping) else None
        if value is None:
            continue
        if inner:
            shown.setdefault(outer, {})[inner] = value
        else:
            shown[outer] = value
    return shown
