"""Evidence that each stage accepts."""

from typing import Any

_PAYLOADS: dict[str, dict[str, Any]] = {
    "LEARN": {"provider": "Elevate", "courseName": "AI for Teachers 1", "completedAt": "2024-05-01"},
    "EXPLORE": {"reflection": "We compared what the model wrote with our own drafts. " * 4, "classDate": "2024-05-02"},
    "AMPLIFY": {"peersTrained": 5, "studentsTrained": 20, "sessionDate": "2024-05-03"},
    "PRESENT": {"linkedinUrl": "https://www.linkedin.com/posts/leaps-1", "caption": "What my class found out"},
    "SHINE": {"ideaTitle": "A reading corner", "ideaSummary": "Children ask, the model answers, the class checks."},
}


def payload_for(activity: str, **changes: Any) -> dict[str, Any]:
    """A fresh payload of the stage; a key given as None is left out."""
    merged = {**_PAYLOADS[activity], **changes}
    return {key: value for key, value in merged.items() if value is not None}
