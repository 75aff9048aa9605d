"""Which carrier a number was given out by (号段), as far as its first three digits tell.

The digits name the carrier that the number belonged to at first. Since 2019 a person may keep the
number and change the carrier (携号转网), and only the carriers know of that: a gateway that serves
one carrier's phones may therefore refuse some of these, and they go on to the plan's next step.
Numbers of 170, whose carrier hangs on the fourth digit, and all others belong to no carrier here.
"""

from __future__ import annotations

MOBILE, UNICOM, TELECOM, BROADNET = "MOBILE", "UNICOM", "TELECOM", "BROADNET"  # 移动 联通 电信 广电
CARRIERS = (MOBILE, UNICOM, TELECOM, BROADNET)
UNTOLD = ""  # the digits do not tell

# As the numbering plan of the ministry (电信网编号计划) and its later grants have it.
_FIRST_DIGITS = {
    MOBILE: "134 135 136 137 138 139 147 148 150 151 152 157 158 159 165 172 178 182 183 184 187"
    " 188 195 197 198",
    UNICOM: "130 131 132 145 146 155 156 166 167 171 175 176 185 186 196",
    TELECOM: "133 149 153 162 173 174 177 180 181 189 190 191 193 199",
    BROADNET: "192",
}
CARRIER_BY_FIRST_DIGITS = {
    digits: carrier for carrier, ranges in _FIRST_DIGITS.items() for digits in ranges.split()
}


def carrier_of(phone: str) -> str:
    """One of CARRIERS, or UNTOLD; a masked phone does as well as a whole one."""
    return CARRIER_BY_FIRST_DIGITS.get(phone[:3], UNTOLD)
