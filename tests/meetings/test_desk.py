"""The operator's desk: what waits for whom, what is missing, many meetings at once, the journal."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from ballots.opening import ask_for_tally
from identity.grants import ask_for_roles
from identity.reissuing import renew_links
from meetings import lifecycle
from meetings.models import Meeting, Motion
from notifications import campaigns
from notifications.routing import plan_of
from notifications.wording import default_wording
from tests.factories import (
    make_calendar,
    make_holder,
    make_issuer,
    make_meeting,
    make_operator,
    make_register,
)
from voting_portal.common.roles import Role
from voting_portal.desk import desk_of, under_way

pytestmark = pytest.mark.django_db
NOW = timezone.now()
STAFF = [role for role in Role if role is not Role.SECRETARY]


@pytest.fixture
def operator(client):
    user = make_operator()
    client.force_login(user)
    return user


def labels(entries):
    return [str(entry.label) for entry in entries]


def change_page(client, meeting):
    return client.get(reverse("admin:meetings_meeting_change", args=[meeting.pk]))


def missing(client, meeting):
    items = change_page(client, meeting).context["checklist"]
    return [str(item.label) for item in items if item.state == "missing"]


def test_a_register_waits_for_another_approver_and_not_for_who_uploaded_it():
    make_register(make_meeting(state="DRAFT"), state="CHECKED")

    own = desk_of("operator:1", [Role.APPROVER, Role.OPERATOR])
    other = desk_of("operator:2", [Role.APPROVER])
    operator = desk_of("operator:3", [Role.OPERATOR])

    assert (labels(own.mine), labels(own.asked)) == ([], ["复核股东名册"])
    assert labels(other.mine) == ["复核股东名册"]
    assert labels(operator.mine) == []


def test_every_role_finds_what_waits_for_it():
    confirmed = make_meeting(state="REGISTER_LOADED")
    lifecycle.confirm_motions(confirmed.pk, by="operator:1", now=NOW)
    closed = make_meeting(state="CLOSED", polls_sealed_at=NOW)
    ask_for_tally(closed.pk, by="operator:1", now=NOW)
    make_meeting(state="TALLIED")
    make_meeting(state="CERTIFIED", is_rehearsal=False, certified_by="operator:1")
    make_meeting(state="CERTIFIED")  # a rehearsal, which is never published
    ask_for_roles(make_operator().pk, roles=[Role.AUDITOR], by="operator:0", now=NOW)

    found = {role: sorted(labels(desk_of("operator:9", [role]).mine)) for role in STAFF}

    assert found == {
        Role.OPERATOR: ["确认结果"],
        Role.APPROVER: ["公布结果", "开放投票链接"],
        Role.SCRUTINEER: ["启封计票"],
        Role.AUDITOR: [],
        Role.SYSTEM: [],
        Role.SECURITY: ["批准岗位"],
    }


def test_old_links_wait_for_the_other_security_officer():
    meeting = make_meeting(state="INVITED")
    renew_links(meeting.pk, by="operator:1", now=NOW)

    assert labels(desk_of("operator:2", [Role.SECURITY]).mine) == ["停用旧投票链接"]
    assert labels(desk_of("operator:1", [Role.SECURITY]).mine) == []


def test_a_campaign_waits_for_approval_and_then_shows_how_far_it_is():
    meeting = make_meeting(state="INVITED")
    make_holder(meeting)
    campaign = campaigns.plan_campaign(
        meeting.pk, wording=default_wording(), plan=plan_of("sms"), by="operator:1", now=NOW
    )

    before = labels(desk_of("operator:2", [Role.APPROVER]).mine)
    campaigns.approve_campaign(campaign.pk, by="operator:2", now=NOW)
    campaigns.start_campaign(campaign.pk, by="operator:1", now=NOW)

    assert before == ["复核发送批次"]
    assert labels(desk_of("operator:2", [Role.APPROVER]).mine) == []
    assert [(work.percent, str(work.label)) for work in under_way()] == [(0, "发送会议通知")]


def test_the_front_page_shows_what_waits_and_what_is_under_way(client, operator):
    make_register(make_meeting(state="DRAFT"), state="CHECKED")
    make_register(make_meeting(state="DRAFT"), state="RECEIVED", progress=40)

    page = client.get(reverse("admin:index")).text

    assert "复核股东名册" in page
    assert '<progress max="100" value="40"' in page
    assert [work.percent for work in under_way()] == [40]


def test_the_front_page_asks_no_more_for_more_meetings(
    client, operator, django_assert_max_num_queries
):
    for _ in range(5):
        make_register(make_meeting(state="TALLIED"), state="CHECKED")

    with django_assert_max_num_queries(25):
        client.get(reverse("admin:index"))


def test_who_keeps_accounts_is_told_of_no_meeting(client):
    make_register(make_meeting(state="DRAFT"), state="RECEIVED", progress=40)
    client.force_login(make_operator(roles=[Role.SYSTEM]))

    page = client.get(reverse("admin:index")).text

    assert "检查股东名册" not in page


def test_a_draft_says_what_it_lacks_and_where_that_is_mended(client, operator):
    make_calendar()
    meeting = make_meeting(state="DRAFT", is_rehearsal=False, motions=False)
    Meeting.objects.update(record_date=meeting.meeting_date)

    items = change_page(client, meeting).context["checklist"]

    needed = {str(item.label): item.address for item in items if item.state == "missing"}
    assert any("还没有可表决的议案" in label for label in needed)
    assert any(address.endswith("#id_record_date") for address in needed.values())
    register = reverse("admin:meeting-register", args=[meeting.pk])
    assert needed["尚未上传股东名册"] == register


def test_a_year_that_the_calendar_lacks_leads_to_the_calendar(client, operator):
    meeting = make_meeting(state="DRAFT", is_rehearsal=False)
    day = timezone.localdate() + timedelta(days=800)
    Meeting.objects.update(meeting_date=day, record_date=day - timedelta(days=7))

    items = change_page(client, meeting).context["checklist"]

    addresses = [item.address for item in items if "交易日历" in str(item.label)]
    assert set(addresses) == {reverse("admin:meetings_calendaryear_add")}


def test_what_comes_next_is_one_button_of_its_role(client):
    meeting = make_meeting(state="CLOSED", polls_sealed_at=NOW)
    client.force_login(make_operator(roles=[Role.OPERATOR]))

    before = change_page(client, meeting).context["next_step"]
    ask_for_tally(meeting.pk, by="operator:1", now=NOW)
    page = change_page(client, meeting)

    assert before.name == "ask-tally"
    assert page.context["next_step"].name == "open-tally"
    assert "由监票人办理" in page.text


def test_without_a_button_what_is_missing_comes_next(client, operator):
    meeting = make_meeting(state="INVITED")

    page = change_page(client, meeting).text

    address = reverse("admin:notifications_campaign_add", query={"meeting": meeting.pk})
    assert f'<a class="button default" href="{address}">下一步：办理“尚未制定会议通知' in page


def test_meetings_stand_first_on_the_front_page(client, operator):
    page = client.get(reverse("admin:index"))

    apps = page.context["app_list"]
    assert [app["app_label"] for app in apps][:3] == ["meetings", "notifications", "ballots"]
    assert apps[0]["models"][0]["object_name"] == "Meeting"


def post_action(client, name, *meetings):
    values = {"action": name, "_selected_action": [meeting.pk for meeting in meetings]}
    return client.post(reverse("admin:meetings_meeting_changelist"), values)


def test_many_meetings_are_previewed_then_confirmed_each_with_its_outcome(client, operator):
    good = make_meeting(state="REGISTER_LOADED")
    bad = make_meeting(state="REGISTER_LOADED", motions=False)
    late = make_meeting(state="INVITED")

    preview = post_action(client, "confirm-motions", good, bad, late)
    reasons = {outcome.meeting.pk: outcome.reason for outcome in preview.context["outcomes"]}
    assert reasons[good.pk] == ""
    assert "还没有可表决的议案" in reasons[bad.pk]
    assert "不能执行" in reasons[late.pk]
    assert set(Meeting.objects.values_list("state", flat=True)) == {"REGISTER_LOADED", "INVITED"}
    assert not good.journal.filter(verb="meeting.motions_confirmed").exists()

    done = client.post(
        reverse("admin:meetings-bulk", args=["confirm-motions"]), {"meeting": [good.pk, bad.pk]}
    )
    assert [o.reason == "" for o in done.context["outcomes"]] == [True, False]
    assert Meeting.objects.get(pk=good.pk).state == "MOTIONS_CONFIRMED"
    assert Meeting.objects.get(pk=bad.pk).state == "REGISTER_LOADED"


def test_many_meetings_need_two_people_like_one(client, operator):
    meeting = make_meeting(state="REGISTER_LOADED")
    lifecycle.confirm_motions(meeting.pk, by=operator.actor, now=NOW)

    page = client.post(reverse("admin:meetings-bulk", args=["invite"]), {"meeting": [meeting.pk]})

    assert "另一位" in page.context["outcomes"][0].reason
    assert Meeting.objects.get().state == "MOTIONS_CONFIRMED"


def test_actions_are_those_of_the_role_and_grave_ones_are_none(client):
    client.force_login(make_operator(roles=[Role.AUDITOR]))
    meeting = make_meeting(state="REGISTER_LOADED")

    page = client.get(reverse("admin:meetings_meeting_changelist")).text
    taken = client.post(
        reverse("admin:meetings-bulk", args=["confirm-motions"]), {"meeting": [meeting.pk]}
    )
    cancelled = client.post(
        reverse("admin:meetings-bulk", args=["cancel"]), {"meeting": [meeting.pk]}
    )

    assert 'value="export"' in page
    assert 'value="confirm-motions"' not in page
    assert (taken.status_code, cancelled.status_code) == (404, 404)
    assert Meeting.objects.get().state == "REGISTER_LOADED"


def test_a_list_of_meetings_opens_in_excel(client, operator):
    meeting = make_meeting(issuer=make_issuer(short_name="浦江科技"), title="=1+1")

    response = post_action(client, "export", meeting)

    lines = response.content.decode().splitlines()
    assert response.content.startswith(b"\xef\xbb\xbf")
    assert lines[1].split(",")[:3] == [meeting.issuer.security_code, "浦江科技", "'=1+1"]


@pytest.mark.parametrize("search", ["浦江", "2026-06-26", "2026/06/26", "年度"])
def test_a_meeting_is_found_by_name_code_or_day(client, operator, search):
    days = {"meeting_date": "2026-06-26", "record_date": "2026-06-18"}
    issuer = make_issuer(short_name="浦江科技")
    make_meeting(issuer=issuer, title="2025年年度股东会", **days)
    make_meeting(title="2026年第九次临时股东会")

    page = client.get(reverse("admin:meetings_meeting_changelist"), {"q": search})

    assert page.context["cl"].result_count == 1


def test_a_meetings_journal_says_who_did_what_and_is_filtered_by_kind(client, operator):
    meeting = make_meeting(state="REGISTER_LOADED")
    lifecycle.confirm_motions(meeting.pk, by=operator.actor, now=NOW)
    address = reverse("admin:meeting-journal", args=[meeting.pk])

    page = client.get(address).text
    other = client.get(address, {"kind": "tally"}).text

    assert "确认议案" in page
    assert f"{operator.get_username()} ({operator.actor})" in page
    assert "没有这一类的记录" in other


def test_motions_may_change_places_in_one_save(client, operator):
    meeting = make_meeting(state="DRAFT")
    first, second, third = meeting.motions.order_by("group")
    form = change_page(client, meeting).context["adminform"].form
    values = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    values["polls_open_at"] = timezone.localtime(meeting.polls_open_at).strftime("%Y-%m-%dT%H:%M")
    values["polls_close_at"] = timezone.localtime(meeting.polls_close_at).strftime("%Y-%m-%dT%H:%M")
    share_class = meeting.share_classes.get()
    values |= {
        "share_classes-TOTAL_FORMS": "1",
        "share_classes-INITIAL_FORMS": "1",
        "share_classes-0-id": share_class.pk,
        "share_classes-0-meeting": meeting.pk,
        "share_classes-0-code": "A",
        "share_classes-0-capital": "1000",
        "share_classes-0-voteless_shares": "0",
        "share_classes-0-votes_per_share": "1",
        "documents-TOTAL_FORMS": "0",
        "documents-INITIAL_FORMS": "0",
        "motions-TOTAL_FORMS": "3",
        "motions-INITIAL_FORMS": "3",
    }
    for at, (motion, number) in enumerate(((first, "2"), (second, "1"), (third, "3"))):
        values |= {
            f"motions-{at}-id": motion.pk,
            f"motions-{at}-meeting": meeting.pk,
            f"motions-{at}-number": number,
            f"motions-{at}-kind": motion.kind,
            f"motions-{at}-threshold": motion.threshold,
            f"motions-{at}-proposer": motion.proposer,
            f"motions-{at}-title": motion.title,
            f"motions-{at}-seats": motion.seats or "",
            f"motions-{at}-candidate_lines": "甲\n乙\n丙" if motion.seats else "",
        }
    page = reverse("admin:meetings_meeting_change", args=[meeting.pk])

    saved = client.post(page, values)
    twice = client.post(page, {**values, "motions-0-number": "1"})

    assert saved.status_code == 302
    assert Motion.objects.get(pk=first.pk).number == "2.00"
    assert Motion.objects.get(pk=second.pk).number == "1.00"
    assert "序号重复" in twice.text
    entry = meeting.journal.get(verb="meeting.changed")
    assert entry.actor == operator.actor
    assert "motions" in entry.details["changed"]
