#!/bin/sh
# Base backups, and the archive kept in bounds: `back_up.sh once`, or `back_up.sh nightly` for ever.
#
# A backup is copied from the running server, held against its own manifest, and only then given its
# name. The newest BACKUPS_KEPT stay; older ones go, and with them all WAL that is older than the
# oldest one kept, since nothing could be recovered from it. A backup that fails removes nothing.
set -eu
archive=${ARCHIVE:-/archive}
kept=${BACKUPS_KEPT:-7}
night=$((18 * 3600 + 30 * 60)) # 18:30 UTC, 2:30 in Beijing: nobody votes, nobody loads a register

once() {
    made=$archive/base/$(date -u +%Y%m%dT%H%M%SZ)
    mkdir -p "$archive/base"
    rm -rf "$archive"/base/*.part
    # Whoever asks whether it went well switches `set -e` off in here.
    pg_basebackup --dbname="${PRIMARY:?}" --no-password --pgdata="$made.part" --wal-method=stream \
        --checkpoint=fast --manifest-checksums=SHA256 || return 1
    pg_verifybackup --quiet "$made.part" || return 1
    sync "$archive" || return 1
    mv "$made.part" "$made" || return 1
    echo "backed up and verified: $made"
    # For a node_exporter (--collector.textfile.directory), which reads whole files only.
    echo "portal_backup_timestamp_seconds $(date +%s)" > "$archive/portal.prom.part"
    mv "$archive/portal.prom.part" "$archive/portal.prom"
    clear_away
}

clear_away() {
    # Names are times, so their order is theirs.
    ls -d "$archive"/base/*Z | sort -r | tail -n "+$((kept + 1))" | while read -r old; do
        rm -rf "$old"
        echo "too old, removed: $old"
    done
    oldest=$(ls -d "$archive"/base/*Z | sort | head -n 1)
    first=$(sed -n 's/^START WAL LOCATION: .*(file \([0-9A-F]*\))$/\1/p' "$oldest/backup_label")
    if [ -d "$archive/wal" ]; then
        pg_archivecleanup --clean-backup-history "$archive/wal" "${first:?}"
    fi
}

has_one_of_today() {
    [ -n "$(find "$archive/base" -mindepth 1 -maxdepth 1 -name '*Z' -mmin -1440 2>/dev/null)" ]
}

until_done() {
    until once; do
        echo "NO BACKUP was made; it is tried again in an hour" >&2
        sleep 3600
    done
}

nightly() {
    has_one_of_today || until_done
    while :; do
        sleep $(((night - $(date +%s) % 86400 + 86400) % 86400 + 1))
        until_done
    done
}

[ "$kept" -ge 1 ] 2> /dev/null || { echo "BACKUPS_KEPT must be 1 or more, not $kept" >&2; exit 2; }
case ${1:-} in
    once) once ;;
    nightly) nightly ;;
    *) echo "back_up.sh once | nightly" >&2; exit 2 ;;
esac
