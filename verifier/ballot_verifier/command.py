"""The command `verify-ballots`.

Its exit status is 0 when everything holds, 1 when a check failed, 2 when the bundle could not be
read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ballot_verifier import proofs, report
from ballot_verifier.bundle import Unreadable
from ballot_verifier.notes import BadNote, Key
from ballot_verifier.proofs import Promise
from ballot_verifier.verifying import verify
from ballot_verifier.wording import LANGUAGES, WORDS, say

GOOD, BAD, UNREADABLE = 0, 1, 2
MOST_BYTES = 1 << 20  # of a key, promise or proof


def main(arguments: Sequence[str] | None = None) -> int:
    """Check what the command line names, print the report, and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        keys = _read_keys(options.key)
        promises = [(path.name, _read(path)) for path in options.promise]
        held_proofs = [(path.name, _read(path)) for path in options.proof]
        if options.bundle is None:
            return _check_held(options, keys, promises, held_proofs)
        found = verify(
            options.bundle,
            keys=keys,
            promises=promises,
            held_proofs=held_proofs,
            processes=options.processes,
        )
    except (Unreadable, OSError) as error:  # also a full disk under the temporary folder
        document = {"format": report.FORMAT, "outcome": "unreadable", "why": str(error)}
        _print(options, document, say(WORDS, "unreadable", options.language, why=error) + "\n")
        return UNREADABLE
    _print(options, report.as_json(found), report.as_text(found, options.language))
    return GOOD if found.is_good else BAD


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="verify-ballots",
        description="验证股东会选票日志 / Check the ballot log of a shareholder meeting",
    )
    add = parser.add_argument
    add("bundle", nargs="?", type=Path, help="验证包 / the bundle, a ZIP file")
    add(
        "--key",
        action="append",
        default=[],
        metavar="VKEY",
        help="日志公钥,或含公钥的文件 / the log's key as published, or a file with it",
    )
    add(
        "--promise",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="股东的确认书 / a promise that a holder kept",
    )
    add(
        "--proof",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="股东的计入证明 / a holder's proof; needs no bundle",
    )
    add("--language", choices=LANGUAGES, default="zh", help="报告语言 / of the report")
    add("--json", action="store_true", help="机器可读的报告 / a report for machines")
    add("--processes", type=int, metavar="N", help="进程数 / processes to use")
    return parser


def _check_held(
    options: argparse.Namespace,
    keys: Sequence[Key],
    promises: Sequence[tuple[str, bytes]],
    held_proofs: Sequence[tuple[str, bytes]],
) -> int:
    """Check promises and proofs by themselves, with the log's key alone."""
    if not promises and not held_proofs:
        raise Unreadable("no bundle, promise or proof was named")
    if not keys:
        raise Unreadable("without a bundle the log's key must be given with --key")
    lines: list[str] = []
    items: list[dict[str, Any]] = []
    opened: list[Promise] = []

    def note(word: str, name: str, **values: Any) -> None:
        items.append({"file": name, "holds": word != "proof_bad", **values})
        lines.append(say(WORDS, word, options.language, name=name, **values))

    for name, data in promises:
        try:
            promise = proofs.open_promise(data, keys)
        except BadNote as error:
            note("proof_bad", name, why=str(error))
            continue
        opened.append(promise)
        note("promise_good", name, origin=promise.origin, code=promise.code)
    for name, data in held_proofs:
        try:
            proof = proofs.open_proof(data, keys, promises=opened)
        except BadNote as error:
            note("proof_bad", name, why=str(error))
            continue
        place = {"index": proof.index, "size": proof.checkpoint.size, "code": proof.code}
        note("proof_good", name, origin=proof.checkpoint.origin, **place)
        if proof.record:
            lines += [say(WORDS, "record", options.language), *proof.record.splitlines()]
    is_good = all(item["holds"] for item in items)
    outcome = "good" if is_good else "bad"
    _print(
        options,
        {"format": report.FORMAT, "outcome": outcome, "files": items},
        "".join(f"{line}\n" for line in lines),
    )
    return GOOD if is_good else BAD


def _read_keys(values: Sequence[str]) -> list[Key]:
    """Keys as they are written on the command line, or one a line in files."""
    keys = []
    for value in values:
        try:
            lines = [value] if "+" in value else _read(Path(value)).decode().splitlines()
            keys += [Key.parse(line) for line in lines if line.strip()]
        except (BadNote, UnicodeDecodeError) as error:
            raise Unreadable(f"--key {value[:80]}: {error}") from None
    return keys


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise Unreadable(f"{path}: longer than {MOST_BYTES} bytes")
    return data


def _print(options: argparse.Namespace, document: dict[str, Any], text: str) -> None:
    if options.json:
        text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    sys.stdout.buffer.write(text.encode("utf-8", errors="replace"))
    sys.stdout.buffer.flush()
