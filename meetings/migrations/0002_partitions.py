"""Tables partitioned by meeting, and the triggers of the journal and of frozen policies."""

from __future__ import annotations

from django.db import migrations

HOLDER = """
CREATE TABLE meetings_holder (
    id bigint NOT NULL PRIMARY KEY,
    kind varchar(1) NOT NULL CONSTRAINT holder_kind_known CHECK (kind IN ('I', 'O', 'N', 'V')),
    name_masked varchar(40) NOT NULL,
    phone_masked varchar(20) NOT NULL,
    shares bigint[] NOT NULL,
    link_generation smallint NOT NULL DEFAULT 0
        CONSTRAINT holder_generation_fits_link CHECK (link_generation BETWEEN 0 AND 3),
    person_index bytea NOT NULL,
    phone_index bytea,
    sealed bytea NOT NULL
) PARTITION BY RANGE (id);
CREATE INDEX holder_person ON meetings_holder (person_index);
CREATE INDEX holder_phone ON meetings_holder (phone_index);
CREATE INDEX holder_nominee ON meetings_holder (id) WHERE kind = 'N';
"""

HOLDING = """
CREATE TABLE meetings_holding (
    id bigint NOT NULL PRIMARY KEY,
    holder_id bigint NOT NULL,
    account_index bytea NOT NULL,
    account_masked varchar(10) NOT NULL,
    share_class smallint NOT NULL,
    shares bigint NOT NULL CONSTRAINT holding_has_shares CHECK (shares > 0)
) PARTITION BY RANGE (id);
CREATE INDEX holding_holder ON meetings_holding (holder_id);
CREATE INDEX holding_account ON meetings_holding (account_index);
"""

APPEND_ONLY = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON meetings_journalentry
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""

# An entry's link is the SHA-256 of the link before it and of what the entry says. The id is drawn
# under the lock (locks.JOURNAL), so that the order of ids is that of the links.
LINKED = """
CREATE FUNCTION linked_entry(before bytea, entry meetings_journalentry) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(coalesce(before, '') || convert_to(jsonb_build_array(
        entry.id, entry.meeting_id, entry.verb, entry.actor, extract(epoch FROM entry.at),
        entry.details
    )::text, 'UTF8'))
$$;
CREATE FUNCTION link_entry() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE before bytea;
BEGIN
    PERFORM pg_advisory_xact_lock(6, coalesce(NEW.meeting_id, 0)::int);
    SELECT link INTO before FROM meetings_journalentry
        WHERE meeting_id IS NOT DISTINCT FROM NEW.meeting_id ORDER BY id DESC LIMIT 1;
    NEW.id := nextval(pg_get_serial_sequence('meetings_journalentry', 'id'));
    NEW.link := linked_entry(before, NEW);
    RETURN NEW;
END $$;
CREATE TRIGGER linked BEFORE INSERT ON meetings_journalentry
    FOR EACH ROW EXECUTE FUNCTION link_entry();
"""

POLICIES = (
    "ordinary_threshold",
    "election_threshold",
    "cumulative_base",
    "cumulative_overflow",
    "cumulative_too_many_candidates",
    "invalid_occupies_slot",
    "first_vote_scope",
    "onsite_time_default",
    "partial_missing_as",
    "exclusive_policy",
    "nominee_sum_rule",
    "sm_threshold",
    "seg_bounds",
    "seg_price",
    "pct_policy",
    "prevote",
    "results_visible_from",
    "retention_days",
)
FROZEN = """
CREATE FUNCTION refuse_new_policies() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'policies are frozen with the motions'; END $$;
CREATE TRIGGER policies_frozen BEFORE UPDATE ON meetings_meeting FOR EACH ROW
    WHEN (OLD.state NOT IN ('DRAFT', 'REGISTER_LOADED') AND ({old}) IS DISTINCT FROM ({new}))
    EXECUTE FUNCTION refuse_new_policies();
""".format(
    old=", ".join(f"OLD.{name}" for name in POLICIES),
    new=", ".join(f"NEW.{name}" for name in POLICIES),
)

# Two people end a replaced key of links and its row says who (meeting_key_ended_by_two): the row
# itself goes with the meeting's personal data only.
ENDED_BY_TWO = """
CREATE FUNCTION refuse_end_by_one() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM meetings_meeting WHERE id = OLD.meeting_id AND purged_at IS NULL) THEN
        RAISE EXCEPTION 'a replaced key is ended by two people, not deleted';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER ended_by_two BEFORE DELETE ON meetings_meetingkey FOR EACH ROW
    WHEN (OLD.replaced_by <> '') EXECUTE FUNCTION refuse_end_by_one();
"""


class Migration(migrations.Migration):
    dependencies = [("meetings", "0001_initial")]
    operations = [
        migrations.RunSQL(HOLDER, "DROP TABLE meetings_holder"),
        migrations.RunSQL(HOLDING, "DROP TABLE meetings_holding"),
        migrations.RunSQL(
            APPEND_ONLY,
            "DROP TRIGGER append_only ON meetings_journalentry; DROP FUNCTION refuse_change",
        ),
        migrations.RunSQL(
            LINKED,
            "DROP TRIGGER linked ON meetings_journalentry; DROP FUNCTION link_entry;"
            "DROP FUNCTION linked_entry",
        ),
        migrations.RunSQL(
            FROZEN,
            "DROP TRIGGER policies_frozen ON meetings_meeting; DROP FUNCTION refuse_new_policies",
        ),
        migrations.RunSQL(
            ENDED_BY_TWO,
            "DROP TRIGGER ended_by_two ON meetings_meetingkey; DROP FUNCTION refuse_end_by_one",
        ),
    ]
