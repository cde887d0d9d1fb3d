"""Becomes the server: drops root, ties the server's life to its owner, executes it.

Run as a script by the interpreter itself, with no imports beyond the standard library. Arguments: uid and gid (or
``-``), the owner's pid, then the server's command line. A program of its own and not a ``preexec_fn``, which may
deadlock in a process that has threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    uid, gid, owner, *command = arguments
    if uid != "-":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if sys.platform == "linux":
        # After setuid, which clears it. SIGINT is PostgreSQL's fast shutdown.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)
        if os.getppid() != int(owner):  # the owner died before the line above
            raise SystemExit(1)
    os.umask(0o077)
    os.execv(command[0], command)  # noqa: S606 - there is no shell in it


if __name__ == "__main__":
    main(sys.argv[1:])
