"""Run the gateway simulator with its simulated handset (development only)."""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from voting_portal.gateways.simulator.carriers import hire
from voting_portal.gateways.simulator.server import Simulator
from voting_portal.gateways.simulator.sockets import carriers_of


class Command(BaseCommand):
    help = "Take messages like a carrier and show them on a simulated handset, until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        port = urlsplit(settings.SIMULATOR_URL).port
        parser.add_argument("--port", type=int, default=port, help="default: of SIMULATOR_URL")
        parser.add_argument(
            "--portal", default=settings.PUBLIC_URL, help="where receipts go; default: PUBLIC_URL"
        )
        parser.add_argument(
            "--inbox", type=Path, default=settings.BASE_DIR / ".data" / "simulator.sqlite3"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        if settings.IS_PRODUCTION:
            raise CommandError("The simulator shows everybody's messages: not in production.")
        port: int = options["port"] or 0
        try:
            simulator = Simulator(
                port,
                options["inbox"],
                secret=settings.GATEWAYS["sms"]["secret"],
                receipt_url=options["portal"] + reverse("notifications:receipts", args=["sms"]),
            )
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise CommandError(
                f"Port {port} is taken, perhaps by another simulator. End that one, or choose "
                "another port with SIMULATOR_URL=http://127.0.0.1:PORT for all processes."
            ) from None
        simulator.others = hire(
            settings.GATEWAYS,
            simulator_url=settings.SIMULATOR_URL,
            portal=options["portal"],
            inbox=simulator.inbox,
        )
        with simulator, contextlib.ExitStack() as carriers:
            for name, carrier in carriers_of(settings.GATEWAYS, simulator.carrier):
                carrier.open()
                carriers.callback(carrier.close)
                self.stdout.write(f"The carrier of {name} listens at 127.0.0.1:{carrier.port}")
            self.stdout.write(f"The simulated handset is at {simulator.url}/")
            self.stdout.flush()
            try:
                simulator.serve_forever()
            except KeyboardInterrupt:
                self.stdout.write("Stopped; the messages are kept.")
