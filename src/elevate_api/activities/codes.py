from enum import StrEnum


class ActivityCode(StrEnum):
    """The stages of LEAPS (shared/domain.md)."""

    LEARN = "LEARN"
    EXPLORE = "EXPLORE"
    AMPLIFY = "AMPLIFY"
    PRESENT = "PRESENT"
    SHINE = "SHINE"
