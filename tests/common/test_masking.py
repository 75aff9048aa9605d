"""What may be shown of a person."""

from __future__ import annotations

import pytest

from voting_portal.common import masking
from voting_portal.common.logs import without_personal_data


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("张三", "张*"),
        ("张小三", "张*三"),
        ("欧阳明修", "欧**修"),
        ("中国石油天然气集团有限公司", "中国石油****有限公司"),
        ("某某投资公司", "某某***"),
        ("John Smith", "J***"),
        ("", ""),
    ],
)
def test_names_are_masked(name, shown):
    assert masking.mask_name(name) == shown


def test_numbers_are_masked():
    assert masking.mask_id_number("310101199001011234") == "310***********1234"
    assert masking.mask_phone("13812345678") == "138****5678"
    assert masking.mask_account("A123456789") == "A*****6789"


def test_logs_lose_links_phones_ids_and_accounts():
    line = (
        "GET /v/0000rABCDEfghij0123456789 by 13812345678 with 31010119900101123X "
        "and A123456789 took 12 ms on port 8000"
    )

    shown = without_personal_data(line)

    assert shown == "GET /v/0000r… by […] with […] and […] took 12 ms on port 8000"
