"""The environment, read once by the settings; `.env.example` lists every variable.

In development every variable has a working default. In production (`PORTAL_ENV=production`)
a missing or weak value stops the start with a sentence that says what to set. Any variable NAME may
come from a file instead, whose path is in NAME_FILE: secrets are mounted, not written down.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

# NAME_FILE -> path, of every variable that came from a file; checks.py looks at who may read them.
files_read: dict[str, str] = {}

IS_PRODUCTION = os.environ.get("PORTAL_ENV", "development") == "production"


def optional(name: str, default: str = "") -> str:
    """The variable's text, or that of the file in NAME_FILE, or `default`."""
    text = os.environ.get(name, "").strip()
    file = os.environ.get(f"{name}_FILE", "").strip()
    if not text and file:
        try:
            text = Path(file).read_text().strip()
        except OSError as error:
            raise ImproperlyConfigured(
                f"{name}_FILE: cannot read {file}: {error.strerror}."
            ) from None
        files_read[f"{name}_FILE"] = file
    return text or default


def required(name: str, *, development: str = "") -> str:
    """The variable's text; in production it must be set, else `development` serves."""
    value = optional(name)
    if value:
        return value
    if IS_PRODUCTION:
        raise ImproperlyConfigured(f"{name} must be set in production; see .env.example.")
    return development


def secret(name: str, *, development: str) -> str:
    """A secret of at least 50 characters."""
    value = required(name, development=development)
    if len(value) < 50 or len(set(value)) < 10:
        raise ImproperlyConfigured(f"{name} is weak: give it 50 random characters or more.")
    return value


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in optional(name, default).split(",") if word.strip()]


def switch(name: str, *, default: bool) -> bool:
    """`on` or `off`."""
    value = optional(name, "on" if default else "off").lower()
    if value not in {"on", "off"}:
        raise ImproperlyConfigured(f"{name} must be on or off, not {value!r}.")
    return value == "on"


def number(name: str, default: int) -> int:
    value = optional(name, str(default))
    if not value.isdigit():
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.")
    return int(value)


def identity_providers(name: str) -> dict[str, dict[str, Any]]:
    """Identity providers as JSON: `{"broker": {"kind": "oidc", "label": "...", ...}}`."""
    text = optional(name, "{}")
    try:
        named: dict[str, dict[str, Any]] = json.loads(text)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is not JSON: {error}.") from None
    addresses = ("url", "page_origin", "issuer", "authorization_endpoint", "token_endpoint")
    for provider, options in named.items():
        if missing := {"kind", "label"} - options.keys():
            raise ImproperlyConfigured(f"{name}: {provider} lacks {', '.join(sorted(missing))}.")
        for key in (*addresses, "jwks_uri", "par_endpoint"):
            if IS_PRODUCTION and not options.get(key, "https://").startswith("https://"):
                raise ImproperlyConfigured(f"{name}: {provider}: {key} must be https://.")
    return named


def origins(providers: dict[str, dict[str, Any]]) -> list[str]:
    """Where browsers are sent to by identity providers' options, as the pages' policy names it."""
    pages = (
        options.get("authorization_endpoint") or options.get("page_origin") or options["url"]
        for options in providers.values()
    )
    return sorted({"{0.scheme}://{0.netloc}".format(urlsplit(page)) for page in pages})


def gateways(name: str, *, simulator: str) -> dict[str, dict[str, Any]]:
    """Gateways as JSON: `{"sms": {"dialect": "...", "url": "...", ...}}`.

    Unset in development, one of each kind leads to the simulator.
    """
    text = optional(name)
    if not text:
        if IS_PRODUCTION:
            raise ImproperlyConfigured(f"{name} must be set in production; see .env.example.")
        return _simulated(simulator)
    try:
        named: dict[str, dict[str, Any]] = json.loads(text)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is not JSON: {error}.") from None
    for gateway, options in named.items():
        if missing := {"dialect", "url", "rate"} - options.keys():
            raise ImproperlyConfigured(f"{name}: {gateway} lacks {', '.join(sorted(missing))}.")
    return named


def _simulated(simulator: str) -> dict[str, dict[str, Any]]:
    """A checkout's own gateways: SMS, 5G messages, 5G阅信, a broker's app (docs/gateways.md)."""
    secret = "development-only-" + "simulator"
    words = {"name": "简称", "code": "代码"}
    return {
        "sms": {"dialect": "http_batch", "url": simulator, "secret": secret, "rate": 5_000},
        "rcs": {
            "dialect": "botmessage",
            "url": f"{simulator}/rcs",
            "chatbot_id": "sip:106500@botplatform.example",
            "app_id": "development",
            "app_key": secret,
            "receipt_token": secret,
            "receipt_key": secret,
            "rate": 500,
        },
        "card": {
            "dialect": "yuexin",
            "url": f"{simulator}/card",
            "access_key_id": "development",
            "access_key_secret": secret,
            "sign_name": "上证信息",
            "templates": [{"code": "600000001", "words": words}],
            "sms_template": {"code": "15010661", "words": words},
            "channel_number": "8822053111111",
            "app_name": "portal",
            "receipt_key": secret,
            "rate": 1_000,
        },
        "app": {
            "dialect": "webhook",
            "url": f"{simulator}/app",
            "secret": secret,
            "phone_key": secret,
            "rate": 5_000,
        },
    }
