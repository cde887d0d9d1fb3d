"""`elevate dev` as a newcomer meets it: start, paste what it printed, stop, start again."""

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.processes import PATIENCE, clean_environment, finished, running

from elevate_api.postgres import EmbeddedServer, scratch_dir


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with scratch_dir() as folder:
        yield folder


def start_of(folder: Path, *more: str) -> tuple[str, ...]:
    return ("dev", "--port", "0", "--data-dir", str(folder / "data"), *more)


def to_paste(printed: list[str]) -> str:
    """What stands between the two sentences around the shell lines."""
    first = next(number for number, line in enumerate(printed) if line.startswith("export API="))
    last = next(number for number, line in enumerate(printed) if line.startswith("The tokens last"))
    return "\n".join(printed[first:last])


def who_am_i(printed: list[str], user_id: str) -> str:
    """A call as somebody for whom a token is made by the command in the last printed sentence."""
    sentence = next(line for line in printed if line.startswith("The tokens last"))
    command = sentence.partition(": ")[2].replace("USER_ID", user_id)
    return f'curl -sS "$API/api/me" -H "Authorization: Bearer $({command})"'


def pasted(script: str) -> "subprocess.CompletedProcess[str]":
    """Into a shell that knows nothing of this project."""
    return subprocess.run(
        ["/bin/bash", "--norc", "--noprofile"],
        input=script,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def documents(output: str) -> list[Any]:
    """The JSON documents among the labels."""
    found, decoder = [], json.JSONDecoder()
    while (at := output.find("{")) >= 0:
        document, end = decoder.raw_decode(output[at:])
        found.append(document)
        output = output[at + end :]
    return found


def points_on(board: dict[str, Any]) -> int:
    return sum(item["points"] for item in board["items"])


def postgres_lives(folder: Path) -> bool:
    return EmbeddedServer(folder / "data").status().pid is not None


def test_the_printed_lines_take_an_educator_to_a_changed_leaderboard_and_a_second_start_finds_it(folder: Path) -> None:
    with running(*start_of(folder), folder=folder) as service:
        printed = service.read_until("Ready on http://127.0.0.1:")
        shell = pasted(to_paste(printed))
        asked = pasted(f"{to_paste(printed).splitlines()[0]}\n{who_am_i(printed, 'user_typed')}")
        code, rest = service.end(signal.SIGINT)

    assert any(line.startswith("Docs page:    http://127.0.0.1:") for line in printed)
    doors = [line for line in printed if "/console/sign-in#token=" in line]
    assert [line.split(":")[0].split()[-1] for line in doors] == ["educator", "reviewer", "administrator"]
    assert shell.stderr == ""
    assert json.loads(asked.stdout)["id"] == "user_typed", asked.stderr
    me, before, submitted, queue, approved, points, refreshed, after = documents(shell.stdout)
    assert me["role"] == "PARTICIPANT"
    assert submitted["status"] == "PENDING"
    assert len(queue["items"]) == 1
    assert approved["submission"] == submitted | {
        name: approved["submission"][name]
        for name in ("status", "reviewerId", "reviewNote", "pointsAwarded", "updatedAt", "reviewedAt")
    }
    assert approved["pointsAwarded"] == 50
    assert all(view["ok"] for view in refreshed["views"])
    assert points_on(after) == points_on(before) + 50 == points["totalPoints"]
    assert (code, rest.splitlines()[-1]) == (0, "Stopped.")
    assert "Traceback" not in rest
    assert not postgres_lives(folder)

    with running(*start_of(folder), folder=folder) as service:
        printed = service.read_until("Ready on http://127.0.0.1:")
        shell = pasted(to_paste(printed))
        code, rest = service.end(signal.SIGTERM)

    assert "Demo:         the data that is there is kept" in printed
    someone_else, board, *_, new_board = documents(shell.stdout)
    assert someone_else["id"] != me["id"]
    assert points_on(new_board) == points_on(board) + 50
    assert (code, rest.splitlines()[-1]) == (0, "Stopped.")
    assert not postgres_lives(folder)


def test_a_database_outside_is_used_and_works_without_a_demo(owner_dsn: str, tmp_path: Path) -> None:
    with running("dev", "--port", "0", "--no-demo", folder=tmp_path, DATABASE_URL=owner_dsn,
                 ELEVATE_DATA_DIR=str(tmp_path)) as service:  # fmt: skip
        printed = service.read_until("Ready on http://127.0.0.1:")
        shell = pasted(to_paste(printed))
        code, _ = service.end(signal.SIGINT)

    *_, board = documents(shell.stdout)
    assert [item["points"] for item in board["items"]] == [50]
    assert "Demo:         none, as asked" in printed
    assert not (tmp_path / "postgres").exists()
    assert code == 0


def test_a_taken_port_is_said_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = finished("dev", "--port", port, "--data-dir", str(tmp_path / "data"), folder=tmp_path)
    sentence = f"port {port} of 127.0.0.1 is in use, perhaps by another `elevate`; choose a free one with --port"
    assert (result.returncode, result.stdout, result.stderr) == (1, "", f"elevate: {sentence}\n")
    assert not (tmp_path / "data").exists()


def test_production_is_refused(tmp_path: Path) -> None:
    result = finished("dev", folder=tmp_path, NODE_ENV="production")
    sentence = "elevate: ENVIRONMENT is production: elevate dev is for development\n"
    assert (result.returncode, result.stdout, result.stderr) == (2, "", sentence)


def test_where_clerk_issues_the_tokens_it_says_so_instead_of_printing_lines_that_fail(
    owner_dsn: str, tmp_path: Path
) -> None:
    clerk = {"CLERK_ISSUER": "https://clerk.leaps.test", "CLERK_JWKS_URL": "https://clerk.leaps.test/jwks"}
    with running("dev", "--port", "0", "--no-demo", folder=tmp_path, DATABASE_URL=owner_dsn, **clerk) as service:
        printed = service.read_until("Ready on http://127.0.0.1:")
        service.end(signal.SIGINT)
    assert not [line for line in printed if line.startswith("curl")]
    assert [line for line in printed if line.startswith("No tokens to try it with: Clerk is configured")]
