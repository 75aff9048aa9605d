"""Ballots: partitioned by meeting, written once, never changed."""

from __future__ import annotations

from django.db import migrations

BALLOT = """
CREATE TABLE ballots_ballot (
    id bigint NOT NULL PRIMARY KEY,
    holder_id bigint NOT NULL,
    share_class smallint NOT NULL,
    shares bigint NOT NULL CONSTRAINT ballot_has_shares CHECK (shares > 0),
    choices jsonb NOT NULL,
    level smallint NOT NULL,
    code varchar(16) NOT NULL CONSTRAINT ballot_code_length CHECK (length(code) = 16),
    cast_at timestamp with time zone NOT NULL,
    CONSTRAINT ballot_id_is_holder_and_class CHECK (id = holder_id * 8 + share_class)
) PARTITION BY RANGE (id);
CREATE INDEX ballot_code ON ballots_ballot (code);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ballots_ballot
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("ballots", "0001_initial"), ("meetings", "0002_partitions")]
    operations = [migrations.RunSQL(BALLOT, "DROP TABLE ballots_ballot")]
