"""What goes wrong at a command line, said in one line on standard error."""

import sys
from typing import Any

import typer
from alembic.util import CommandError
from typer.core import TyperGroup

from elevate_api.cli import INTERRUPTED
from elevate_api.config import SettingsError
from elevate_api.kit.problems import Problem, describe
from elevate_api.kit.procedures import ProcedureFailed
from elevate_api.postgres import EmbeddedPostgresError

FAILED, MISUSED = 1, 2
"""Exit codes: the command failed; it or the settings are wrong."""


class CommandFailed(Exception):
    """A sentence for the person at the keyboard."""


class ElevateGroup(TyperGroup):
    """The top of all commands: errors that somebody can act on become a sentence and an exit code, no traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except SettingsError as error:
            raise _exit(str(error), MISUSED) from error
        except (CommandFailed, ProcedureFailed, EmbeddedPostgresError, CommandError) as error:
            raise _exit(str(error), FAILED) from error
        except Problem as problem:
            raise _exit(problem.detail or problem.title, FAILED) from problem
        except Exception as error:
            described = describe(error)
            if described is None:
                raise
            raise _exit(f"the database says: {described.message}", FAILED) from error


def _exit(message: str, code: int) -> typer.Exit:
    sys.stderr.write(f"elevate: {message}\n")
    return typer.Exit(code)
