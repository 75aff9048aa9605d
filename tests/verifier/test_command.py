"""The command as people run it: exit status, report in two languages, JSON for machines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from ballot_verifier.command import main
from ballot_verifier.policies import VALUES
from ballot_verifier.switches import SWITCHES
from tests.verifier import writer
from tests.verifier.writer import LOG, files_of

PACKAGE = Path(__file__).parents[2] / "verifier"


@pytest.fixture
def bundle(book, tmp_path):
    return str(writer.pack(files_of(book), tmp_path / "bundle.zip"))


@pytest.fixture
def falsified(book, tmp_path):
    """A bundle in which a ballot has a share more than the register."""
    book.ballots[1] = book.ballots[1].replace("shares 5000", "shares 5001")
    return str(writer.pack(files_of(book), tmp_path / "falsified.zip"))


@pytest.fixture
def run(capfd):
    """Run the command in this process: its exit status and what it printed."""

    def run(*arguments: str) -> tuple[int, str]:
        status = main(["--processes", "1", *arguments])
        return status, capfd.readouterr().out

    return run


def test_a_good_log_is_told_in_chinese(run, bundle):
    status, text = run(bundle, "--key", LOG.vkey)

    assert status == 0
    assert "8. 票数: 通过" in text
    assert "1.00 通过: 同意 56,000 (66.6666%), 反对 20,000 (23.8095%)" in text
    assert "结论:全部核对通过。公布的结果就是日志中全部表决票的计票结果。" in text
    assert "重新计票所依据的计票规则" in text
    assert "\n  重复投票以第一次为准的范围: 逐项议案\n" in text
    assert "公钥取自验证包" not in text


def test_a_good_log_is_told_in_english_with_a_warning_when_no_key_was_given(run, bundle):
    status, text = run(bundle, "--language", "en")

    assert status == 0
    assert "8. Totals: good" in text
    assert "this key came with the bundle" in text
    assert "Conclusion: everything holds." in text


def test_the_rules_by_which_was_counted_are_told_and_what_was_chosen_is_marked(run, book, tmp_path):
    book.change(policies={"first_vote_scope": "BALLOT"})
    bundle = str(writer.pack(files_of(book), tmp_path / "chosen.zip"))

    _status, chinese = run(bundle)
    _status, english = run(bundle, "--language", "en")
    _status, machine = run(bundle, "--json")

    assert "重复投票以第一次为准的范围: 整张表决票 [本次会议选定,非默认]" in chinese
    assert "The first vote prevails for: the whole ballot [chosen for this meeting" in english
    assert chinese.count("非默认") == 1
    assert json.loads(machine)["policies"]["first_vote_scope"] == "BALLOT"


def test_every_switch_that_counts_and_each_of_its_values_has_words():
    words = {name: set(values) for name, (_about, values) in SWITCHES.items()}

    counting = {name: set(values) for name, values in VALUES.items()}
    del counting["results_visible_from"]
    assert words == counting


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("zh", ("✗ 第2条: 记录的股数是5001,名册上是5000", "结论:核对不通过(第5, 8步)")),
        (
            "en",
            (
                "✗ entry 2: 5001 shares in the record, 5000 on the register",
                "Conclusion: step 5, 8 does not hold.",
            ),
        ),
    ],
)
def test_what_failed_is_told_with_its_step_and_entry(run, falsified, language, told):
    sentence, conclusion = told

    status, text = run(falsified, "--language", language)

    assert status == 1
    assert sentence in text
    assert conclusion in text


def test_a_bundle_that_cannot_be_read_has_a_status_of_its_own(run, tmp_path):
    path = tmp_path / "bundle.zip"
    path.write_bytes(b"rubbish")

    status, text = run(str(path))
    machine_status, document = run(str(path), "--json")

    assert (status, machine_status) == (2, 2)
    assert text.startswith("无法读取,未作任何核对")
    assert json.loads(document)["outcome"] == "unreadable"


def test_machines_read_steps_figures_and_failures(run, book, tmp_path):
    book.cast("nobody", {"1.00": "FOR", "2.00": "FOR"}, shares=7)
    path = writer.pack(files_of(book), tmp_path / "bundle.zip")

    status, text = run(str(path), "--json", "--key", LOG.vkey)
    report = json.loads(text)

    assert status == 1
    assert (report["outcome"], report["is_key_given"]) == ("bad", True)
    assert (report["entries"], report["ballots"], report["holders"]) == (12, 6, 8)
    assert report["steps"][5]["failures"] == [
        {"reason": "stranger", "index": 6, "place": "", "voter": writer.voter("nobody")[:8]}
    ]


def test_a_holder_checks_a_proof_with_the_published_key_alone(run, book, tmp_path):
    key, proof = tmp_path / "key.txt", tmp_path / "mine.tlog-proof"
    key.write_text(LOG.vkey + "\n")
    proof.write_bytes(writer.proof(book.leaves(), 1))

    status, text = run("--proof", str(proof), "--key", str(key))

    assert status == 0
    assert "已计入日志vote.example.cn/m/123的第1条(共11条)" in text
    assert "votes 1.00=F;2.00=F;3.00=3.01:20000" in text


def test_a_proof_that_opens_nothing_needs_the_promise(run, book, tmp_path):
    leaves = book.leaves()
    proof, promise = tmp_path / "mine.tlog-proof", tmp_path / "promise.txt"
    proof.write_bytes(writer.proof(leaves, 1, opens=False))
    promise.write_bytes(writer.promise(leaves[1]))

    alone, _text = run("--proof", str(proof), "--key", LOG.vkey)
    together, text = run("--proof", str(proof), "--promise", str(promise), "--key", LOG.vkey)

    assert (alone, together) == (1, 0)
    assert "1.00=F" not in text


@pytest.mark.parametrize("place", range(0, 600, 13))
def test_no_byte_of_a_proof_can_be_changed(run, book, tmp_path, place):
    data = bytearray(writer.proof(book.leaves(), 1))
    data[place] ^= 1
    path = tmp_path / "mine.tlog-proof"
    path.write_bytes(data)

    status, _text = run("--proof", str(path), "--key", LOG.vkey)

    assert status == 1


def test_the_confirmation_code_is_that_of_the_first_eighty_bits(run, book, tmp_path):
    leaf = book.leaves()[1]
    path = tmp_path / "promise.txt"
    path.write_bytes(writer.promise(leaf))
    letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    bits = f"{int.from_bytes(leaf.entry[1:11]):080b}"
    code = "".join(letters[int(bits[at : at + 5], 2)] for at in range(0, 80, 5))

    _status, text = run("--promise", str(path), "--key", LOG.vkey, "--json")

    assert json.loads(text)["files"][0]["code"].replace(" ", "") == code


@pytest.mark.parametrize(
    "arguments", [[], ["--key", "nonsense+1+2"], ["--proof", "nothing.txt"], ["--promise", "x"]]
)
def test_what_cannot_be_done_is_said(run, arguments):
    status, text = run(*arguments)

    assert status == 2
    assert text.startswith("无法读取")


def test_several_processes_find_the_same(falsified):
    # The limit below which one process does all is lowered, so that the crew has work.
    code = (
        "import sys; from ballot_verifier import verifying, command;"
        "verifying.SMALL = 0; sys.exit(command.main())"
    )
    reports = [
        subprocess.run(
            [sys.executable, "-c", code, falsified, "--json", "--processes", processes],
            env={**os.environ, "PYTHONPATH": str(PACKAGE)},
            capture_output=True,
            check=False,
        )
        for processes in ("1", "3")
    ]

    assert reports[0].returncode == reports[1].returncode == 1
    assert reports[0].stdout == reports[1].stdout


@pytest.mark.servers
def test_it_is_installed_alone_and_needs_nothing_else(bundle, tmp_path):
    """As a folder on the path of a bare interpreter: no site packages, no project."""
    environment = tmp_path / "bare"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"

    found = subprocess.run(
        [
            python,
            "-I",
            "-c",
            (
                f"import sys; sys.path.insert(0, {str(PACKAGE)!r});"
                "from ballot_verifier.command import main; sys.exit(main())"
            ),
            bundle,
            "--key",
            LOG.vkey,
        ],
        capture_output=True,
        check=False,
    )

    assert (found.returncode, found.stderr) == (0, b"")
