"""Brokers as identity providers (认证互联互通): OpenID Connect, code flow with PKCE.

The portal proves itself by private_key_jwt and, where the broker offers it, pushes the request
beforehand. Whoever comes back is told by the securities account in the ID token, which is looked up
by its blind index, never by name.

Options: `label`, `issuer`, `authorization_endpoint`, `token_endpoint`, `jwks_uri`, `client_id`,
`private_key` (PEM, or a JWK as an object); if need be `par_endpoint`, `algorithms`,
`signing_algorithm`, `acr_values`, `max_age` (seconds), `account_claim`, `sends_iss`, `scope`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from identity.providers.id_token import Expected, proved_at, read_id_token
from identity.providers.protocol import (
    Attempt,
    CannotProve,
    Evidence,
    ProviderDown,
    Subject,
)
from voting_portal.common import waiting_places

TIMEOUT_SECONDS = 5
KEYS_KEPT_SECONDS = 300
KEYS_ASKED_AGAIN_AFTER_SECONDS = 10
LARGEST_ANSWER = 200_000
_keys: dict[str, tuple[float, KeySet]] = {}
_reading = threading.Lock()


class OpenIdConnect:
    """One broker."""

    level = 2
    needs_level = 0
    knows_holders = True

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name = name
        self.label = str(options["label"])
        self.issuer = options["issuer"]
        self.authorization_endpoint = options["authorization_endpoint"]
        self.token_endpoint = options["token_endpoint"]
        self.jwks_uri = options["jwks_uri"]
        self.par_endpoint = options.get("par_endpoint", "")
        self.client_id = options["client_id"]
        self.private_key = options["private_key"]
        self.signing_algorithm = options.get("signing_algorithm", "ES256")
        self.algorithms = tuple(options.get("algorithms", ("ES256",)))
        self.acr_values = tuple(options.get("acr_values", ()))
        self.max_age = int(options.get("max_age", 300))
        self.account_claim = options.get("account_claim", "securities_account")
        self.sends_iss = bool(options.get("sends_iss", True))
        self.scope = options.get("scope", "openid")
        self.origins: tuple[str, ...] = (_origin(self.authorization_endpoint),)

    def begin(
        self,
        attempt: Attempt,
        *,
        subject: Subject | None,  # noqa: ARG002 - a broker is told nothing of the holder
        back: str,
    ) -> tuple[str, Attempt]:
        words = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": back,
            "scope": self.scope,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "max_age": str(self.max_age),
            "code_challenge": create_s256_code_challenge(attempt.verifier),
            "code_challenge_method": "S256",
        }
        if self.acr_values:
            words["acr_values"] = " ".join(self.acr_values)
        if self.par_endpoint:
            words = {"client_id": self.client_id, "request_uri": self._push(words)}
        glue = "&" if "?" in self.authorization_endpoint else "?"
        return f"{self.authorization_endpoint}{glue}{urlencode(words)}", attempt

    def finish(
        self, attempt: Attempt, answer: Mapping[str, str], *, back: str, now: datetime
    ) -> Evidence:
        # RFC 9207: the answer names who gives it, so that none is taken for another's.
        if self.sends_iss and answer.get("iss") != self.issuer:
            raise CannotProve("the answer is another issuer's")
        if "error" in answer or not answer.get("code"):
            raise CannotProve("the provider refused")
        token = self._exchange(answer["code"], verifier=attempt.verifier, back=back)
        expected = Expected(
            issuer=self.issuer,
            client_id=self.client_id,
            nonce=attempt.nonce,
            algorithms=self.algorithms,
            max_age=self.max_age,
            acr_values=self.acr_values,
        )
        claims = self._read(token, expected, now=now)
        account = claims.get(self.account_claim)
        if not isinstance(account, str) or not account or not account.isascii():
            raise CannotProve("no securities account")
        return Evidence(
            provider=self.name,
            level=self.level,
            proved_at=proved_at(claims),
            ref=attempt.nonce,  # ours and in the token: one answer to one question
            account=account,
        )

    def _push(self, words: Mapping[str, str]) -> str:
        """Send the request beforehand (RFC 9126); what stands for it in the address."""
        with self._client() as client:
            try:
                with waiting_places.place():
                    answer = client.post(
                        self.par_endpoint,
                        data=words,
                        auth=client.client_auth("private_key_jwt"),
                        withhold_token=True,
                        allow_redirects=False,
                        timeout=TIMEOUT_SECONDS,
                    )
                pushed = answer.json()["request_uri"] if answer.status_code == 201 else None
            except (
                *(requests.RequestException, AuthlibBaseError, ValueError, KeyError),
                waiting_places.NoPlace,
            ) as error:
                raise ProviderDown(type(error).__name__) from None
        if not isinstance(pushed, str):
            raise ProviderDown(f"HTTP {answer.status_code} to the pushed request")
        return pushed

    def _exchange(self, code: str, *, verifier: str, back: str) -> str:
        """The ID token for a code, fetched from the provider itself."""
        with self._client() as client:
            try:
                with waiting_places.place():
                    token = client.fetch_token(
                        self.token_endpoint,
                        grant_type="authorization_code",
                        code=code,
                        redirect_uri=back,
                        code_verifier=verifier,
                        allow_redirects=False,
                        timeout=TIMEOUT_SECONDS,
                    )
            except (requests.RequestException, waiting_places.NoPlace) as error:
                raise ProviderDown(type(error).__name__) from None
            except (AuthlibBaseError, ValueError) as error:
                raise CannotProve(f"no token: {type(error).__name__}") from None
        found = token.get("id_token")
        if not isinstance(found, str):
            raise CannotProve("no ID token")
        return found

    def _read(self, token: str, expected: Expected, *, now: datetime) -> Mapping[str, Any]:
        """The token's claims; keys that were kept are asked for again when none of them fits."""
        keys, is_fresh = self._published_keys(older_than=KEYS_KEPT_SECONDS)
        try:
            return read_id_token(token, keys, expected, now=now)
        except CannotProve:
            if is_fresh:
                raise
        keys, is_fresh = self._published_keys(older_than=KEYS_ASKED_AGAIN_AFTER_SECONDS)
        return read_id_token(token, keys, expected, now=now)

    def _published_keys(self, *, older_than: float) -> tuple[KeySet, bool]:
        """The provider's keys, and whether they were fetched just now."""
        if kept := self._kept_keys(older_than):
            return kept, False
        try:
            with waiting_places.place(), _reading:
                if kept := self._kept_keys(older_than):  # another has read them meanwhile
                    return kept, False
                answer = requests.get(self.jwks_uri, timeout=TIMEOUT_SECONDS, allow_redirects=False)
                if answer.status_code != 200 or len(answer.content) > LARGEST_ANSWER:
                    raise ProviderDown(f"HTTP {answer.status_code} for keys")
                found = KeySet.import_key_set(answer.json())
                _keys[self.jwks_uri] = time.monotonic(), found
                return found, True
        except (
            *(requests.RequestException, JoseError, ValueError, KeyError),
            waiting_places.NoPlace,
        ) as error:
            raise ProviderDown(type(error).__name__) from None

    def _kept_keys(self, older_than: float) -> KeySet | None:
        read_at, kept = _keys.get(self.jwks_uri, (float("-inf"), None))
        return kept if time.monotonic() - read_at <= older_than else None

    def _client(self) -> OAuth2Session:
        client = OAuth2Session(
            self.client_id,
            _private_key(self.private_key, self.signing_algorithm),
            token_endpoint_auth_method="private_key_jwt",  # noqa: S106 - the method's name
        )
        client.trust_env = False
        method = PrivateKeyJWT(self.token_endpoint, alg=self.signing_algorithm)
        client.register_client_auth_method(method)
        return client


def _private_key(key: str | dict[str, str], algorithm: str) -> ECKey | RSAKey | OKPKey:
    kinds: dict[str, Any] = {"ES": ECKey, "RS": RSAKey, "PS": RSAKey, "Ed": OKPKey}
    found: ECKey | RSAKey | OKPKey = kinds[algorithm[:2]].import_key(key)
    return found


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
