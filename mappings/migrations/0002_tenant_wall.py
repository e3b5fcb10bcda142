"""The wall, and the promise that an approved mapping version never changes."""

from django.db import migrations

from tenants.scope import TenantTable

FROZEN = """
CREATE FUNCTION mlc.mapping_table_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'approved' THEN
        RAISE EXCEPTION 'an approved mapping version never changes' USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION mlc.mapping_row_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    row_table bigint := CASE WHEN TG_OP = 'DELETE' THEN OLD.mapping_table_id ELSE NEW.mapping_table_id END;
    found text;
BEGIN
    SELECT state INTO found FROM mlc.mappings_mappingtable WHERE id = row_table;
    IF found = 'approved' THEN
        RAISE EXCEPTION 'an approved mapping version never changes' USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.mapping_table_id <> NEW.mapping_table_id THEN
        RAISE EXCEPTION 'a row stays in its mapping version' USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER mapping_table_frozen BEFORE UPDATE OR DELETE ON mappings_mappingtable
    FOR EACH ROW EXECUTE FUNCTION mlc.mapping_table_frozen();
CREATE TRIGGER mapping_rule_frozen BEFORE INSERT OR UPDATE OR DELETE ON mappings_mappingrule
    FOR EACH ROW EXECUTE FUNCTION mlc.mapping_row_frozen();
CREATE TRIGGER crosswalk_frozen BEFORE INSERT OR UPDATE OR DELETE ON mappings_crosswalk
    FOR EACH ROW EXECUTE FUNCTION mlc.mapping_row_frozen();
"""

BACK = """
DROP TRIGGER crosswalk_frozen ON mappings_crosswalk;
DROP TRIGGER mapping_rule_frozen ON mappings_mappingrule;
DROP TRIGGER mapping_table_frozen ON mappings_mappingtable;
DROP FUNCTION mlc.mapping_row_frozen();
DROP FUNCTION mlc.mapping_table_frozen();
"""


class Migration(migrations.Migration):
    dependencies = [("mappings", "0001_initial"), ("tenants", "0002_tenant_wall")]

    operations = [
        TenantTable("mappingtable"),
        TenantTable("mappingrule"),
        TenantTable("crosswalk"),
        TenantTable("sourcecode"),
        TenantTable("mainaccount"),
        TenantTable("dimension"),
        TenantTable("dimensionvalue"),
        TenantTable("fiscalperiod"),
        migrations.RunSQL(FROZEN, BACK),
    ]
