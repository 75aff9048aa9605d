"""A purge that is killed at any stage goes on where it was, and never ends keys too soon."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connections

from meetings import keys
from meetings.models import Holder, Meeting, MeetingKey
from meetings.register.records import open_person
from retention import archive, contents, purging
from retention.models import Purge
from tests.retention.conftest import NAME, live_through
from tests.sessions import wait_until_alone
from voting_portal.common import partitions

pytestmark = pytest.mark.django_db(transaction=True)


def die(*_arguments, **_values):
    os.kill(os.getpid(), signal.SIGKILL)


def after(act: Callable[..., object], times: int = 1) -> Callable[..., object]:
    """The same act, and death once it was done so many times."""
    done = []

    def act_and_die(*arguments, **values):
        result = act(*arguments, **values)
        done.append(result)
        return result if len(done) < times else die()

    return act_and_die


# Where the process ends: what is replaced, by what, the stage that is noted, whether keys are left.
KILLS = {
    "before a bundle was verified": (archive, "_verify", lambda: die, "ASKED", True),
    "when the archive has its name": (contents, "count_all", lambda: die, "ASKED", True),
    "before keys are destroyed": (keys, "destroy_keys", lambda: die, "EXPORTED", True),
    "when keys were destroyed and nothing is noted": (
        keys,
        "destroy_keys",
        lambda: after(keys.destroy_keys),
        "EXPORTED",
        False,
    ),
    "when rows were deleted": (contents, "drop_partitions", lambda: die, "DESTROYED", False),
    "between two partitions": (
        partitions,
        "drop",
        lambda: after(partitions.drop, times=3),
        "DESTROYED",
        False,
    ),
    "before the report is signed": (purging, "_report", lambda: die, "DROPPED", False),
}


def purge_in_a_process_that_dies(module, name: str, instead, moment: datetime) -> int:
    """Run it in a child; the signal that ended the child."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        try:
            setattr(module, name, instead)
            purging.purge_all(clock=lambda: moment)
        finally:
            os._exit(0)
    _pid, status = os.waitpid(child, 0)
    wait_until_alone()
    return os.WTERMSIG(status)


@pytest.mark.parametrize("where", KILLS)
def test_a_purge_that_was_killed_goes_on(where):
    module, name, instead, stage, has_keys = KILLS[where]
    lived = live_through()
    moment = lived.meeting.polls_sealed_at + timedelta(days=31)

    signal_number = purge_in_a_process_that_dies(module, name, instead(), moment)

    assert signal_number == signal.SIGKILL
    assert Purge.objects.get().stage == stage
    keys.forget()
    if has_keys:
        assert open_person(lived.holder).name == NAME
        assert Holder.objects.of_meeting(lived.meeting.pk).count() == 4
    else:
        with pytest.raises(keys.KeyDestroyed):
            open_person(lived.holder)
        purge = Purge.objects.select_related("meeting__issuer").get()
        archive.check_archive(archive.folder_of(purge.meeting), purge.files)

    assert purging.purge_all(clock=lambda: moment) == 1
    purge = Purge.objects.select_related("meeting__issuer").get()
    assert purge.stage == "DONE"
    assert purge.counts["meetings_holder"] == 4
    assert not any(contents.count_all(lived.meeting.pk).values())
    assert not contents.partitions_left(lived.meeting.pk)
    assert not MeetingKey.objects.exists()
    assert Meeting.objects.get().purged_at == moment
    archive.check_archive(archive.folder_of(purge.meeting), purge.files)
