"""`./manage.py cosign_checkpoint MEETING --key FILE --name NAME`: a scrutineer signs the log."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ballots.log.checkpoints import CannotShow, cosign


class Command(BaseCommand):
    help = "Sign the newest checkpoint of a closed meeting with a scrutineer's Ed25519 key (PEM)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("meeting", type=int)
        parser.add_argument(
            "--key", type=Path, required=True, help="`openssl genpkey -algorithm ed25519`"
        )
        parser.add_argument("--name", required=True, help="of the key, e.g. lawyer.example/zhang")
        parser.add_argument("--by", default="system:command", help="who signs")

    def handle(self, *, meeting: int, key: Path, name: str, **options: Any) -> None:
        if not name.isprintable() or set(name) & set(" +,") or not name:
            raise CommandError("The name of a key has no blanks, commas or plus signs.")
        try:
            private = load_pem_private_key(key.read_bytes(), password=None)
        except (OSError, ValueError, TypeError):
            raise CommandError(f"{key} holds no private key as PEM without a password.") from None
        if not isinstance(private, Ed25519PrivateKey):
            raise CommandError(f"{key} is no Ed25519 key.")
        try:
            signed = cosign(
                meeting, name=name, private=private, by=options["by"], now=timezone.now()
            )
        except CannotShow as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(signed.note, ending="")
