from django.db import migrations

from tenants.scope import TenantTable


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial")]

    operations = [TenantTable("connection"), TenantTable("legalentity")]
