"""`elevate kajabi`, as it is typed."""

import json
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.kajabi.conftest import Deliver
from tests.kajabi.deliveries import AI_1, AI_2, ALL, hook
from tests.kajabi.stand_in import StandIn
from typer.testing import CliRunner, Result

from elevate_api.cli import kajabi
from elevate_api.cli.errors import ElevateGroup

Make = Callable[..., Awaitable[Any]]
Read = Callable[[], Awaitable[list[Any]]]
Type = Callable[..., Result]

CSV = f"""contact,email,tag,time
77,siti@school.test,{AI_1},2025-01-31T08:00:00+07:00
77,siti@school.test,{AI_2},2025-02-01T08:00:00+07:00
,SITI@school.test,{ALL},
78,nobody@school.test,{AI_1},
77,siti@school.test,newsletter,
77,siti@school.test,{AI_1},2025-01-31T08:00:00+07:00
"""


@pytest.fixture
def elevate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, app_dsn: str) -> Type:
    app = typer.Typer(cls=ElevateGroup)
    app.add_typer(kajabi.app)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", app_dsn)

    def elevate(*arguments: str, **environment: str) -> Result:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with ThreadPoolExecutor(1) as pool:  # a loop of its own
            return pool.submit(CliRunner().invoke, app, ["kajabi", *arguments]).result()

    return elevate


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "completions.csv"
    path.write_text(CSV, encoding="utf-8-sig")
    return path


async def test_a_dry_run_says_what_an_import_then_does(
    elevate: Type, csv: Path, make_user: Make, events: Read, ledger: Read
) -> None:
    await make_user(email="siti@school.test")
    foretold = json.loads(elevate("import", str(csv), "--dry-run", "--json").stdout)
    assert await events() == []
    result = elevate("import", str(csv), "--json")
    done = json.loads(result.stdout)
    assert (result.exit_code, result.stderr) == (0, "")
    assert done == {**foretold, "dryRun": False}
    assert done == {
        "entries": 6, "known": 1, "pointsAwarded": 20, "dryRun": False,
        "statuses": {"PROCESSED": 3, "UNMATCHED": 1, "IGNORED": 1},
    }  # fmt: skip
    assert sum(points for _, points, _ in await ledger()) == 20


async def test_importing_again_changes_nothing(elevate: Type, csv: Path, make_user: Make, events: Read) -> None:
    await make_user(email="siti@school.test")
    elevate("import", str(csv))
    before = await events()
    result = elevate("import", str(csv))
    assert result.stdout == "6 deliveries, 6 known already; the others came to: nothing new; 0 points\n"
    assert await events() == before


async def test_old_deliveries_are_taken_in_a_line_each(
    elevate: Type, tmp_path: Path, make_user: Make, events: Read, ledger: Read
) -> None:
    await make_user(email="siti@school.test")
    path = tmp_path / "old.jsonl"
    path.write_bytes(b"\n".join([hook("77", "siti@school.test", AI_1), b"", hook("77", tag=AI_2)]) + b"\n")
    result = elevate("import", str(path))
    assert result.stdout == "2 deliveries, 0 known already; the others came to: 2 PROCESSED; 20 points\n"
    assert (await events())[0]["body"] == hook("77", "siti@school.test", AI_1)
    assert len(await ledger()) == 2


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        ("contact,email,tag,when\n", [(1, "the header must name columns of contact, email, tag, time")]),
        ("", [(1, "the header")]),
        ("tag\nx\n", [(1, "the header")]),
        (f"contact,email,tag,time\n77,,{AI_1},\n77,,{AI_1},yesterday\n77,,,\n,,x,\n", [
            (3, "time: must be a date and time"), (4, "a tag that is no short text"), (5, "a tag event without"),
        ]),
        (f"contact,email,tag\n77,,{AI_1},more\n77\n", [(2, "another number of cells"), (3, "another number of cells")]),
        ('contact,tag\n77,"open\n', [(2, "unexpected end of data")]),
        (f"contact,tag\na|b,{AI_1}\n", [(2, "a contact id that is none")]),
        ('{"event": "tag_added"}\nno json\n', [(1, "a tag event"), (2, "not JSON")]),
    ],
)  # fmt: skip
async def test_faults_are_named_by_line_and_nothing_is_written(
    elevate: Type, tmp_path: Path, events: Read, content: str, faults: list[tuple[int, str]]
) -> None:
    path = tmp_path / "broken"
    path.write_text(content)
    result = elevate("import", str(path))
    assert result.exit_code == 1
    *lines, last = result.stderr.splitlines()
    assert len(lines) == len(faults)
    for line, (number, words) in zip(lines, faults, strict=True):
        assert line.startswith(f"{path}:{number}: {words}")
    assert last == "elevate: nothing was imported"
    assert await events() == []


async def test_events_are_shown(elevate: Type, deliver: Deliver) -> None:
    await deliver(hook("77", "siti@school.test"))
    await deliver(hook("78", tag="newsletter"))
    shown = elevate("events", "--status", "unmatched").stdout
    assert "siti@school.test" in shown
    assert "newsletter" not in shown
    listed = json.loads(elevate("events", "--json").stdout)
    assert [event["status"] for event in listed] == ["IGNORED", "UNMATCHED"]


async def test_a_match_is_made(elevate: Type, deliver: Deliver, make_user: Make, ledger: Read) -> None:
    siti = await make_user(email="other@school.test")
    event_id = (await deliver(hook("77", "siti@school.test"))).json()["eventId"]
    refused = elevate("match", event_id, "user_nobody")
    assert (refused.exit_code, refused.stderr) == (1, "elevate: there is nobody with the id user_nobody\n")
    assert elevate("match", event_id, siti.id).stdout == f"{event_id}: PROCESSED, 10 points\n"
    assert len(await ledger()) == 1


async def test_a_replay_says_first_what_it_will_do(
    elevate: Type, deliver: Deliver, make_user: Make, events: Read
) -> None:
    for tag in (AI_1, AI_2, ALL):
        await deliver(hook("77", "siti@school.test", tag))
    await deliver(hook("78"))
    await make_user(email="siti@school.test")
    dry = elevate("replay", "--status", "UNMATCHED", "--dry-run")
    assert dry.stdout == "4 looked at, 3 would change, 0 failed, 20 points\n"
    assert {event["status"] for event in await events()} == {"UNMATCHED"}
    done = json.loads(elevate("replay", "--status", "UNMATCHED", "--json").stdout)
    assert done == {"examined": 4, "changed": 3, "failed": 0, "pointsAwarded": 20, "dryRun": False}
    assert [event["status"] for event in await events()] == ["PROCESSED"] * 3 + ["UNMATCHED"]
    again = elevate("replay", "--status", "PROCESSED")
    assert again.stdout == "3 looked at, 0 changed, 0 failed, 0 points\n"


async def test_one_event_is_replayed_or_there_is_none(elevate: Type, deliver: Deliver) -> None:
    event_id = (await deliver(hook("77"))).json()["eventId"]
    assert elevate("replay", event_id).stdout == "1 looked at, 0 changed, 0 failed, 0 points\n"
    unreadable = (await deliver(b"?")).json()["event_id"]
    assert elevate("replay", unreadable).exit_code == 1
    assert elevate("replay", event_id.replace(event_id[:4], "ffff")).exit_code == 1
    assert elevate("replay").exit_code == 2


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn({"5": AI_1}, {"77": ("siti@school.test", {"5"})}) as api:
        yield api


async def test_completions_are_pulled(elevate: Type, api: StandIn, events: Read) -> None:
    foretold = elevate("pull", "--dry-run", **api.environment())
    assert foretold.stdout == "1 completions listed, 1 had no event; 0 points\n"
    assert await events() == []
    pulled = elevate("pull")
    assert pulled.stdout == "1 completions listed, 1 had no event: 1 UNMATCHED; 0 points\n"
    assert f"Kajabi knows no tag named {AI_2}, {ALL}" in pulled.stderr
    assert len(await events()) == 1


async def test_an_api_that_refuses_is_a_sentence(elevate: Type, api: StandIn) -> None:
    result = elevate("pull", **{**api.environment(), "KAJABI_CLIENT_SECRET": "wrong"})
    assert (result.exit_code, result.stderr) == (1, "elevate: Kajabi: the API answers 401\n")
    assert elevate("pull", KAJABI_CLIENT_ID="").exit_code == 2
