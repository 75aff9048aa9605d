"""Who may post a receipt, before a byte of it is read: the address it came to, and from where.

Dialects that sign nothing rely on it alone, so a gateway of theirs must have a `receipt_key`: 24 or
more characters of its own in the address, which nobody guesses. Where a carrier names the addresses
that it posts from, `receipt_addresses` lists them (`["203.0.113.0/24"]`), in any dialect.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from voting_portal.gateways import gateway
from voting_portal.gateways.protocol import CanGreet, NotFromGateway, ReceiptAnswer

SIGNED = {"http_batch", "webhook", "botmessage", "openchatbot", "kannel"}
LEAST_KEY_CHARACTERS = 24
KEY = re.compile(r"[\w-]+", re.ASCII)


def admit(name: str, *, key: str, address: str) -> None:
    """NotFromGateway unless the post came to the right address and from one of the carrier's.

    A gateway that does not exist admits nobody. ImproperlyConfigured as `check_rules`.
    """
    check_rules(name)
    options = _options(name)
    expected = str(options.get("receipt_key", ""))
    if not hmac.compare_digest(expected.encode(), key.encode()):
        raise NotFromGateway("it came to a wrong address")
    networks = options.get("receipt_addresses") or ()
    if networks and not _is_within(address, networks):
        raise NotFromGateway("it came from a foreign address")


def check_rules(name: str) -> None:
    """ImproperlyConfigured when the rules of a gateway's receipts let in anybody, or nobody."""
    options = _options(name)
    key = str(options.get("receipt_key", ""))
    if options and not key and options["dialect"] not in SIGNED:
        raise ImproperlyConfigured(f"GATEWAYS: {name} signs nothing and lacks a receipt_key.")
    if key and (len(key) < LEAST_KEY_CHARACTERS or not KEY.fullmatch(key)):
        raise ImproperlyConfigured(
            f"GATEWAYS: the receipt_key of {name} must be {LEAST_KEY_CHARACTERS} or more letters, "
            "digits, - and _."
        )
    for network in options.get("receipt_addresses") or ():
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise ImproperlyConfigured(f"GATEWAYS: receipt_addresses of {name}: {error}.") from None


def greet(name: str, *, headers: Mapping[str, str], now: datetime) -> ReceiptAnswer:
    """The answer to a carrier that looks whether the address is ours; NotFromGateway for others."""
    known = gateway(name)
    if not isinstance(known, CanGreet):
        raise NotFromGateway("this carrier does not look")
    return known.greet(headers, now=now)


def _options(name: str) -> Mapping[str, Any]:
    return settings.GATEWAYS.get(name) or {}


def _is_within(address: str, networks: list[str]) -> bool:
    try:
        caller = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(caller in ipaddress.ip_network(network) for network in networks)
