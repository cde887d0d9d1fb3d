"""Runs linters, types and tests one after the other: ``python checks.py ROOT [--all] [PYTEST ARGUMENT...]``.

All of them run whatever the others say; the exit code is 1 when any failed. Interrupted or terminated, it ends what it
has started before it ends itself, which a shell would not.
"""  # noqa: INP001 - a script, no package

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

import psutil

PATIENCE = 30  # seconds that pytest gets to stop its server and remove its files
LAST_PATIENCE = 5
TERMINATIONS = (signal.SIGTERM, signal.SIGHUP)


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
    commands = (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"], ["pytest", "-n", "2", *wanted])
    failed = [words for words in commands if run([str(programs / words[0]), *words[1:]], root, settings) != 0]
    for words in failed:
        say(f"failed: {shlex.join(words)}")
    return 1 if failed else 0


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
