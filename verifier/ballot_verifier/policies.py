"""How a meeting is counted (计票规则) where law and articles leave a choice: one name a switch."""

from __future__ import annotations

from collections.abc import Mapping

from ballot_verifier.bundle import Unreadable

Policies = Mapping[str, object]  # every switch by its name
# The values of every switch; the first is that of an agenda that does not say.
VALUES: Mapping[str, tuple[object, ...]] = {
    "ordinary_threshold": ("GT_HALF", "GE_HALF"),
    "election_threshold": ("GT_HALF", "GE_HALF"),
    "cumulative_base": ("PRESENT_SHARES", "VOTED_SHARES"),
    "cumulative_overflow": ("INVALID_GROUP", "ABSTAIN"),
    "cumulative_too_many_candidates": ("INVALID_GROUP", "ABSTAIN", "AS_CAST"),
    "invalid_occupies_slot": (True, False),
    "first_vote_scope": ("MOTION", "BALLOT"),
    "partial_missing_as": ("ABSTAIN", "ABSENT"),
    "exclusive_policy": ("ABSTAIN_ALL", "INVALID_ALL", "FIRST_AGREE", "AS_CAST"),
    "nominee_sum_rule": ("EQUAL_DECLARED", "AT_MOST_DECLARED"),
    "sm_threshold": ("GE_5_OR_INSIDER", "GT_5_OR_INSIDER", "GE_5"),
    "seg_bounds": ("LOWER_INCLUDED", "UPPER_INCLUDED"),
    "pct_policy": ("SSE_TRUNC_RESIDUAL", "HALF_UP"),
    "prevote": ("OFF", "ON"),
    # A record has the time that its vote was given by this one, and the agenda the price that was
    # chosen by the next; the last is about who sees the result when. No vote counts otherwise.
    "onsite_time_default": ("ONSITE_VOTE_START", "POLLS_OPEN", "POLLS_CLOSE"),
    "seg_price": ("RECORD_DATE_CLOSE", "MEETING_EVE_CLOSE"),
    "results_visible_from": ("CLOSED", "CERTIFIED"),
}
NO_SWITCHES = {"onsite_vote_start", "closing_price"}  # figures that stand beside them


def read_policies(document: Policies) -> Policies:
    """Every switch with its value in agenda.json or, where it is not there, its default.

    Unreadable for a switch or a value that stands for a rule that is not known here: votes that
    were counted by it cannot be counted again.
    """
    given = {name: value for name, value in document.items() if name not in NO_SWITCHES}
    for name, value in given.items():
        # True is no 1 here: JSON tells them apart.
        if not any(type(value) is type(v) and value == v for v in VALUES.get(name, ())):
            rule = f"{name[:40]} = {str(value)[:40]}"
            raise Unreadable(f"agenda.json, policies: {rule} is a rule unknown to this program")
    return {name: values[0] for name, values in VALUES.items()} | given
