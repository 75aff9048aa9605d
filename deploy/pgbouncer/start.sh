#!/bin/sh
# Write down where PostgreSQL is and the password, both from the container's environment, and start.
set -eu
umask 077
printf '"portal" "%s"\n' "$(cat "$DATABASE_PASSWORD_FILE")" > /tmp/users.txt
# What a connection of the portal's own would ask for at its start (`OPTIONS` in the settings) is
# asked for here, because a start option does not travel through a pool.
cat > /tmp/databases.ini <<END
[databases]
portal = host=$DATABASE_HOST port=5432 dbname=portal user=portal connect_query='SET lock_timeout = ''5s''; SET idle_in_transaction_session_timeout = ''60s'''
END
exec pgbouncer /etc/pgbouncer/pgbouncer.ini
