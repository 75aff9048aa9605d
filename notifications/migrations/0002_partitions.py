"""Deliveries: partitioned by meeting; a state only rises in rank."""

from __future__ import annotations

from django.db import migrations

DELIVERY = """
CREATE TABLE notifications_delivery (
    id bigint NOT NULL PRIMARY KEY,
    holder_id bigint NOT NULL,
    batch_id bigint NOT NULL,
    state smallint NOT NULL DEFAULT 10
        CONSTRAINT delivery_state_known CHECK
            (state IN (10, 15, 20, 25, 30, 40, 45, 46, 50, 60, 70)),
    gateway_ref varchar(64) NOT NULL DEFAULT '',
    reason varchar(40) NOT NULL DEFAULT '',
    is_next_due boolean NOT NULL DEFAULT false,
    changed_at timestamp with time zone NOT NULL
) PARTITION BY RANGE (id);
CREATE INDEX delivery_batch ON notifications_delivery (batch_id);
-- read by next_steps.take_next_steps
CREATE INDEX delivery_next_due ON notifications_delivery (id) WHERE is_next_due;
"""


class Migration(migrations.Migration):
    dependencies = [("notifications", "0001_initial")]
    operations = [migrations.RunSQL(DELIVERY, "DROP TABLE notifications_delivery")]
