"""The curl lines that `elevate dev` prints: an educator from submission to a changed leaderboard.

Labels are `echo` and not comments: an interactive zsh takes `#` for a command.
"""

import json
import shlex
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.auth.devkeys import issue_token
from elevate_api.config import Settings

TOKEN_SECONDS = 8 * 3600
REVIEWER, ADMIN, NEWCOMER = "user_dev_reviewer", "user_dev_admin", "user_dev_educator"
"""Who stands in where there is no demo. The newcomer is made by the service itself, at the first request."""

# An educator of the demo to whom an approval still gives points, best one who is on the board already.
_EDUCATOR = text("""
    SELECT u.id, u.handle FROM users u
    WHERE u.id LIKE 'user\\_demo\\_%' AND u.role = 'PARTICIPANT' AND u.show_on_leaderboard
      AND coalesce(u.erased_at, u.erase_at, u.suspended_at) IS NULL
      AND NOT EXISTS (SELECT FROM submissions s WHERE s.user_id = u.id AND s.activity_code = :stage
                      AND s.status IN ('PENDING', 'APPROVED', 'REVOKED'))
    ORDER BY EXISTS (SELECT FROM leaderboard_totals t WHERE t.user_id = u.id) DESC, u.id LIMIT 1
""")
_STAFF = text("""
    SELECT id FROM users WHERE role = :role AND (id LIKE 'user\\_demo\\_%' OR id = :stand_in)
      AND coalesce(erased_at, suspended_at) IS NULL
    ORDER BY id <> :stand_in, id LIMIT 1
""")
_ADD_STAFF = text("""
    INSERT INTO users (id, handle, name, role) VALUES (:id, :handle, :name, :role) ON CONFLICT DO NOTHING
""")
_NEWCOMERS = text("SELECT count(*) FROM users WHERE id LIKE 'user\\_dev\\_educator\\_%'")


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays: user ids, what the educator's token says besides, and how the board is searched for them."""

    stage: str
    educator: str
    search: str
    reviewer: str
    admin: str
    claims: dict[str, str] = field(default_factory=dict)


async def choose_cast(session: AsyncSession) -> Cast:
    """Pick people of the demo, or make a reviewer and an administrator where there is none."""
    reviewer = await _staff(session, "REVIEWER", REVIEWER, "Dev Reviewer")
    admin = await _staff(session, "ADMIN", ADMIN, "Dev Admin")
    for stage in ("EXPLORE", "PRESENT"):
        found = (await session.execute(_EDUCATOR, {"stage": stage})).first()
        if found is not None:
            return Cast(stage, found.id, found.handle, reviewer, admin)
    number = (await session.execute(_NEWCOMERS)).scalar_one() + 1
    claims = {"name": f"Guru Baru {number}", "email": f"guru.baru.{number}@sekolah.example"}
    return Cast("EXPLORE", f"{NEWCOMER}_{number}", f"guru-baru-{number}", reviewer, admin, claims)


async def _staff(session: AsyncSession, role: str, stand_in: str, name: str) -> str:
    wanted = {"role": role, "stand_in": stand_in}
    found: str | None = await session.scalar(_STAFF, wanted)
    if found is None:
        row = {"id": stand_in, "handle": stand_in.removeprefix("user_").replace("_", "-"), "name": name, "role": role}
        await session.execute(_ADD_STAFF, row)
        found = stand_in
    return found


def lines(cast: Cast, settings: Settings, url: str, today: date) -> Iterator[str]:
    """Shell lines to paste as they are. Raises SettingsError where tokens of our own are not accepted."""
    yield from _exports(cast, settings, url)
    yield ""
    yield from _submit(cast, today)
    yield from _review(cast)
    yield from _refresh(cast)


def links(cast: Cast, settings: Settings, url: str) -> Iterator[str]:
    """Addresses that sign in to the console. The token stands in the fragment, which no server and no log sees.

    Raises SettingsError as `lines` does.
    """
    people = {"educator": {"sub": cast.educator, **cast.claims}, "reviewer": {"sub": cast.reviewer}}
    for role, claims in (people | {"administrator": {"sub": cast.admin}}).items():
        yield f"  as {role}: {url}/console/sign-in#token={issue_token(settings, claims, TOKEN_SECONDS)}"


def token_command(settings: Settings) -> str:
    """What makes a token for somebody else, to be typed anywhere: by its path, and with this service's key."""
    folder = settings.embedded.data_dir
    key = ["--data-dir", str(folder.expanduser().absolute())] if folder is not None else []
    return shlex.join([str(Path(sysconfig.get_path("scripts")) / "elevate"), "token", "USER_ID", *key])


def _exports(cast: Cast, settings: Settings, url: str) -> Iterator[str]:
    secret = settings.machines.cron_secret
    yield f"export API={url}"
    yield f"export EDUCATOR={issue_token(settings, {'sub': cast.educator, **cast.claims}, TOKEN_SECONDS)}"
    yield f"export REVIEWER={issue_token(settings, {'sub': cast.reviewer}, TOKEN_SECONDS)}"
    yield f"export ADMIN={issue_token(settings, {'sub': cast.admin}, TOKEN_SECONDS)}"
    yield f"export CRON_SECRET={shlex.quote(secret.get_secret_value() if secret else '')}"


def _submit(cast: Cast, today: date) -> Iterator[str]:
    body = json.dumps({"activityCode": cast.stage, "visibility": "PUBLIC", "payload": _payload(cast.stage, today)})
    yield _label("1. The educator signs in, and looks for themselves on the leaderboard")
    yield _shown(_curl("$API/api/me", "EDUCATOR"))
    yield _shown(_board(cast))
    yield _label(f"2. The educator submits evidence for {cast.stage}")
    yield f"SUBMISSION=$({_curl('$API/api/submissions', 'EDUCATOR', body=shlex.quote(body))})"
    yield _shown("printf '%s' \"$SUBMISSION\"")
    for name, key in (("ID", "id"), ("VERSION", "version")):
        pick = f'import json, sys; print(json.load(sys.stdin)["{key}"])'
        yield f"{name}=$(printf '%s' \"$SUBMISSION\" | python3 -c '{pick}')"


def _review(cast: Cast) -> Iterator[str]:
    decision = '"{\\"version\\": $VERSION, \\"note\\": \\"Terima kasih\\"}"'
    yield _label("3. The reviewer sees what waits longest, and approves the new submission")
    yield _shown(_curl(f"$API/api/review/queue?activityCode={cast.stage}&limit=1", "REVIEWER"))
    yield _shown(_curl("$API/api/review/$ID/approve", "REVIEWER", body=decision))


def _refresh(cast: Cast) -> Iterator[str]:
    yield _label("4. The admin sees the points, and the cron service refreshes the views")
    yield _shown(_curl(f"$API/api/admin/users/{cast.educator}/points", "ADMIN"))
    yield _shown(_curl("$API/api/cron/refresh-analytics", "CRON_SECRET", post=True))
    yield _label("5. The leaderboard has changed")
    yield _shown(_board(cast))


def _label(words: str) -> str:
    return f"echo; echo '--- {words}'"


def _board(cast: Cast) -> str:
    return f'curl -sS "$API/api/leaderboard?search={cast.search}"'


def _shown(command: str) -> str:
    return f"{command} | python3 -m json.tool --no-ensure-ascii"


def _curl(address: str, token: str, *, body: str | None = None, post: bool = False) -> str:
    sent = f" -H 'Content-Type: application/json' -d {body}" if body else ""
    return f'curl -sS{" -X POST" if post else ""} "{address}" -H "Authorization: Bearer ${token}"{sent}'


def _payload(stage: str, today: date) -> dict[str, Any]:
    if stage == "PRESENT":
        return {
            "linkedinUrl": "https://www.linkedin.com/posts/my-class-and-ai",
            "caption": "What my class and I found out about AI this month.",
        }
    reflection = (
        "My students compared an answer written by AI with their own drafts and marked what they would not believe. "
        "The discussion took longer than I had planned, and it was the best one of this term."
    )
    return {"reflection": reflection, "classDate": today.isoformat()}
