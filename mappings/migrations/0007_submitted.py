"""A version is submitted before it is approved, and stands still from then on: its rows cannot be changed any more."""

from django.db import migrations, models

ROWS_OF = """
CREATE OR REPLACE FUNCTION mlc.mapping_row_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    row_table bigint := CASE WHEN TG_OP = 'DELETE' THEN OLD.mapping_table_id ELSE NEW.mapping_table_id END;
    found text;
BEGIN
    SELECT state INTO found FROM mlc.mappings_mappingtable WHERE id = row_table;
    IF found IN (%s) THEN
        RAISE EXCEPTION 'a mapping version never changes once it is %%', found USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.mapping_table_id <> NEW.mapping_table_id THEN
        RAISE EXCEPTION 'a row stays in its mapping version' USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("mappings", "0006_reference_notes"),
    ]

    operations = [
        migrations.AddField(
            model_name="mappingtable",
            name="submitted_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="mappingtable",
            name="submitted_by",
            field=models.CharField(blank=True, editable=False, max_length=150),
        ),
        migrations.AlterField(
            model_name="mappingtable",
            name="state",
            field=models.CharField(
                choices=[("draft", "Draft"), ("submitted", "Submitted"), ("approved", "Approved")],
                default="draft",
                editable=False,
                max_length=10,
            ),
        ),
        migrations.RunSQL(ROWS_OF % "'submitted', 'approved'", ROWS_OF % "'approved'"),
    ]
