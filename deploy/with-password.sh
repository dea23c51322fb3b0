#!/bin/sh
# Hands PostgreSQL's password from a secret file to the client library; the rest of the command line is run as it is.
set -eu
if [ -n "${PGPASSWORD_FILE:-}" ]; then
    PGPASSWORD="$(cat "$PGPASSWORD_FILE")"
    export PGPASSWORD
fi
exec "$@"
