"""What production needs besides settings that start: files in order, a database that keeps votes.

`env.py` and `settings.py` refuse weak values by themselves; here is what only a look outside shows.
The checks run before every command and, for the database, on `migrate` and `check --database`.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from meetings.keys import FileKeyStore
from notifications.carriers import CARRIERS
from voting_portal import env
from voting_portal.common import sealing
from voting_portal.gateways import DIALECTS, gateway
from voting_portal.gateways.admission import check_rules

# Settings without which an acknowledged vote can be lost in a crash.
KEEPS_VOTES = ("fsync", "full_page_writes", "synchronous_commit")


@register(Tags.security)
def check_keystore(**_options: Any) -> list[CheckMessage]:
    """The key-encryption keys can be read, are whole, and not for everybody."""
    if not settings.IS_PRODUCTION:
        return []
    path = Path(settings.KEYSTORE_FILE)
    try:
        store = FileKeyStore(path, Path(settings.MEETING_KEYS_DIR))
        is_whole = all(len(key) == sealing.KEY_BYTES for key in store.keys.values())
        is_whole = is_whole and store.current in store.keys
    except OSError as error:
        return [Error(f"KEYSTORE_FILE: cannot read {path}: {error.strerror}.", id="portal.E001")]
    except (ValueError, KeyError, TypeError, AttributeError):
        is_whole = False
    if not is_whole:
        hint = 'It holds {"current": "1", "keys": {"1": "<base64 of 32 bytes>"}}.'
        return [Error(f"KEYSTORE_FILE: {path} holds no keys.", hint=hint, id="portal.E002")]
    return []


@register(Tags.security)
def check_folders(**_options: Any) -> list[CheckMessage]:
    """The folders that hold what the database must not are there, ours, and not for everybody."""
    if not settings.IS_PRODUCTION:
        return []
    problems: list[CheckMessage] = []
    for name in ("MEETING_KEYS_DIR", "ARCHIVE_DIR"):
        path = Path(getattr(settings, name))
        if not path.is_dir():
            hint = "Mount it: without it no meeting can be made, and nothing personal opens."
            problems.append(Error(f"{name}: {path} is no folder.", hint=hint, id="portal.E007"))
        elif path.stat().st_mode & stat.S_IRWXO:
            message = f"{name}: {path} is open to everybody on this machine."
            problems.append(Error(message, hint=f"chmod o= {path}", id="portal.E007"))
    return problems


@register(Tags.security)
def check_secret_files(**_options: Any) -> list[CheckMessage]:
    """No secret that comes from a file lies open to every user of the machine."""
    if not settings.IS_PRODUCTION:
        return []
    named = {**env.files_read, "KEYSTORE_FILE": settings.KEYSTORE_FILE}
    return [
        Error(
            f"{name}: {path} is open to everybody on this machine.",
            hint=f"chmod o= {path}",
            id="portal.E003",
        )
        for name, path in sorted(named.items())
        if Path(path).is_file() and Path(path).stat().st_mode & stat.S_IRWXO
    ]


@register(Tags.security)
def check_gateways(**_options: Any) -> list[CheckMessage]:
    """Every gateway has a dialect that is known, its options, and rules for its receipts.

    Those that are held by a process of their own say so themselves when it starts.
    """
    problems: list[CheckMessage] = []
    hint = "docs/gateways.md names the options of each dialect."
    for name, options in sorted(settings.GATEWAYS.items()):
        if getattr(DIALECTS.get(options["dialect"]), "has_own_process", False):
            continue
        try:
            gateway(name)
            check_rules(name)
        except ImproperlyConfigured as error:
            problems.append(Error(str(error), hint=hint, id="portal.E005"))
        except (ValueError, TypeError, AttributeError) as error:
            problems.append(Error(f"GATEWAYS: {name}: {error}.", hint=hint, id="portal.E005"))
    return problems


@register(Tags.database)
def check_database(databases: Sequence[str] | None = None, **_options: Any) -> list[CheckMessage]:
    """PostgreSQL writes a vote to the disk before it says so."""
    problems: list[CheckMessage] = []
    for alias in databases or ():
        with connections[alias].cursor() as cursor:
            for name in KEEPS_VOTES:
                cursor.execute("SELECT current_setting(%s)", [name])
                (value,) = cursor.fetchone()
                if value == "off":
                    problems.append(
                        Error(
                            f"PostgreSQL runs with {name} = off: a crash would lose votes.",
                            hint=f"Set {name} to on, its default.",
                            id="portal.E004",
                        )
                    )
    return problems


@register()
def check_carriers(**_options: Any) -> list[CheckMessage]:
    """A gateway that serves some carriers only names carriers that there are."""
    hint = f"carriers is a list of {', '.join(CARRIERS)}; leave it out for all."
    problems: list[CheckMessage] = []
    for name, options in settings.GATEWAYS.items():
        carriers = options.get("carriers", list(CARRIERS))
        if not isinstance(carriers, list) or not carriers or set(carriers) - set(CARRIERS):
            problems.append(
                Error(f"GATEWAYS: {name} serves {carriers}.", hint=hint, id="portal.E006")
            )
    return problems
