"""Holders who vote all the while: a few phones at a time, one after the other, without an end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from drills.history import Answer, History, Said
from drills.people import Crowd
from drills.phones import Person, Phone

Item = TypeVar("Item")
AFTER_FAILURE = 0.5  # seconds
NO_ANSWER = (Answer.UNSENT, Answer.UNKNOWN, Answer.TOLD)
ASK_AGAIN = 6  # times, a second apart, before a holder gives up


@dataclass
class Load:
    """What the phones of a drill do and saw; `history` has what their holders were told."""

    crowd: Crowd
    history: History
    portal: tuple[str, int]
    simulator: str
    drill: str
    failures: list[str] = field(default_factory=list)
    seconds: list[tuple[str, float]] = field(default_factory=list)  # of every step that was taken
    _unsettled: list[Phone] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def phone(self, person: Person) -> Phone:
        return Phone(person, self.portal, self.simulator, drill=self.drill)

    @contextmanager
    def running(self, phones: int = 6, *, pause: float = 0.0) -> Iterator[None]:
        """Holders come until the block ends; those under way are let finish."""
        over = threading.Event()

        def come() -> None:
            while not over.is_set() and (person := self.crowd.next()):
                phone = self.phone(person)
                said = phone.vote()
                self.note(phone, said)
                # Where nothing works people do not come by the hundred a second.
                over.wait(AFTER_FAILURE if said.answer in NO_ANSWER else pause)

        threads = [threading.Thread(target=come) for _ in range(phones)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def note(self, phone: Phone, said: Said) -> None:
        """Keep an answer; a holder who got none will ask again."""
        self.history.add(said)
        with self._lock:
            self.failures += phone.failures
            phone.failures = []
            self.seconds += phone.seconds.items()
            phone.seconds = {}
            if said.answer in NO_ANSWER:
                self._unsettled.append(phone)

    def verified(self, number: int) -> list[Phone]:
        """Holders who stand before their reviewed ballot, in a verified session."""
        ready: list[Phone] = []

        def prepare(person: Person) -> None:
            phone = self.phone(person)
            phone.open_link()
            phone.verify()
            phone.fill_in()
            phone.hang_up()
            ready.append(phone)

        side_by_side(prepare, self.crowd.take(number), threads=6)
        return ready

    def settle(self) -> int:
        """Everybody without an answer asks again until there is one; how many did."""
        phones, self._unsettled = self._unsettled, []

        def ask_again(phone: Phone) -> None:
            for _try in range(ASK_AGAIN):
                said = phone.vote()
                if said.answer not in NO_ANSWER:
                    break
                time.sleep(1)
            phone.failures = []
            self.note(phone, said)

        side_by_side(ask_again, phones, threads=6)
        return len(phones)


def side_by_side(act: Callable[[Item], None], items: Iterable[Item], *, threads: int) -> None:
    """Do it for each item, so many at a time; the first failure is raised at the end."""
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(act, item) for item in items]:
            done.result()
