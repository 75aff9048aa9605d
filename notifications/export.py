"""A campaign's deliveries as a file (导出): a line each, masked, in the order of the register.

PostgreSQL writes the lines itself (COPY), so memory is flat and the first come at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db import transaction
from django.utils.translation import gettext as _
from psycopg import sql
from psycopg.types.json import Jsonb

from meetings.lifecycle import BEIJING
from notifications.models import Campaign, Delivery
from notifications.reasons import known_words
from voting_portal.common import ids
from voting_portal.common.csv_files import copied, head_line
from voting_portal.common.formulas import defused_column

_LINES = """
COPY (
    SELECT holder.id & {index_mask}, {name}, {phone}, batch.step + 1, {gateway},
           {states}::jsonb ->> delivery.state::text, {reason},
           {words}::jsonb -> batch.gateway ->> delivery.reason,
           to_char(delivery.changed_at AT TIME ZONE {zone}, 'YYYY-MM-DD HH24:MI:SS')
    FROM notifications_delivery AS delivery
    JOIN notifications_deliverybatch AS batch ON batch.id = delivery.batch_id
    JOIN meetings_holder AS holder ON holder.id = delivery.holder_id
    WHERE batch.campaign_id = {campaign} AND delivery.id >= {first} AND delivery.id < {end}
      AND holder.id >= {first_holder} AND holder.id < {end_holder}
    ORDER BY delivery.id
) TO STDOUT (FORMAT csv)
"""


def delivery_lines(campaign: Campaign) -> Iterator[bytes]:
    """The list as CSV (UTF-8 with BOM), in blocks, names and phones masked, no formula in it.

    One transaction for as long as it is read; whoever stops reading ends it.
    """
    names = (
        *(_("名册序号"), _("股东"), _("手机"), _("步骤"), _("通道")),
        *(_("状态"), _("原因"), _("原因说明"), _("最近变化")),
    )
    yield head_line(names)
    first, end = ids.delivery_range(campaign.meeting_id)
    first_holder, end_holder = ids.holder_range(campaign.meeting_id)
    gateways = {way["gateway"] for step in campaign.plan for way in step}
    query = sql.SQL(_LINES).format(
        index_mask=sql.Literal(ids.MAX_INDEX),
        name=defused_column("holder.name_masked"),
        phone=defused_column("holder.phone_masked"),
        gateway=defused_column("batch.gateway"),
        reason=defused_column("delivery.reason"),
        states=sql.Literal(Jsonb({str(s.value): str(s.label) for s in Delivery.State})),
        words=sql.Literal(Jsonb({gateway: known_words(gateway) for gateway in gateways})),
        zone=sql.Literal(str(BEIJING)),
        campaign=sql.Literal(campaign.pk),
        first=sql.Literal(first),
        end=sql.Literal(end),
        first_holder=sql.Literal(first_holder),
        end_holder=sql.Literal(end_holder),
    )
    with transaction.atomic():
        yield from copied(query)
