"""The report of a verification: as text that a lawyer reads, and as JSON for machines."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

from ballot_verifier.findings import Failure
from ballot_verifier.notes import Key
from ballot_verifier.policies import VALUES
from ballot_verifier.switches import SWITCHES
from ballot_verifier.verifying import Report, Step
from ballot_verifier.wording import FAULTS, REASONS, STEPS, WORDS, say
from ballot_verifier.work import TOTALS

FORMAT = "ballot-verifier/v1 report"


def as_text(report: Report, language: str) -> str:
    """The report in Chinese or English, a line a finding."""
    lines = [
        *_head(report, language),
        "",
        *_steps(report, language),
        "",
        *_rules(report, language),
        "",
        *_result(report, language),
        _conclusion(report, language),
    ]
    return "".join(f"{_plain(line)}\n" for line in lines)


def as_json(report: Report) -> dict[str, Any]:
    """The same, for machines; indexes are those of the log."""
    last = report.checkpoint
    return {
        "format": FORMAT,
        "outcome": "good" if report.is_good else "bad",
        "kind": report.kind,
        "origin": report.origin,
        "meeting": report.facts,
        "is_key_given": bool(report.given),
        "keys": [
            {"key": key.line, "first": first, "last": last, "is_given": key in report.given}
            for key, first, last in _reigns(report)
        ],
        "checkpoint": None
        if last is None
        else {"size": last.size, "root": last.root.hex(), "hash": _hash(report)},
        "cosigned_by": list(report.cosigned_by),
        "entries": report.leaves,
        **report.figures,
        "policies": dict(report.policies),
        "steps": [
            {
                "number": step.number,
                "name": STEPS[step.number][0][1],
                "status": step.status,
                "checked": step.checked,
                "failed": step.failed,
                "failures": [
                    {"reason": f.reason, "index": f.index, "place": f.place, **f.values}
                    for f in step.failures
                ],
            }
            for step in report.steps
        ],
    }


def groups_of(digest: bytes) -> str:
    """A hash as it is printed: eight groups of eight hex digits."""
    text = digest.hex()
    return " ".join(text[start : start + 8] for start in range(0, len(text), 8))


def _hash(report: Report) -> str:
    last = report.checkpoint
    assert last is not None
    text = f"{last.origin}\n{last.size}\n{base64.b64encode(last.root).decode()}\n"
    return hashlib.sha256(text.encode()).hexdigest()


def _reigns(report: Report) -> list[tuple[Key, int, int]]:
    """The log's keys with the first and last size that each has signed; 0 for the end."""
    starts = [1, *report.ends]
    return list(zip(report.keys, starts, [*report.ends, 0], strict=False))


def _head(report: Report, language: str) -> Iterator[str]:
    def word(name: str, **values: object) -> str:
        return say(WORDS, name, language, **values)

    facts = report.facts
    yield word("title")
    yield ""
    yield f"{word('issuer')}: {facts['issuer']} ({facts['security_code']})"
    yield f"{word('meeting')}: {facts['title']}"
    yield f"{word('date')}: {facts['meeting_date']}"
    yield f"{word('log')}: {report.origin}"
    yield f"{word('kind')}: {word(report.kind)}"
    figures = {name: f"{number:,}" for name, number in report.figures.items()}
    yield f"{word('leaves')}: " + word("leaves_of", leaves=f"{report.leaves:,}", **figures)
    if "holders" in figures:
        yield f"{word('holders')}: {figures['holders']}"
    if report.checkpoint is not None:
        yield f"{word('root')}: {groups_of(report.checkpoint.root)}"
        yield f"{word('hash')}: {groups_of(bytes.fromhex(_hash(report)))}"
    yield f"{word('cosigned')}: {', '.join(report.cosigned_by) or word('nobody')}"
    for key, first, last in _reigns(report):
        source = "given" if key in report.given else "handed" if report.given else "taken"
        line = f"{word(f'key_{source}')}: {key.name}+{key.id.hex()}"
        if report.ends:
            line += word("key_until" if last else "key_from", first=f"{first:,}", last=f"{last:,}")
        yield line
    if not report.given:
        yield word("key_warning")


def _steps(report: Report, language: str) -> Iterator[str]:
    place = 0 if language == "zh" else 1
    for step in report.steps:
        name, meaning = STEPS[step.number]
        status = say(WORDS, step.status, language)
        line = f"{step.number}. {name[place]}: {status}"
        if step.status != "not_done":
            line += f" ({say(WORDS, 'checked', language, number=f'{step.checked:,}')})"
        yield line
        yield f"   {meaning[place]}"
        yield from _failures(step, language)


def _failures(step: Step, language: str) -> Iterator[str]:
    for failure in step.failures:
        yield f"   ✗ {_sentence(failure, language)}"
    if step.failed > len(step.failures):
        more = step.failed - len(step.failures)
        yield f"   {say(WORDS, 'more', language, number=f'{more:,}')}"


def _sentence(failure: Failure, language: str) -> str:
    values = dict(failure.values)
    if "fault" in values:
        values["fault"] = say(FAULTS, values["fault"], language)
    sentence = say(REASONS, failure.reason, language, **values)
    places = [failure.place] if failure.place else []
    if failure.index is not None:
        places.append(say(WORDS, "leaf", language, index=failure.index))
    return ": ".join([*places, sentence])


def _rules(report: Report, language: str) -> Iterator[str]:
    """The switches of the meeting, as its agenda has them; what is not the default says so."""
    place = 0 if language == "zh" else 1
    yield say(WORDS, "counted_by" if report.kind == "auditor" else "rules", language)
    for name, (meaning, values) in SWITCHES.items():
        value = report.policies[name]
        line = f"  {meaning[place]}: {values[value][place]}"
        yield line if value == VALUES[name][0] else line + say(WORDS, "chosen", language)


def _result(report: Report, language: str) -> Iterator[str]:
    """The announced figures, in short; they are only read once their form was found right."""
    totals = next(step for step in report.steps if step.number == TOTALS)
    if report.totals is None or totals.status != "passed":
        return
    yield say(WORDS, "recounted" if report.kind == "auditor" else "result", language)
    try:
        yield from _figures(report.totals, language)
    except (KeyError, TypeError, AttributeError):
        return
    yield ""


def _figures(totals: dict[str, Any], language: str) -> Iterator[str]:
    attendance = totals["attendance"]
    figures = {n: f"{attendance[n]:,}" for n in ("holders", "votes")}
    yield "  " + say(WORDS, "attendance", language, ratio=attendance["ratio"], **figures)
    for number, motion in totals["motions"].items():
        if "candidates" in motion:
            yield f"  {number}"
            for candidate, votes in motion["candidates"].items():
                elected = say(WORDS, "elected" if votes["elected"] else "not_elected", language)
                values = {"votes": f"{votes['votes']:,}", "elected": elected}
                yield "    " + say(WORDS, "candidate", language, number=candidate, **values)
            continue
        said = ", ".join(
            f"{say(WORDS, name, language)} {motion['total'][name]:,} "
            f"({motion['total'][f'{name}_pct']}%)"
            for name in ("for", "against", "abstain")
        )
        yield f"  {number} {say(WORDS, 'outcome_' + motion['outcome'], language)}: {said}"


def _conclusion(report: Report, language: str) -> str:
    failed = [str(step.number) for step in report.steps if step.status == "failed"]
    if failed:
        return say(WORDS, "bad", language, steps=", ".join(failed))
    is_counted = report.kind == "auditor" and report.steps[TOTALS].status == "passed"
    return say(WORDS, "good_auditor" if is_counted else "good_uncounted", language)


def _plain(text: str) -> str:
    """Text of a bundle without what could move a terminal's cursor."""
    return "".join(c if c.isprintable() else "�" for c in text)
