"""``python -m benchmarks [NAME...] [--scale 100k|1m|4m]``: the figures of docs/performance.md, on this machine."""

from __future__ import annotations

import sys


def run() -> int:
    try:
        from benchmarks.cli import main  # noqa: PLC0415 - its imports are what may be missing
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "benchmarks":
            raise
        sys.stderr.write(
            f"{error.name} is not installed for {sys.executable}.\n"
            "Run scripts/test or scripts/dev once, which makes .venv, then: .venv/bin/python -m benchmarks\n"
        )
        return 2
    return main(sys.argv[1:])


if __name__ == "__main__":
    raise SystemExit(run())
