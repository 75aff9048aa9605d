"""Pressing twice, on two phones or after going back, casts once and shows one confirmation."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

from drills import Outcome
from drills.history import Answer, Said
from drills.load import side_by_side
from drills.phones import Phone
from drills.scene import Scene

PRESSES = 6
HOLDERS_QUICK, HOLDERS_FULL = 12, 100


def run(scene: Scene) -> Outcome:
    """Each holder's ballot is sent by several phones at the same moment, with different choices."""
    outcome = Outcome()
    load = scene.load("double_submits")
    first = load.verified(HOLDERS_QUICK if scene.is_quick else HOLDERS_FULL)
    different = 0
    for phone in first:
        answers = _press_together(phone)
        for said in answers:
            scene.history.add(said)
        codes = {said.code for said in answers if said.answer is Answer.ACKNOWLEDGED}
        outcome.expect(len(codes) == 1, f"TWICE: {len(codes)} codes for one holder")
        outcome.expect(
            all(said.answer is Answer.ACKNOWLEDGED for said in answers),
            f"of {PRESSES} presses some got no confirmation: {[s.why for s in answers if s.why]}",
        )
        different += len({str(said.choices) for said in answers}) > 1
    again: list[Phone] = [load.phone(phone.person) for phone in first]
    codes_again: list[str] = []
    side_by_side(lambda phone: codes_again.append(phone.open_link()), again, threads=4)
    outcome.expect(all(codes_again), "a link opened again does not show the confirmation code")
    presses = len(first) * PRESSES
    outcome.did = (
        f"{len(first)} holders, {presses} casts in one moment each, {different} contradicting"
    )
    return outcome


def _press_together(phone: Phone) -> list[Said]:
    """All presses start at a barrier; every second one wants the opposite."""
    together = Barrier(PRESSES)

    def press(number: int) -> Said:
        person = phone.person
        if number % 2:
            turned = {"FOR": "AGAINST", "AGAINST": "FOR"}
            person = replace(
                person,
                fields={name: turned.get(value, value) for name, value in person.fields.items()},
                choices={
                    motion: turned.get(choice, choice) if isinstance(choice, str) else choice
                    for motion, choice in person.choices.items()
                },
            )
        copy = Phone(person, phone.portal, phone.simulator, drill=phone.drill)
        copy.cookies, copy._mark = dict(phone.cookies), phone._mark
        copy.open_link()
        together.wait()
        return copy.cast()

    with ThreadPoolExecutor(PRESSES) as pool:
        return list(pool.map(press, range(PRESSES)))
