"""Run the process of a gateway that lives on sockets: CMPP, SMGP, SGIP or SMPP."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from notifications import feeding
from voting_portal.common.logs import process
from voting_portal.gateways import NoSuchGateway


class Command(BaseCommand):
    help = "Hold the links of the gateway NAME and send its batches, until SIGTERM or Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="as in GATEWAYS")
        parser.add_argument("--threads", type=int, default=4, help="batches under way at once")

    def handle(self, *_args: Any, **options: Any) -> None:
        name: str = options["name"]
        told_to_end = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: told_to_end.set())
        try:
            with feeding.running(name, clock=timezone.now, threads=options["threads"]):
                process.info("%s: waiting for batches.", name)
                told_to_end.wait()
                process.info("%s: ending.", name)
        except NoSuchGateway:
            raise CommandError(f"GATEWAYS names no gateway {name}.") from None
        except feeding.CannotFeed as refusal:
            raise CommandError(str(refusal)) from None
        except ValueError as fault:
            raise CommandError(f"GATEWAYS: {name}: {fault}.") from None
        except OSError as error:
            raise CommandError(f"{name}: cannot listen: {error.strerror}.") from None
