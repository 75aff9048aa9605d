"""A broker's identity provider on the loopback interface, honest unless told otherwise."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

Token = Callable[["Broker", dict[str, Any]], str]


def signed(broker: Broker, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "ES256", "kid": broker.key.kid}, claims, broker.key)


class Broker:
    """Who logs in has `account`; `token` makes the ID token, `claims` changes what it says."""

    def __init__(self, url: str, client_key: ECKey) -> None:
        self.url, self.client_key = url, client_key
        self.key = ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True)
        self.account = "A000000001"
        self.claims: dict[str, Any] = {}
        self.token: Token = signed
        self.iss: str | None = url
        self.pushed: dict[str, dict[str, str]] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.is_down = False
        self.asked_for_keys = 0

    def options(self, **changed: Any) -> dict[str, Any]:
        """As the portal's settings name this broker."""
        return {
            "kind": "oidc",
            "label": "测试证券",
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "client_id": "portal",
            "private_key": self.client_key.as_dict(private=True),
        } | changed

    def push(self, words: dict[str, str]) -> dict[str, str]:
        self._check_client(words)
        name = f"urn:{secrets.token_hex(8)}"
        self.pushed[name] = words
        return {"request_uri": name, "expires_in": "60"}

    def authorize(self, words: dict[str, str]) -> str:
        """Where the browser goes once the person has logged in."""
        if pushed := words.get("request_uri"):
            words = self.pushed.pop(pushed)
        code = secrets.token_urlsafe(16)
        self.codes[code] = words
        answer = {"code": code, "state": words["state"]}
        if self.iss:
            answer["iss"] = self.iss
        return f"{words['redirect_uri']}?{urlencode(answer)}"

    def exchange(self, words: dict[str, str]) -> dict[str, str]:
        self._check_client(words)
        asked = self.codes.pop(words["code"])  # a code works once
        digest = hashlib.sha256(words["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        assert asked["code_challenge"] == challenge
        assert asked["redirect_uri"] == words["redirect_uri"]
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": "portal",
            "sub": "customer-1",
            "nonce": asked["nonce"],
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
            "securities_account": self.account,
        } | self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        token = self.token(self, claims)
        return {"access_token": "x", "token_type": "Bearer", "id_token": token}

    def _check_client(self, words: dict[str, str]) -> None:
        """private_key_jwt, RFC 7523."""
        assert words["client_assertion_type"].endswith("jwt-bearer")
        read = jwt.decode(words["client_assertion"], self.client_key, algorithms=["ES256"])
        assert read.claims["iss"] == read.claims["sub"] == "portal"
        assert read.claims["aud"].startswith(self.url)


@contextmanager
def serving_broker() -> Iterator[Broker]:
    """A broker that answers on a port of its own until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path)
            if path.path == "/jwks":
                broker.asked_for_keys += 1
                self._say(KeySet([broker.key]).as_dict(private=False))
            else:
                words = {name: values[0] for name, values in parse_qs(path.query).items()}
                self.send_response(303)
                self.send_header("Location", broker.authorize(words))
                self.end_headers()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            words = {name: values[0] for name, values in parse_qs(body).items()}
            try:
                if self.path == "/par":
                    self._say(broker.push(words), status=201)
                else:
                    self._say(broker.exchange(words))
            except (AssertionError, KeyError):
                self._say({"error": "invalid_grant"}, status=400)

        def _say(self, answer: dict[str, Any], status: int = 200) -> None:
            body = json.dumps(answer).encode()
            self.send_response(503 if broker.is_down else status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        broker = Broker(f"http://127.0.0.1:{server.server_port}", ECKey.generate_key("P-256"))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        yield broker
        server.shutdown()
