"""The way into a gateway's process for messages that cannot wait: one-time codes.

It takes the portal's own dialect (http_batch.py), signed, and hands what it gets to the account's
links ahead of everything that is queued. It listens on the loopback interface, unless the option
`listen` names an address that the web's containers reach over a network of their own.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import urlsplit

from django.utils import timezone

from voting_portal.gateways import signing
from voting_portal.gateways.accounts import Account
from voting_portal.gateways.protocol import Message, Outcome, Result

MOST_BODY_BYTES = 1_000_000
# Whoever sends a code waits five seconds for the answer (http_batch.py); what found no place in a
# window by then must not go out after it was said that it did not.
PATIENCE_SECONDS = 3.0

# What http_batch.py reads; an answer that says nothing certain is left out, which means unknown.
_WORDS = {
    Outcome.ACCEPTED: "accepted",
    Outcome.REJECTED: "rejected",
    Outcome.THROTTLED: "throttled",
    Outcome.NOT_SENT: "throttled",
    Outcome.MISCONFIGURED: "throttled",
}


class Intake(ThreadingHTTPServer):
    """Listens where the option `intake` says; ValueError when it says nothing that will do."""

    daemon_threads = True

    def __init__(self, account: Account, options: Mapping[str, str]) -> None:
        url = urlsplit(options["url"])
        host, _, port = options.get("listen", "").rpartition(":")
        if not host and url.hostname in ("127.0.0.1", "localhost") and url.port:
            host, port = "127.0.0.1", str(url.port)
        if not (host and port.isdecimal()):
            raise ValueError(
                f"intake: {options['url']} is not http://127.0.0.1:PORT, and no `listen` says "
                "ADDRESS:PORT"
            )
        super().__init__((host, int(port)), _Handler)
        self.account = account
        self.secrets = [secret for n in ("secret", "old_secret") if (secret := options.get(n))]
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server_version, sys_version = "intake", ""
    timeout = 10

    def do_POST(self) -> None:
        intake = cast(Intake, self.server)
        length = self.headers.get("Content-Length") or ""
        if self.path != "/messages" or not length.isdecimal() or int(length) > MOST_BODY_BYTES:
            self._answer(404)
            return
        body = self.rfile.read(int(length))
        headers = cast(Mapping[str, str], self.headers)
        try:
            signing.check(intake.secrets, headers, body, now=timezone.now())
            messages = [Message(str(m["id"]), m["to"], m["text"]) for m in json.loads(body)]
        except signing.BadSignature:
            self._answer(401)
        except (ValueError, KeyError, TypeError):
            self._answer(400)
        else:
            results = intake.account.send(messages, is_urgent=True, patience=PATIENCE_SECONDS)
            items = [_item(r) for r in results if r.outcome is not Outcome.UNKNOWN]
            self._answer(200, json.dumps(items).encode())

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Requests are not logged: the account logs its links."""

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _item(result: Result) -> dict[str, str]:
    word = _WORDS[result.outcome]
    return {"id": result.ref, "status": word, "ref": result.gateway_ref, "code": result.reason}
