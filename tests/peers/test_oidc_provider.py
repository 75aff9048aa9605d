"""A holder logs in at a provider that was written by others: oidc-provider, under Node.js."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
import requests
from django.conf import settings as portal
from django.urls import reverse
from joserfc.jwk import ECKey

from identity.models import Assertion
from tests.factories import make_holder, make_meeting
from tests.handset import handset
from tests.identity.providers.test_oidc import level, open_link

__all__ = ["handset"]
MODULES = Path(portal.BASE_DIR) / ".data" / "peers" / "node_modules"
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        not (MODULES / "oidc-provider").exists(),
        reason="LEFT OUT: oidc-provider is not installed; `make peers` does",
    ),
]


@pytest.fixture
def key():
    return ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)


@pytest.fixture
def issuer(key, settings, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    back = settings.PUBLIC_URL + reverse("identity:provider-back", args=["peer"])
    script = tmp_path / "broker.mjs"
    script.write_text(Path(__file__).with_name("broker.mjs").read_text())
    (tmp_path / "node_modules").symlink_to(MODULES)
    public = json.dumps(key.as_dict(private=False))
    with subprocess.Popen(
        ["node", str(script), str(port), public, back],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "listening" in process.stdout.readline()
        url = f"http://127.0.0.1:{port}"
        settings.IDENTITY_PROVIDERS = {
            "peer": {
                "kind": "oidc",
                "label": "Peer",
                "issuer": url,
                "authorization_endpoint": f"{url}/auth",
                "token_endpoint": f"{url}/token",
                "par_endpoint": f"{url}/request",
                "jwks_uri": f"{url}/jwks",
                "client_id": "portal",
                "private_key": key.as_dict(private=True),
                "algorithms": ["RS256"],
            }
        }
        yield url
        process.terminate()


def log_in(address: str, account: str) -> str:
    """Walk through the provider's pages like a person; the address that leads back to us."""
    browser = requests.Session()
    browser.trust_env = False
    answer = browser.get(address, allow_redirects=False, timeout=10)
    for _page in range(12):
        if to := answer.headers.get("Location"):
            to = urljoin(answer.url, to)
            if "/with/peer/back" in to:
                return to
            answer = browser.get(to, allow_redirects=False, timeout=10)
            continue
        action = re.search(r'action="([^"]+)"', answer.text)
        prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
        assert action, answer.text
        assert prompt, answer.text
        words = {"prompt": prompt[1], "login": account, "password": "any"}
        answer = browser.post(
            urljoin(answer.url, action[1]), words, allow_redirects=False, timeout=10
        )
    raise AssertionError("the provider's pages lead nowhere")


def test_a_customer_of_the_broker_may_vote(client, issuer, handset):
    holder = make_holder(make_meeting())
    open_link(client, holder)

    sent = client.post(reverse("identity:provider-begin", args=[holder.meeting_id, "peer"]))
    back = urlsplit(log_in(sent.headers["Location"], "A000000001"))
    response = client.get(f"{back.path}?{back.query}")

    assert sent.headers["Location"].startswith(f"{issuer}/auth?client_id=portal&request_uri=urn")
    assert response.headers["Location"] == reverse("ballots:ballot", args=[holder.meeting_id])
    assert level(client, holder) == 2
    assert Assertion.objects.get().holder_id == holder.pk


def test_a_customer_who_is_somebody_else_may_not(client, issuer, handset):
    holder = make_holder(make_meeting())
    open_link(client, holder)

    sent = client.post(reverse("identity:provider-begin", args=[holder.meeting_id, "peer"]))
    back = urlsplit(log_in(sent.headers["Location"], "A000000002"))
    response = client.get(f"{back.path}?{back.query}")

    assert response.status_code == 422
    assert level(client, holder) == 0
