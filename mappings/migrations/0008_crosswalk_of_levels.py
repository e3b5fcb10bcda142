"""A crosswalk may look up the compensation level of a payroll line."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mappings", "0007_submitted"),
    ]

    operations = [
        migrations.AlterField(
            model_name="crosswalk",
            name="source_kind",
            field=models.CharField(
                choices=[
                    ("department", "Department"),
                    ("location", "Location"),
                    ("job", "Job"),
                    ("compensation_level", "Compensation level"),
                    ("employee", "Employee"),
                ],
                max_length=20,
            ),
        ),
    ]
