#!/bin/sh
# A read replica for staff's lists: copied from the primary the first time, following it ever after.
# What the primary has no longer is read from the archive, so it never has to keep WAL for a replica
# that is away. Arguments go to PostgreSQL.
set -eu
umask 077

if [ ! -s "${PGDATA:?}/PG_VERSION" ]; then
    rm -rf "$PGDATA.part"
    pg_basebackup --dbname="${PRIMARY:?}" --no-password --pgdata="$PGDATA.part" \
        --write-recovery-conf --checkpoint=fast --wal-method=stream
    echo "restore_command = 'cp ${ARCHIVE:-/archive}/wal/%f %p'" >> "$PGDATA.part/postgresql.auto.conf"
    mv "$PGDATA.part" "$PGDATA"
fi
exec postgres -D "$PGDATA" "$@"
