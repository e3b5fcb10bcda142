"""The wall around audit tables, and the database's part of the trail: number, moment, seal, and no change ever."""

from django.db import migrations

from tenants.scope import TenantTable

CHAIN = """
ALTER TABLE audit_audithead ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_audithead
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid);

CREATE FUNCTION mlc.audit_seal() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE head mlc.audit_audithead%ROWTYPE;
BEGIN
    INSERT INTO mlc.audit_audithead (tenant_id, number, seal) VALUES (NEW.tenant_id, 0, '')
        ON CONFLICT (tenant_id) DO NOTHING;
    -- The row lock makes writers of one tenant queue up, so that two entries never follow the same one.
    SELECT * INTO STRICT head FROM mlc.audit_audithead WHERE tenant_id = NEW.tenant_id FOR UPDATE;
    NEW.number := head.number + 1;
    NEW.previous_seal := head.seal;
    NEW.at := clock_timestamp();
    NEW.seal := sha256(head.seal || convert_to(jsonb_build_array(NEW.tenant_id, NEW.number,
        extract(epoch from NEW.at)::text, NEW.action, NEW.actor, NEW.subject, NEW.subject_id, NEW.request_id,
        NEW.facts)::text, 'UTF8'));
    UPDATE mlc.audit_audithead SET number = NEW.number, seal = NEW.seal WHERE tenant_id = NEW.tenant_id;
    RETURN NEW;
END $$;

CREATE FUNCTION mlc.audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is never changed' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER audit_seal BEFORE INSERT ON audit_auditentry FOR EACH ROW EXECUTE FUNCTION mlc.audit_seal();
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit_auditentry
    FOR EACH ROW EXECUTE FUNCTION mlc.audit_refuse();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION mlc.audit_refuse();
-- Only the trigger above, one level down, may move the head.
CREATE TRIGGER audit_head_guard BEFORE UPDATE OR DELETE ON audit_audithead
    FOR EACH ROW WHEN (pg_trigger_depth() < 1) EXECUTE FUNCTION mlc.audit_refuse();
CREATE TRIGGER audit_head_no_truncate BEFORE TRUNCATE ON audit_audithead
    FOR EACH STATEMENT EXECUTE FUNCTION mlc.audit_refuse();
"""

BACK = """
DROP TRIGGER audit_head_no_truncate ON audit_audithead;
DROP TRIGGER audit_head_guard ON audit_audithead;
DROP TRIGGER audit_no_truncate ON audit_auditentry;
DROP TRIGGER audit_no_change ON audit_auditentry;
DROP TRIGGER audit_seal ON audit_auditentry;
DROP FUNCTION mlc.audit_refuse();
DROP FUNCTION mlc.audit_seal();
DROP POLICY tenant ON audit_audithead;
ALTER TABLE audit_audithead DISABLE ROW LEVEL SECURITY;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial"), ("tenants", "0002_tenant_wall")]

    operations = [TenantTable("auditentry"), TenantTable("exchange"), migrations.RunSQL(CHAIN, BACK)]
