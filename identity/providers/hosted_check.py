"""Checks on a page of the provider's own (H5): a carrier's number check, a real-name or face check.

    POST {url}/checks          {"order", "kind", "return_url", "phone" | "name", "id_type", "id_no"}
    200                        {"order", "page"}
    (the browser goes to `page` and comes back to `return_url`)
    GET  {url}/checks/{order}  200 {"order", "state": "passed"|"failed"|"open", "at": <seconds>}

Signed in both directions like the portal's own gateway dialect. What the browser brings back is
the order at most: the state is asked for, server to server. No picture of a face reaches the
portal.

Options: `label`, `check` ("number" or "face"), `url`, `secret`; a face check needs level 1 before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from django.utils import timezone

from identity.providers.protocol import (
    Attempt,
    CannotProve,
    Evidence,
    ProviderDown,
    Subject,
    read_time,
)
from voting_portal.common import waiting_places
from voting_portal.gateways import signing

TIMEOUT_SECONDS = 5
LARGEST_ANSWER = 10_000
LIFE = timedelta(minutes=30)


class HostedCheck:
    """One provider of one kind of check."""

    knows_holders = False

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name = name
        self.label = str(options["label"])
        self.check = options["check"]
        # 号码认证 is as strong as a code to the phone; a face counts beside one, never alone.
        self.level, self.needs_level = {"number": (1, 0), "face": (2, 1)}[self.check]
        self.url = options["url"].rstrip("/")
        self.secret = options["secret"]
        parts = urlsplit(options.get("page_origin", self.url))
        self.origins: tuple[str, ...] = (f"{parts.scheme}://{parts.netloc}",)

    def begin(self, attempt: Attempt, *, subject: Subject | None, back: str) -> tuple[str, Attempt]:
        if subject is None:
            raise CannotProve("nobody to check")
        asked = {
            "order": attempt.nonce,
            "kind": self.check,
            "return_url": f"{back}?state={quote(attempt.state)}",
        }
        if self.check == "number":
            asked["phone"] = subject.phone
        else:
            asked |= {
                "name": subject.name,
                "id_type": subject.id_type,
                "id_no": subject.id_number,
            }
        answer = self._ask("POST", f"{self.url}/checks", json=asked)
        page = str(answer.get("page", ""))
        # A host that only begins like the provider's is another's: hence the slash.
        is_its_own = page.startswith(tuple(f"{origin}/" for origin in self.origins))
        if answer.get("order") != attempt.nonce or not is_its_own:
            raise ProviderDown("the order was not confirmed")
        return page, replace(attempt, order=attempt.nonce)

    def finish(
        self,
        attempt: Attempt,
        answer: Mapping[str, str],  # noqa: ARG002 - nothing of it is evidence
        *,
        back: str,  # noqa: ARG002
        now: datetime,
    ) -> Evidence:
        found = self._ask("GET", f"{self.url}/checks/{quote(attempt.order)}")
        if found.get("order") != attempt.order or found.get("state") != "passed":
            raise CannotProve(f"the check is {found.get('state')!r:.20}")
        proved_at = datetime.fromtimestamp(read_time(found, "at"), UTC)
        if not -timedelta(minutes=1) <= now - proved_at <= LIFE:
            raise CannotProve("checked too long ago")
        return Evidence(self.name, self.level, proved_at, ref=attempt.order)

    def _ask(self, method: str, url: str, json: Mapping[str, str] | None = None) -> dict[str, Any]:
        """A signed request and its signed answer; ProviderDown without one that holds."""
        request = requests.Request(method, url, json=json).prepare()
        body = request.body if isinstance(request.body, bytes) else b""
        signed = body or url.encode()
        request.headers.update(signing.signed_headers(self.secret, signed, now=timezone.now()))
        with requests.Session() as session:
            session.trust_env = False
            try:
                with waiting_places.place():
                    answer = session.send(request, timeout=TIMEOUT_SECONDS, allow_redirects=False)
                if answer.status_code != 200 or len(answer.content) > LARGEST_ANSWER:
                    raise ProviderDown(f"HTTP {answer.status_code}")
                signing.check([self.secret], answer.headers, answer.content, now=timezone.now())
                found = answer.json()
            except (
                *(requests.RequestException, signing.BadSignature, ValueError),
                waiting_places.NoPlace,
            ) as error:
                raise ProviderDown(type(error).__name__) from None
        if not isinstance(found, dict):
            raise ProviderDown("no object")
        return found
