"""Runs linters, types and tests one after the other: ``python checks.py ROOT [--all] [PYTEST ARGUMENT...]``.

Then the dependencies are audited. All of them run whatever the others say; the exit code is 1 when any failed.
Interrupted or terminated, it ends what it has started before it ends itself, which a shell would not.
"""  # noqa: INP001 - a script, no package

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

PATIENCE = 30  # seconds that pytest gets to stop its server and remove its files
LAST_PATIENCE = 5
TERMINATIONS = (signal.SIGTERM, signal.SIGHUP)


BANDIT = ["bandit", "-q", "-r", "-c", "pyproject.toml", "--severity-level", "medium", "src", "migrations", "scripts"]
AUDIT = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
AUDIT_PATIENCE = 60
LOCK_FILES = ("requirements.lock", "requirements-build.lock")
"""What is shipped; tools of development do not meet strangers."""


class TerminatedError(BaseException):
    """SIGTERM or SIGHUP, made an exception as Python does with SIGINT."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main(root: Path, arguments: list[str]) -> int:
    wanted = [word for word in arguments if word != "--all"]
    settings = dict(os.environ)
    if wanted != arguments:
        settings["ELEVATE_TEST_ALL"] = "1"
    programs = root / ".venv" / "bin"
    commands = (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"], BANDIT, ["pytest", "-n", "2", *wanted])
    failed = [words for words in commands if run([str(programs / words[0]), *words[1:]], root, settings) != 0]
    failed += [] if audit(programs, root) else [["pip-audit"]]
    for words in failed:
        say(f"failed: {shlex.join(words)}")
    return 1 if failed else 0


def audit(programs: Path, root: Path) -> bool:
    """Asks the package index what is known against the locked versions; False when something is.

    An index that does not tell (a mirror has the files alone, a machine may be offline) is said to, and fails nothing:
    whoever can reach it finds out.
    """
    files = [option for name in LOCK_FILES if (root / name).is_file() for option in ("-r", name)]
    command = [str(programs / "pip-audit"), *AUDIT, *files]
    say(f"$ {shlex.join(['pip-audit', *command[1:]])}")
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=AUDIT_PATIENCE, check=False)  # noqa: S603 - a list, no shell
        packages = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        say("not audited: the index could not be reached")
        return True
    return judge(packages)


def judge(packages: list[dict[str, Any]]) -> bool:
    told = [package for package in packages if "skip_reason" not in package]
    known = [package for package in told if package["vulns"]]
    for package in known:
        names = ", ".join(one["id"] for one in package["vulns"])
        say(f"{package['name']} {package['version']} is known to be vulnerable: {names}")
    if len(told) < len(packages):
        say(
            f"not audited: {len(packages) - len(told)} of {len(packages)} packages, which the index tells nothing about"
        )
    elif not known:
        say(f"nothing is known against {len(told)} packages")
    return not known


def run(command: list[str], root: Path, settings: dict[str, str]) -> int:
    say(f"$ {shlex.join([Path(command[0]).name, *command[1:]])}")
    with subprocess.Popen(command, cwd=root, env=settings) as child:  # noqa: S603 - a list, no shell
        try:
            return child.wait()
        except BaseException as reason:
            end(child, told_already=isinstance(reason, KeyboardInterrupt))
            raise


def end(child: subprocess.Popen[bytes], *, told_already: bool) -> None:
    """Lets the child and what it started clean up, as after Ctrl-C, which reaches them all; then ends who is left."""
    family = descendants(child.pid)
    if not told_already:
        tell(family, signal.SIGINT, group=os.getpgid(0))
    try:
        child.wait(PATIENCE)
    except BaseException:  # noqa: BLE001 - too long, or a second Ctrl-C
        family += [process for process in descendants(child.pid) if process not in family]
        child.kill()
        child.wait()
    for last_word in (signal.SIGTERM, signal.SIGKILL):
        tell(family, last_word)
        psutil.wait_procs(family, LAST_PATIENCE)


def descendants(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def tell(processes: list[psutil.Process], what: signal.Signals, group: int | None = None) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if group in (None, os.getpgid(process.pid)):
                process.send_signal(what)


def terminate(number: int, _frame: FrameType | None) -> None:
    raise TerminatedError(number)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # A shell's background jobs ignore SIGINT, and pytest would inherit that: it could no longer be asked to clean up.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for termination in TERMINATIONS:
        if signal.getsignal(termination) != signal.SIG_IGN:  # nohup
            signal.signal(termination, terminate)
    try:
        sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except TerminatedError as terminated:
        sys.exit(128 + terminated.number)
