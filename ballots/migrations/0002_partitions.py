"""Ballots: partitioned by meeting, written once, never changed."""

from __future__ import annotations

from django.db import migrations

BALLOT = """
CREATE SEQUENCE ballots_accept_seq;
CREATE TABLE ballots_ballot (
    id bigint NOT NULL PRIMARY KEY,
    holder_id bigint NOT NULL,
    share_class smallint NOT NULL,
    shares bigint NOT NULL CONSTRAINT ballot_has_shares CHECK (shares > 0),
    choices jsonb NOT NULL,
    level smallint NOT NULL,
    commitment bytea NOT NULL
        CONSTRAINT ballot_commitment_length CHECK (length(commitment) = 32),
    cast_at timestamp with time zone NOT NULL,
    seq bigint NOT NULL DEFAULT nextval('ballots_accept_seq'),
    CONSTRAINT ballot_id_is_holder_and_class CHECK (id = holder_id * 8 + share_class)
) PARTITION BY RANGE (id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ballots_ballot
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""

OTHER_VOTE = """
CREATE TABLE ballots_othervote (
    id bigint NOT NULL PRIMARY KEY,
    vote_import_id bigint NOT NULL,
    channel varchar(8) NOT NULL
        CONSTRAINT other_vote_channel_known CHECK (channel IN ('TRADING', 'INTERNET', 'ONSITE')),
    holder_id bigint,
    account_masked varchar(10) NOT NULL,
    share_class smallint NOT NULL,
    shares bigint NOT NULL CONSTRAINT other_vote_shares CHECK (shares >= 0),
    declared bigint CONSTRAINT other_vote_declared CHECK (declared >= 0),
    choices jsonb NOT NULL,
    invalid jsonb NOT NULL,
    reasons varchar(20)[] NOT NULL,
    effect varchar(8) NOT NULL CONSTRAINT other_vote_effect_known
        CHECK (effect IN ('COUNTS', 'NOTHING', 'ADMITTED', 'LISTED')),
    voted_at timestamp with time zone NOT NULL,
    seq bigint NOT NULL,
    "row" integer NOT NULL
) PARTITION BY RANGE (id);
CREATE INDEX other_vote_holder ON ballots_othervote (holder_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ballots_othervote
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE AGGREGATE jsonb_merge(jsonb) (sfunc = jsonb_concat, stype = jsonb, initcond = '{}');
"""

TALLY = """
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON ballots_tally
    FOR EACH ROW WHEN (OLD.content <> '{}') EXECUTE FUNCTION refuse_change();
"""

# Rows live for a second, thousands at a time: vacuum by their number, not by their share.
LOG = """
ALTER TABLE ballots_queuedentry SET
    (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
CREATE TABLE ballots_logleaf (
    id bigint NOT NULL PRIMARY KEY,
    kind smallint NOT NULL CONSTRAINT leaf_kind_known CHECK (kind IN (1, 2, 3, 4, 5, 7)),
    subject bigint NOT NULL,
    commitment bytea NOT NULL CONSTRAINT leaf_commitment_length CHECK (length(commitment) = 32),
    roots bytea CONSTRAINT leaf_roots_length CHECK (length(roots) % 32 = 0)
) PARTITION BY RANGE (id);
CREATE INDEX leaf_commitment ON ballots_logleaf (commitment);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ballots_logleaf
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TABLE ballots_checkpoint (
    id bigint NOT NULL PRIMARY KEY,
    root bytea NOT NULL CONSTRAINT checkpoint_root_length CHECK (length(root) = 32),
    key smallint NOT NULL,
    signature bytea NOT NULL CONSTRAINT checkpoint_signature_length CHECK (length(signature) = 64),
    next_key smallint CONSTRAINT checkpoint_next_key_is_newer CHECK (next_key > key),
    next_signature bytea CONSTRAINT checkpoint_next_signature_length
        CHECK (length(next_signature) = 64),
    made_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT checkpoint_next_key_has_signed CHECK ((next_key IS NULL) = (next_signature IS NULL))
) PARTITION BY RANGE (id);
CREATE INDEX checkpoint_handed_over ON ballots_checkpoint (id) WHERE next_key IS NOT NULL;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ballots_checkpoint
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("ballots", "0001_initial"), ("meetings", "0002_partitions")]
    operations = [
        migrations.RunSQL(BALLOT, "DROP TABLE ballots_ballot; DROP SEQUENCE ballots_accept_seq"),
        migrations.RunSQL(TALLY, "DROP TRIGGER never_changed ON ballots_tally"),
        migrations.RunSQL(
            OTHER_VOTE, "DROP AGGREGATE jsonb_merge(jsonb); DROP TABLE ballots_othervote"
        ),
        migrations.RunSQL(LOG, "DROP TABLE ballots_logleaf; DROP TABLE ballots_checkpoint"),
    ]
