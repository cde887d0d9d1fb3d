"""Handles: 3 to 30 of a-z, 0-9, '-' and '_', made from a name (shared/domain.md). Pure."""

import re
import unicodedata
from collections.abc import Callable
from secrets import token_hex

MIN_LENGTH, MAX_LENGTH = 3, 30
PATTERN = r"^[a-z0-9_-]{3,30}$"
FALLBACK = "educator"
"""The handle of those whose name has no letter we can write; always with a suffix."""

_RESERVED_WORDS = """
    about account accounts admin administrator administrators admins analytics anonymous api assets auth badge badges
    billing blog cohort cohorts contact cron dashboard delete deleted dev docs download educator elevate erased export
    exports faq feed health help home info kajabi leaderboard leaderboards leaps login logout mail me mereka metrics
    microsoft mod moderator news new null official openapi ops owner points privacy profile profiles public ready
    register review reviewer reviews root school schools search security self settings signin signout signup staff
    static stats status submission submissions superadmin support system team terms test undefined upload user users
    webhook webhooks www
"""
RESERVED = frozenset(_RESERVED_WORDS.split())
"""Words that are paths of ours, or that would pass for somebody who speaks for the programme."""

_LETTERS = str.maketrans({"ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h"})
_NUMBERED = range(2, 10)
_RANDOM = 3


def base_of(*names: str | None) -> str:
    """The first of `names` that gives a handle, or FALLBACK. The result has no suffix yet and may be reserved."""
    for name in names:
        folded = fold(name or "")
        if len(folded) >= MIN_LENGTH:
            return folded
    return FALLBACK


def fold(name: str) -> str:
    """`Siti Nurhaliza, S.Pd.` -> `siti-nurhaliza-spd`; marks are dropped, other scripts too."""
    plain = unicodedata.normalize("NFKD", name.casefold().translate(_LETTERS))
    ascii_only = "".join(character for character in plain if not unicodedata.combining(character))
    words = re.sub(r"[^a-z0-9_]+", "-", re.sub(r"['’`.]", "", ascii_only))
    return words[:MAX_LENGTH].strip("-_")


def candidates(base: str, *, plain: bool = True, random: Callable[[], str] = lambda: token_hex(3)) -> list[str]:
    """Handles to try, the nicest first; the last ones are random, so that a name like Siti never runs out.

    `plain` False leaves the nice ones out: whoever has just lost one to a namesake would lose the next as well.
    """
    nice = [base, *(_with_suffix(base, str(number)) for number in _NUMBERED)] if plain and not is_reserved(base) else []
    return [*nice, *(_with_suffix(base, random()) for _ in range(_RANDOM))]


def is_reserved(handle: str) -> bool:
    return handle.replace("_", "-").strip("-") in RESERVED


def _with_suffix(base: str, suffix: str) -> str:
    return base[: MAX_LENGTH - len(suffix) - 1].rstrip("-_") + "-" + suffix
