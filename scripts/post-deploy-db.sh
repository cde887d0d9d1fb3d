#!/bin/sh
# After a deploy: migrate, refresh the views, check the service (PRODUCTION_URL), warm it.
# The operations manual's script of this name; arguments go to `elevate deploy post`, which says each step and the way back.
set -eu

unset CDPATH
root=$(cd -- "$(dirname -- "$0")/.." && pwd -P)
elevate="$root/.venv/bin/elevate"
[ -x "$elevate" ] || elevate=elevate
exec "$elevate" deploy post "$@"
