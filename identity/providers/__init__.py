"""Who else may say who a holder is (身份提供方): brokers, carriers, real-name services.

The setting IDENTITY_PROVIDERS names them: `{"guotai": {"kind": "oidc", "label": "...", ...}}`.
Whatever comes back through the browser is never the evidence: a provider's `finish` checks a
signature and asks the provider, server to server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from identity.providers.hosted_check import HostedCheck
from identity.providers.oidc import OpenIdConnect
from identity.providers.protocol import Attempt, CannotProve, Evidence, Provider, Subject

__all__ = [
    "Attempt",
    "CannotProve",
    "Evidence",
    "Provider",
    "Subject",
    "provider",
    "providers",
]

KINDS: dict[str, Callable[[str, Mapping[str, Any]], Provider]] = {
    "oidc": OpenIdConnect,
    "hosted_check": HostedCheck,
}


def provider(name: str) -> Provider | None:
    """The provider of this name, or None when the settings have none."""
    options = settings.IDENTITY_PROVIDERS.get(name)
    if options is None:
        return None
    try:
        return KINDS[options["kind"]](name, options)
    except KeyError as missing:
        raise ImproperlyConfigured(f"IDENTITY_PROVIDERS: {name} lacks {missing}.") from None


def providers() -> list[Provider]:
    """All providers, in the order of the settings."""
    return [found for name in settings.IDENTITY_PROVIDERS if (found := provider(name))]
