#!/bin/sh
# The user that backups and the replica come as: it may copy the server, and read no table. The image
# runs this once, when it makes the database. The password is the last field of a .pgpass line.
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \
    --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
    --set=password="$(cut -d: -f5 "$REPLICATION_PASSFILE")" <<'END'
CREATE ROLE replicator LOGIN REPLICATION PASSWORD :'password';
END
