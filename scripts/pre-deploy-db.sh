#!/bin/sh
# Checks before a deploy: settings, connection, migrations, schema, integrity, staging (STAGING_URL).
# The operations manual's script of this name; arguments go to `elevate deploy pre`, which says each step and the way back.
set -eu

unset CDPATH
root=$(cd -- "$(dirname -- "$0")/.." && pwd -P)
elevate="$root/.venv/bin/elevate"
[ -x "$elevate" ] || elevate=elevate
exec "$elevate" deploy pre "$@"
