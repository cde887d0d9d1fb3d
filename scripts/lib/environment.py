"""Makes .venv what requirements-dev.lock and pyproject.toml say: ``python environment.py ROOT``.

Standard library only, Python 3.11 or later. The file .venv/.elevate says what is installed, or that an installation is
under way: one that was killed is begun again from nothing. Two runs at once take turns.
"""  # noqa: INP001 - a script, no package

import fcntl
import hashlib
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

UNDER_WAY = "under way"
OUTPUT_LINES = 40


class SetupError(Exception):
    """A sentence for the person at the keyboard."""


@dataclass(frozen=True)
class Environment:
    root: Path

    @property
    def folder(self) -> Path:
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def note(self) -> Path:
        return self.folder / ".elevate"

    def noted(self) -> list[str]:
        try:
            return self.note.read_text(encoding="utf-8").splitlines()
        except OSError:
            return []

    def wanted(self) -> list[str]:
        """Hash of the lock file, hash of the project file, and the place, which a moved clone has changed."""
        return [digest(self.root / "requirements-dev.lock"), digest(self.root / "pyproject.toml"), str(self.root)]

    def runs(self) -> bool:
        try:
            done = subprocess.run([self.python, "-I", "-c", ""], check=False, capture_output=True)  # noqa: S603
        except OSError:
            return False
        return done.returncode == 0


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(root: Path) -> None:
    environment = Environment(root)
    refuse_strangers(environment)
    if up_to_date(environment):
        return
    with turn(root):
        if not up_to_date(environment):  # another run may have done it meanwhile
            install(environment)


def up_to_date(environment: Environment) -> bool:
    return environment.noted() == environment.wanted() and environment.runs()


def refuse_strangers(environment: Environment) -> None:
    """Half of the files belonging to root and half to a user is a mess that shows much later."""
    for place in (environment.folder, environment.root):
        if not place.exists():
            continue
        owner = place.stat().st_uid
        stranger = owner != os.geteuid() and (os.geteuid() != 0 or not up_to_date(environment))
        if place == environment.folder and stranger:
            raise SetupError(
                f"{place} belongs to {name(owner)}, and you are {name(os.geteuid())}. "
                f"Run this as {name(owner)}, or in a clone of your own, or remove {place} first."
            )
        if not os.access(place, os.W_OK):
            raise SetupError(f"{name(os.geteuid())} cannot write to {place}: use a clone of your own.")


def name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


@contextmanager
def turn(root: Path) -> Iterator[None]:
    """Locks the folder itself: no lock file to leave behind, and a killed run lets go.

    Children inherit the lock: a pip that has survived its parent's kill keeps the next run waiting until it is done.
    """
    handle = os.open(root, os.O_RDONLY)
    os.set_inheritable(handle, True)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another run is preparing .venv; waiting for it.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def install(environment: Environment) -> None:
    wanted, noted = environment.wanted(), environment.noted()
    usable = environment.runs() and noted != [UNDER_WAY] and noted[2:] in ([], wanted[2:])
    same_lock = usable and noted[:1] == wanted[:1]
    say("Installing the project into .venv." if same_lock else "Preparing .venv: about a minute, this time only.")
    # Without a note the environment is somebody's own work: brought up to date, not thrown away.
    keep = same_lock or (usable and not noted)
    if not keep:
        create(environment)
    environment.note.write_text(UNDER_WAY, encoding="utf-8")
    if not same_lock:
        pip(environment, "install", "--require-hashes", "-r", str(environment.root / "requirements-dev.lock"))
    pip(environment, "install", "--no-deps", "--no-build-isolation", "-e", str(environment.root))
    pip(environment, "check")
    environment.note.write_text("\n".join(wanted), encoding="utf-8")


def create(environment: Environment) -> None:
    base = getattr(sys, "_base_executable", "") or sys.executable  # not the one that is about to be removed
    if environment.folder.is_symlink():
        environment.folder.unlink()
    elif environment.folder.exists():
        shutil.rmtree(environment.folder)
    environment.folder.mkdir()
    environment.note.write_text(UNDER_WAY, encoding="utf-8")
    run([base, "-I", "-m", "venv", str(environment.folder)], "making .venv failed")


def pip(environment: Environment, *arguments: str) -> None:
    quiet = ("--disable-pip-version-check", "--no-input", "--quiet")
    run([str(environment.python), "-I", "-m", "pip", *quiet, *arguments], f"pip {arguments[0]} failed")


def run(command: list[str], problem: str) -> None:
    """Silent when all is well; the end of the output when not."""
    settings = {**os.environ, "PIP_USER": "0"}
    done = subprocess.run(  # noqa: S603 - a list, no shell
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=settings,
        close_fds=False,
    )
    if done.returncode != 0:
        lines = done.stdout.decode(errors="replace").strip().splitlines()[-OUTPUT_LINES:]
        raise SetupError("\n".join([*lines, f"{problem}: see above, then run this again."]))


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except SetupError as error:
        say(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
