#!/bin/sh
# PostgreSQL's archive_command: keep the file $1 (of its WAL) under the name $2. It counts as kept once
# it is whole and on the disk. What is there under that name is never replaced; if it is the same,
# PostgreSQL had died before it could note that it was kept.
set -eu
wal=${ARCHIVE:-/archive}/wal

mkdir -p "$wal"
if [ -e "$wal/$2" ]; then
    cmp --silent "$1" "$wal/$2" || { echo "the archive holds another $2" >&2; exit 1; }
else
    cp "$1" "$wal/$2.part"
    sync "$wal/$2.part"
    mv "$wal/$2.part" "$wal/$2"
fi
sync "$wal"
