# For the scripts beside: finds a Python, prepares .venv. Sourced by /bin/sh.

# The lock file is tried with these; another one from 3.11 on is taken when there is nothing else.
_python_suits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
_python_may_do='import sys; sys.exit(not sys.version_info >= (3, 11))'

# find_python: prints a Python that can make virtual environments.
find_python() {
  _bare=
  for _test in "$_python_suits" "$_python_may_do"; do
    for _name in python3 python3.13 python3.12 python3.11 python; do
      "$_name" -I -c "$_test" >/dev/null 2>&1 || continue
      if "$_name" -I -c 'import ensurepip, venv' >/dev/null 2>&1; then
        "$_name" -I -c 'import sys; print(sys.executable)'
        return 0
      fi
      _bare=${_bare:-$_name}
    done
  done
  if [ -n "$_bare" ]; then
    echo "$_bare lacks the venv module. On Debian and Ubuntu: apt-get install python3-venv" >&2
  else
    echo "Python 3.11 or later is needed, and none was found in PATH as python3, python3.13, python3.12 or python3.11." >&2
  fi
  return 1
}

# prepare ROOT: makes ROOT/.venv as the lock file says, at once when it is so already.
prepare() {
  unset PYTHONPATH PYTHONHOME
  # The environment's own interpreter will do, and is there whatever the caller's PATH is.
  _python=$1/.venv/bin/python
  if ! "$_python" -I -c "$_python_may_do" >/dev/null 2>&1; then
    _python=$(find_python) || return 1
  fi
  "$_python" -I "$1/scripts/lib/environment.py" "$1"
}
