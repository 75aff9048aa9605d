"""What a migration may do while people vote: hold no big table, and change nothing under the
version that still runs.

The first migrations make the tables and are exempt; every later one is read here.
"""

from __future__ import annotations

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models.functions import Now

OURS = {
    config.label
    for config in apps.get_app_configs()
    if (settings.BASE_DIR / config.name.replace(".", "/")).is_dir()
}
# They make the tables that everything later changes.
FIRST = {"0001_initial", "0002_partitions", "0002_kept", "0003_profiles"}

HARMLESS = (
    migrations.CreateModel,  # nobody knows the table yet
    migrations.AlterModelOptions,
    migrations.AlterModelManagers,
    AddIndexConcurrently,
    AddConstraintNotValid,
)
READ_BY_A_PERSON = "a person has read what this does under traffic"


WRONG = {
    migrations.AddIndex: "stops writing while it builds: AddIndexConcurrently, atomic = False",
    migrations.AddConstraint: "reads every row under a lock: AddConstraintNotValid, then "
    "ValidateConstraint in a migration of its own",
    migrations.RemoveField: "the running version asks for it: release without it first",
    migrations.DeleteModel: "the running version asks for it: release without it first",
    migrations.RenameField: "the running version asks for the old name: add, copy, remove",
    migrations.RenameModel: "the running version asks for the old name",
    migrations.AlterField: "may write every row anew",
    migrations.RunSQL: "nobody can tell",
    migrations.RunPython: "nobody can tell",
}


def fault(operation: Operation, made_here: set[str]) -> str | None:
    """What is wrong with an operation on a table that is in use, and what to do instead."""
    table = getattr(operation, "model_name", getattr(operation, "name", None)) or ""
    if isinstance(operation, HARMLESS) or table.lower() in made_here:
        return None
    if isinstance(operation, migrations.AddField):
        return fault_of_field(operation.field)
    if getattr(operation, "elidable", None) == READ_BY_A_PERSON:
        return None
    return next((why for kind, why in WRONG.items() if isinstance(operation, kind)), None)


def fault_of_field(field: models.Field) -> str | None:
    if isinstance(field, models.ForeignKey) and field.db_constraint:
        return "locks two tables: db_constraint=False, then AddConstraintNotValid"
    if not field.null and not field.has_db_default() and not field.many_to_many:
        return "the running version writes no such column: null=True or db_default="
    if field.has_db_default() and isinstance(field.db_default, models.Func):
        return "writes every row anew: null=True, fill in batches, then NOT NULL"
    return None


def faults(migration: migrations.Migration) -> list[str]:
    made_here = {
        op.name_lower for op in migration.operations if isinstance(op, migrations.CreateModel)
    }
    found = [(op, fault(op, made_here)) for op in migration.operations]
    return [f"{migration}: {op.describe()}: {why}" for op, why in found if why]


def test_no_migration_of_ours_is_a_danger_to_a_running_vote():
    loader = MigrationLoader(None)
    later = [
        migration
        for (app, name), migration in loader.disk_migrations.items()
        if app in OURS and name not in FIRST
    ]

    assert [why for migration in later for why in faults(migration)] == []


def test_the_first_migrations_are_only_the_first():
    loader = MigrationLoader(None)
    first = {(app, name) for app, name in loader.disk_migrations if app in OURS and name in FIRST}

    assert sorted(f"{app} {name}" for app, name in first if name != "0001_initial") == [
        "ballots 0002_partitions",
        "incidents 0002_kept",
        "meetings 0002_partitions",
        "meetings 0003_profiles",
        "notifications 0002_partitions",
    ]


def test_every_app_of_ours_with_tables_is_read():
    tables = {model._meta.app_label for model in apps.get_models()}
    foreign = {"admin", "auth", "contenttypes", "sessions", "otp_totp"}

    assert tables - foreign <= OURS
    assert {"incidents", "retention"} <= OURS


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddIndex("holder", models.Index(fields=["kind"], name="kind")),
        migrations.AddConstraint(
            "ballot", models.CheckConstraint(condition=models.Q(shares__gt=0), name="some")
        ),
        migrations.AddField("meeting", "place", models.TextField()),
        migrations.AddField("meeting", "place", models.TextField(default="")),
        migrations.AddField("meeting", "seen", models.DateTimeField(db_default=Now())),
        migrations.AddField(
            "ballot", "meeting", models.ForeignKey("meetings.Meeting", models.PROTECT, null=True)
        ),
        migrations.RemoveField("meeting", "title"),
        migrations.RenameField("meeting", "title", "name"),
        migrations.AlterField("meeting", "title", models.CharField(max_length=10)),
        migrations.DeleteModel("Meeting"),
        migrations.RunSQL("UPDATE ballots_ballot SET level = 1"),
        migrations.RunPython(migrations.RunPython.noop),
    ],
    ids=lambda operation: operation.describe(),
)
def test_what_would_stop_the_vote_or_break_the_running_version_is_found(operation):
    assert fault(operation, set())
    made_here = {"holder", "ballot", "meeting"}
    is_of_a_table = not isinstance(operation, migrations.RunSQL | migrations.RunPython)
    assert (fault(operation, made_here) is None) == is_of_a_table


@pytest.mark.parametrize(
    "operation",
    [
        AddIndexConcurrently("holder", models.Index(fields=["kind"], name="kind")),
        migrations.AddField("meeting", "place", models.TextField(null=True)),
        migrations.AddField("meeting", "place", models.TextField(db_default="")),
        migrations.AlterModelOptions("meeting", {"verbose_name": "股东会"}),
    ],
    ids=lambda operation: operation.describe(),
)
def test_what_can_be_done_under_traffic_may_be_done(operation):
    assert fault(operation, set()) is None
