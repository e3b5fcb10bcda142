from django.db import migrations

from tenants.scope import TenantTable


class Migration(migrations.Migration):
    dependencies = [("gusto", "0001_initial"), ("tenants", "0002_tenant_wall")]

    operations = [
        TenantTable("authorizationstate"),
        TenantTable("callwindow"),
        TenantTable("payrollrun"),
        TenantTable("payrolldocument"),
        TenantTable("employee"),
    ]
