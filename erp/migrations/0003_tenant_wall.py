"""The wall; the database's own refusal of a journal that does not balance; and journals that never change once sent."""

from django.db import migrations

from tenants.scope import TenantTable

BALANCE = """
-- Deferred: lines are written one by one and must agree with each other and with the header at commit.
CREATE FUNCTION mlc.posting_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    mine bigint := CASE WHEN TG_OP = 'DELETE' THEN OLD.posting_id ELSE NEW.posting_id END;
    sums record;
    header record;
BEGIN
    SELECT debit, credit, line_count INTO header FROM mlc.erp_posting WHERE id = mine;
    IF NOT FOUND THEN RETURN NULL; END IF;
    SELECT COALESCE(sum(debit), 0) AS debit, COALESCE(sum(credit), 0) AS credit, count(*) AS line_count INTO sums
        FROM mlc.erp_postingline WHERE posting_id = mine;
    IF sums.debit <> sums.credit OR sums.debit <> header.debit OR sums.line_count <> header.line_count THEN
        RAISE EXCEPTION 'journal % does not balance or does not agree with its lines', mine
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER posting_balances AFTER INSERT OR UPDATE OR DELETE ON erp_postingline
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mlc.posting_balances();

CREATE FUNCTION mlc.posting_line_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE sent boolean;
BEGIN
    SELECT was_sent INTO sent FROM mlc.erp_posting WHERE id = OLD.posting_id;
    IF sent OR TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'the lines of a journal never change' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END $$;

CREATE TRIGGER posting_line_frozen BEFORE UPDATE OR DELETE ON erp_postingline
    FOR EACH ROW EXECUTE FUNCTION mlc.posting_line_frozen();
"""

BACK = """
DROP TRIGGER posting_line_frozen ON erp_postingline;
DROP TRIGGER posting_balances ON erp_postingline;
DROP FUNCTION mlc.posting_line_frozen();
DROP FUNCTION mlc.posting_balances();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("erp", "0002_initial"),
        ("gusto", "0002_tenant_wall"),
        ("mappings", "0002_tenant_wall"),
    ]

    operations = [
        TenantTable("posting"),
        TenantTable("postingline"),
        TenantTable("postingtrace"),
        TenantTable("postingattempt"),
        TenantTable("referencesnapshot"),
        migrations.RunSQL(BALANCE, BACK),
    ]
