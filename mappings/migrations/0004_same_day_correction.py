"""A correction may be valid from the same day as what it corrects; the newest approved version of a day serves."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('mappings', '0003_rule_custom_field'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='mappingtable',
            name='mappings_table_one_per_day',
        ),
    ]
