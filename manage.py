#!/usr/bin/env python
"""Run a Django command of the portal, starting the embedded servers where none are named."""

from __future__ import annotations

import os
import sys

# Commands that need no database, or that start the servers in their own way.
WITHOUT_SERVERS = {"embedded", "help", "version", "--help", "--version", "demo", "dial"}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "voting_portal.settings")
    from django.core.management import execute_from_command_line

    from voting_portal import embedded

    if len(sys.argv) > 1 and not WITHOUT_SERVERS & set(sys.argv[1:]):
        try:
            embedded.start_what_is_missing()
            if sys.argv[1] == "smoke":
                embedded.use_scratch_database("smoke")
        except embedded.CannotStart as refusal:
            sys.exit(str(refusal))
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
