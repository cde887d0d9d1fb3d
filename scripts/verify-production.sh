#!/bin/sh
# Looks at a running service from outside: scripts/verify-production.sh [URL], or PRODUCTION_URL.
# The operations manual's script of this name; arguments go to `elevate deploy verify`, which says each step and the way back.
set -eu

unset CDPATH
root=$(cd -- "$(dirname -- "$0")/.." && pwd -P)
elevate="$root/.venv/bin/elevate"
[ -x "$elevate" ] || elevate=elevate
exec "$elevate" deploy verify "$@"
