"""What is the same for all holders is drawn once, shared through Redis, and never trusted blind."""

from __future__ import annotations

import pytest
import redis
from django.conf import settings
from django.utils.safestring import mark_safe

from voting_portal.common import fragments, quick_redis

NOWHERE = "unix:///nowhere/redis.sock"


@pytest.fixture
def store():
    return redis.Redis.from_url(settings.REDIS_URL)


class Drawing:
    """Draws, and knows how often it did."""

    def __init__(self, text: str = "<p>议案</p>") -> None:
        self.text, self.times = text, 0

    def __call__(self) -> str:
        self.times += 1
        return self.text


def test_a_fragment_is_drawn_once_in_a_process():
    drawing = Drawing()

    texts = {fragments.drawn("agenda", 1, "zh", draw=drawing) for _page in range(3)}

    assert texts == {"<p>议案</p>"}
    assert drawing.times == 1


def test_another_process_takes_it_from_redis():
    drawing = Drawing()
    fragments.drawn("agenda", 1, draw=drawing)
    fragments.forget()

    text = fragments.drawn("agenda", 1, draw=drawing)

    assert text == "<p>议案</p>"
    assert drawing.times == 1


@pytest.mark.parametrize("facts", [(2, "zh"), (1, "en"), (1, "zh", "open"), ()])
def test_whatever_it_depends_on_makes_it_another_one(facts):
    fragments.drawn("agenda", 1, "zh", draw=Drawing())
    other = Drawing("another")

    assert fragments.drawn("agenda", *facts, draw=other) == "another"
    assert other.times == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda stored: stored[:-1] + b"!",
        lambda stored: b"x" + stored[1:],
        lambda _stored: b"<script>",
        lambda _stored: b"",
    ],
    ids=["another text", "another signature", "no signature", "nothing"],
)
def test_what_somebody_else_wrote_into_redis_is_not_shown(store, change):
    fragments.drawn("agenda", 1, draw=Drawing())
    (key,) = store.scan_iter("fragment:*")
    store.set(key, change(store.get(key)))
    fragments.forget()

    assert fragments.drawn("agenda", 1, draw=Drawing()) == "<p>议案</p>"


def test_a_signed_fragment_does_not_pass_for_another(store):
    fragments.drawn("agenda", 1, draw=Drawing("old"))
    (old,) = store.scan_iter("fragment:*")
    fragments.drawn("agenda", 2, draw=Drawing("new"))
    (new,) = set(store.scan_iter("fragment:*")) - {old}
    store.set(new, store.get(old))
    fragments.forget()

    assert fragments.drawn("agenda", 2, draw=Drawing("new")) == "new"


def test_a_secret_that_was_replaced_makes_nothing_wrong(settings):
    fragments.drawn("agenda", 1, draw=Drawing())
    fragments.forget()
    settings.SECRET_KEY = "another" * 10

    assert fragments.drawn("agenda", 1, draw=Drawing()) == "<p>议案</p>"


def test_without_redis_a_process_draws_for_itself_and_asks_once(settings, monkeypatch):
    settings.REDIS_URL = NOWHERE
    asked = []
    client = quick_redis._client
    monkeypatch.setattr(quick_redis, "_client", lambda url: asked.append(url) or client(url))

    texts = [fragments.drawn("agenda", number, draw=Drawing()) for number in range(20)]

    assert set(texts) == {"<p>议案</p>"}
    assert len(asked) == 1


def test_a_fragment_in_redis_ends_by_itself(store):
    fragments.drawn("agenda", 1, draw=Drawing())

    (key,) = store.scan_iter("fragment:*")

    assert 0 < store.ttl(key) <= fragments.LASTS_SECONDS


def test_a_process_keeps_a_bounded_number(monkeypatch):
    monkeypatch.setattr(fragments, "MOST", 10)

    for number in range(100):
        fragments.drawn("agenda", number, draw=Drawing())

    kept = fragments._Kept
    assert len(kept.newer) + len(kept.older) <= 20


def test_what_is_asked_for_again_outlives_what_is_not(monkeypatch, settings):
    monkeypatch.setattr(fragments, "MOST", 10)
    settings.REDIS_URL = NOWHERE
    wanted = Drawing()

    for number in range(100):
        fragments.drawn("wanted", draw=wanted)
        fragments.drawn("agenda", number, draw=Drawing())

    assert wanted.times == 1


def test_what_is_put_in_is_escaped_unless_it_is_safe():
    page = f"<b>{fragments.mark('name')}</b>{fragments.mark('card')}{fragments.mark('name')}"

    text = fragments.filled(page, {"name": "<i>&", "card": mark_safe("<p>")})

    assert text == "<b>&lt;i&gt;&amp;</b><p>&lt;i&gt;&amp;"


def test_a_mark_that_nobody_fills_is_a_fault_and_not_a_hole():
    with pytest.raises(KeyError):
        fragments.filled(fragments.mark("name"), {})
