"""What the tables promise by themselves, whoever writes to them."""

from __future__ import annotations

import re

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, models

OURS = [
    model
    for label in ("ballots", "identity", "incidents", "meetings", "notifications", "retention")
    for model in apps.get_app_config(label).get_models()
]
WITH_CHOICES = [
    (model, field)
    for model in OURS
    for field in model._meta.concrete_fields
    if field.choices and field.model is model
]
LITERAL = re.compile(r"'([^']*)'|\b(\d+)\b")


def words_allowed(model: type[models.Model], column: str) -> set[str]:
    """The words of the one check constraint that lists what this column may hold."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = %s::regclass AND contype = 'c' AND cardinality(conkey) = 1"
            " AND conkey[1] = (SELECT attnum FROM pg_attribute"
            "                  WHERE attrelid = %s::regclass AND attname = %s)",
            [model._meta.db_table, model._meta.db_table, column],
        )
        lists = [text for (text,) in cursor.fetchall() if "ANY" in text]
    assert len(lists) == 1, f"{model.__name__}.{column} has {len(lists)} constraints on its words"
    return {text or number for text, number in LITERAL.findall(lists[0].replace("::text", ""))}


@pytest.mark.parametrize(
    ("model", "field"), WITH_CHOICES, ids=[f"{m.__name__}.{f.name}" for m, f in WITH_CHOICES]
)
def test_a_column_holds_its_choices_and_nothing_else(db, model, field):
    choices = {str(value) for value, _label in field.flatchoices}

    assert words_allowed(model, field.column) == choices


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_saving_is_only_saving_and_order_is_asked_for(model):
    assert not {"save", "delete", "full_clean"} & vars(model).keys()
    assert "ordering" not in model._meta.original_attrs


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_foreign_keys_point_down_the_layers_only(model):
    layers = ["meetings", "incidents", "identity", "ballots", "notifications", "retention"]
    own = layers.index(model._meta.app_label)

    targets = [
        field.related_model._meta.app_label
        for field in model._meta.get_fields()
        if field.is_relation and not field.auto_created and field.model is model
    ]

    assert all(layers.index(target) <= own for target in targets if target in layers)


def test_no_index_is_the_beginning_of_another(db):
    """Each costs every insert; of a challenge, a vote. `db_index=False` leaves one out."""
    tables = [model._meta.db_table for model in OURS]

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indrelid::regclass::text, indexrelid::regclass::text, indisunique,"
            "       string_to_array(indkey::text, ' '), string_to_array(indclass::text, ' ')"
            " FROM pg_index WHERE indpred IS NULL AND indexprs IS NULL"
            " AND indrelid = ANY (%s::regclass[])",
            [tables],
        )
        found = cursor.fetchall()

    superfluous = [
        f"{index} is the beginning of {longer}"
        for table, index, is_unique, columns, classes in found
        for other, longer, _unique, more_columns, more_classes in found
        if table == other
        and index != longer
        and not is_unique
        and columns == more_columns[: len(columns)]
        and classes == more_classes[: len(classes)]
    ]
    assert found
    assert superfluous == []


def test_migrations_say_all_that_the_models_say(db):
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
