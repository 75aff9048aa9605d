"""An incident is kept: no row of the table is ever deleted."""

from __future__ import annotations

from django.db import migrations

KEPT = """
CREATE FUNCTION keep_incident() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'incidents are kept'; END $$;
CREATE TRIGGER kept BEFORE DELETE ON incidents_incident
    FOR EACH ROW EXECUTE FUNCTION keep_incident();
"""


class Migration(migrations.Migration):
    dependencies = [("incidents", "0001_initial")]
    operations = [
        migrations.RunSQL(
            KEPT, "DROP TRIGGER kept ON incidents_incident; DROP FUNCTION keep_incident"
        ),
    ]
