"""A provision file: applied whole or not at all, the same the second time, every mistake named with its place."""

from __future__ import annotations

import re
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from audit.models import AuditEntry, WorkItem
from audit.sandbox import Sandbox, Store
from connector_site.provision import Outcome, provision
from connector_site.provision_file import TABLES
from gusto.models import CompanyRoute, GustoApplication
from gusto.sandbox.system import GustoSandbox
from mappings.models import Crosswalk, MappingRule, MappingTable
from mappings.tables import policy_of
from tenants.models import Connection, LegalEntity, Membership, Tenant, User, installation_tenant
from tenants.scope import tenant_scope
from tests.connector_site.conftest import ROOT

SECRETS = {
    "GUSTO_SECRET": "gusto-hunter2",
    "ALICE_PASSWORD": "a long password for alice",
    "DANA_PASSWORD": "a long password for dana",
    "D365_SECRET": "d365-hunter2",
}

WHOLE = """
[gusto_application]
client_id = "our-client"
client_secret_env = "GUSTO_SECRET"

[[tenant]]
slug = "acme"
name = "Acme Bakery"

[[member]]
tenant = "acme"
user = "alice"
email = "alice@example.com"
roles = ["preparer", "owner"]
password_env = "ALICE_PASSWORD"

[[member]]
tenant = "acme"
user = "dana"
roles = ["approver"]
may_see_pay = true
password_env = "DANA_PASSWORD"

[[connection]]
tenant = "acme"
name = "Dynamics 365"
system = "d365"
[connection.fields]
environment = "https://contoso.operations.dynamics.com"
directory_id = "11111111-2222-3333-4444-555555555555"
client_id = "66666666-7777-8888-9999-000000000000"
client_secret_env = "D365_SECRET"
journal_name = "PAYROLL"

[[legal_entity]]
tenant = "acme"
name = "Acme Bakery Inc"
company_code = "us01"
erp_connection = "Dynamics 365"
approval = "automatic"
posts_from_date = 2026-01-01

[[mapping_table]]
tenant = "acme"
legal_entity = "Acme Bakery Inc"
valid_from = 2026-01-01
approved = true
[[mapping_table.rule]]
rule = "R01"
kind = "earning"
side = "debit"
main_account = "6000"
dimensions = "CostCenter=@department"
percent = "33.33"
[[mapping_table.rule]]
rule = "R01"
kind = "earning"
side = "debit"
target = 2
main_account = "6001"
percent = "66.67"
[[mapping_table.rule]]
rule = "R02"
kind = "net_pay"
side = "credit"
main_account = "2000"
[[mapping_table.crosswalk]]
source_kind = "department"
source_value = "Bakery"
target = "CostCenter"
target_value = "100"
"""


@pytest.fixture
def file(tmp_path, db):
    """Write a file and apply it."""

    def apply(text: str = WHOLE, *, dry: bool = False, **environment: str) -> Outcome:
        path = tmp_path / "provision.toml"
        path.write_text(text)
        return provision(path, is_dry_run=dry, environment={**SECRETS, **environment})

    return apply


def mistakes(outcome: Outcome) -> set[str]:
    assert outcome.changes == ()
    assert not outcome.is_applied
    return {str(mistake) for mistake in outcome.mistakes}


def test_a_file_makes_a_whole_installation(file):
    outcome = file()
    assert outcome.mistakes == ()
    assert outcome.changes == (
        "Gusto application: created",
        "tenant acme: created",
        "member alice of acme: created as owner, preparer",
        "member dana of acme: created as approver",
        "connection Dynamics 365 of acme: created",
        "legal entity Acme Bakery Inc of acme: created",
        "mapping table of Acme Bakery Inc of acme from 2026-01-01: version 1 written, 3 rows, version 1 approved",
    )
    assert GustoApplication.objects.get().client_secret == "gusto-hunter2"
    acme = Tenant.objects.get(slug="acme")
    alice = User.objects.get(username="alice")
    assert alice.check_password("a long password for alice")
    assert Membership.objects.get(user=alice).roles == ["owner", "preparer"]
    assert Membership.objects.get(user__username="dana").may_see_pay
    with tenant_scope(acme.id):
        books = Connection.objects.get()
        assert books.fields["client_secret"] == "d365-hunter2"
        assert books.fields["authority"] == "https://login.microsoftonline.com"
        entity = LegalEntity.objects.get()
        assert (entity.company_code, entity.approval, entity.erp_connection) == ("us01", "automatic", books)
        table = MappingTable.objects.get()
        assert table.state == "approved"
        assert [(row.rule, row.target, str(row.percent)) for row in MappingRule.objects.order_by("rule", "target")] == [
            ("R01", 1, "33.330000"),
            ("R01", 2, "66.670000"),
            ("R02", 1, "100.000000"),
        ]
        assert Crosswalk.objects.get().target_value == "100"
        actions = set(AuditEntry.objects.values_list("action", flat=True))
        assert actions >= {"tenant.created", "membership.created", "connection.created", "mapping_table.approved"}
        entry = AuditEntry.objects.get(action="provision.applied")
        assert entry.facts["changes"] == 6
        assert "hunter2" not in str(list(AuditEntry.objects.values_list("facts", flat=True)))
    with tenant_scope(installation_tenant().id):
        assert AuditEntry.objects.get(action="provision.applied").facts["changes"] == 1
    kinds = set(WorkItem.objects.values_list("kind", flat=True))
    assert {"tenants.check_connection", "erp.read_reference", "gusto.subscribe"} <= kinds


def test_the_second_time_nothing_changes(file):
    def traces() -> tuple[int, int]:
        with tenant_scope(Tenant.objects.get(slug="acme").id):
            return AuditEntry.objects.count(), WorkItem.objects.count()

    file()
    before = traces()
    assert before[0] > 5
    outcome = file()
    assert (outcome.changes, outcome.mistakes, outcome.is_applied) == ((), (), True)
    assert traces() == before


def test_a_dry_run_says_the_same_and_does_nothing(file):
    outcome = file(dry=True)
    assert len(outcome.changes) == 7
    assert not outcome.is_applied
    assert not Tenant.objects.filter(slug="acme").exists()
    assert not User.objects.exists()
    assert not GustoApplication.objects.exists()
    file()
    assert file(dry=True).changes == ()


def test_what_differs_is_changed_and_named(file):
    file()
    changed = (
        WHOLE.replace('name = "Acme Bakery"\n', 'name = "Acme Bakeries"\n')
        .replace('approval = "automatic"', 'approval = "person"')
        .replace('roles = ["approver"]', 'roles = ["approver", "auditor"]')
        .replace('journal_name = "PAYROLL"', 'journal_name = "PAY2"')
        .replace('client_id = "our-client"', 'client_id = "new-client"')
    )
    outcome = file(changed, D365_SECRET="rotated", ALICE_PASSWORD="another long password")
    assert outcome.changes == (
        "Gusto application: client_id changed",
        "tenant acme: name changed",
        "member dana of acme: roles changed",
        "connection Dynamics 365 of acme: client_secret, journal_name changed",
        "legal entity Acme Bakery Inc of acme: approval changed",
    )
    assert User.objects.get(username="alice").check_password("a long password for alice"), (
        "a password stays its owner's"
    )
    with tenant_scope(Tenant.objects.get(slug="acme").id):
        assert Connection.objects.get().fields["client_secret"] == "rotated"
        assert LegalEntity.objects.get().approval == "person"


def test_a_new_date_makes_a_new_version(file):
    file()
    later = WHOLE.replace("valid_from = 2026-01-01", "valid_from = 2026-07-01").replace('"6000"', '"6010"')
    assert file(later).changes == (
        "mapping table of Acme Bakery Inc of acme from 2026-07-01: version 2 written, 3 rows, version 2 approved",
    )


def test_a_change_under_the_date_of_an_approved_version_is_a_correction_beside_it(file):
    file()
    changed = WHOLE.replace('"6000"', '"6010"')
    assert file(changed).changes == (
        "mapping table of Acme Bakery Inc of acme from 2026-01-01: version 2 written, 3 rows, version 2 approved",
    )
    assert file(changed).changes == ()
    with tenant_scope(Tenant.objects.get(slug="acme").id):
        accounts = {
            table.version: [rule.main_account for rule in table.rules.filter(target=1, side="debit")]
            for table in MappingTable.objects.all()
        }
    assert accounts == {1: ["6000"], 2: ["6010"]}


POLICY = """
credits = "paymaster"
paying_company_code = "us01"
due_from_account = "1350"
due_to_account = "2350"
straddle = "working_days"
accrual_account = "2120"
unpaid_holidays = [2026-11-26, 2026-07-03]
clearing_detail = true
ignored_payroll_types = []
"""


def test_a_file_says_the_whole_journal_policy(file):
    with_policy = WHOLE.replace("valid_from = 2026-01-01\n", f"valid_from = 2026-01-01\n{POLICY}")
    assert file(with_policy).changes[-1].endswith("version 1 written, 3 rows, version 1 approved")
    assert file(with_policy).changes == ()
    with tenant_scope(Tenant.objects.get(slug="acme").id):
        policy = policy_of(MappingTable.objects.select_related("legal_entity").get())
    assert (policy.paying_company_code, policy.due_from_account, policy.due_to_account) == ("us01", "1350", "2350")
    assert [str(day) for day in policy.unpaid_holidays] == ["2026-07-03", "2026-11-26"]
    assert (policy.clearing_detail, policy.ignored_payroll_types) == (True, ())


def test_a_journal_policy_that_cannot_be_is_named(file):
    wrong = POLICY.replace("2026-11-26", '"4 July"').replace("[]", '["manual"]')
    assert mistakes(file(WHOLE.replace("valid_from = 2026-01-01\n", f"valid_from = 2026-01-01\n{wrong}"))) == {
        '[[mapping_table]] 1, unpaid_holidays: "4 July" is no date. Write a holiday as 2026-01-31.',
        '[[mapping_table]] 1, ignored_payroll_types: "manual" is no payroll type. '
        "Choose from regular, off_cycle, external.",
    }
    missing = POLICY.replace('due_to_account = "2350"\n', "")
    assert mistakes(file(WHOLE.replace("valid_from = 2026-01-01\n", f"valid_from = 2026-01-01\n{missing}"))) == {
        "[[mapping_table]] 1, approved: One company code pays for all, and the journal policy names no due-to account."
    }


def test_without_approved_the_version_waits_for_an_approver(file):
    assert file(WHOLE.replace("approved = true", "")).changes[-1].endswith("version 1 written, 3 rows")
    assert file().changes == ("mapping table of Acme Bakery Inc of acme from 2026-01-01: version 1 approved",)


def test_every_mistake_is_named_at_once_and_nothing_is_applied(file):
    wrong = """
[gusto_application]
client_id = "x"
client_secret_env = "NOT_SET"
api_url = "http://api.example.com"

[[tenant]]
slug = "acme bakery"
name = "Acme"

[[tenant]]
slug = "other"
name = 7

[[member]]
tenant = "acme"
user = "alice"
roles = ["owner", "boss"]

[[member]]
tenant = "nobody"
user = "bob"
roles = ["preparer"]

[[member]]
tenant = "good"
user = "eve"
roles = ["auditor"]
password_env = "SHORT"

[[tenant]]
slug = "good"
name = "Good"
colour = "red"

[[connections]]
name = "x"

[[connection]]
tenant = "fine"
name = "Books"
system = "d365"
[connection.fields]
environment = "contoso"
client_secret = "in the open"
tenant_id = "x"

[[connection]]
tenant = "fine"
name = "Old"
system = "sap"
fields = { a = "b" }

[[tenant]]
slug = "fine"
name = "Fine"

[[legal_entity]]
tenant = "fine"
name = "Fine Inc"
currency = "DOLLARS"
erp_connection = "Nowhere"
posts_from_date = "2026-01-01"

[[legal_entity]]
tenant = "fine"
name = "Fine Two"
erp_connection = "Nowhere"

[[mapping_table]]
tenant = "fine"
legal_entity = "Nobody Inc"
mapping_csv = "missing.csv"

[[mapping_table]]
tenant = "fine"
legal_entity = "Fine Inc"
valid_from = 2026-01-01
[[mapping_table.rule]]
rule = "R1"
kind = "earning"
side = "debit"
account = "6000"
percent = 33.3
"""
    found = mistakes(file(wrong, SHORT="short"))
    expected = {
        "connections: There is no such table. Did you mean connection?",
        "[gusto_application], api_url: “http://api.example.com” is not encrypted. Use https://.",
        "[[tenant]] 2, name: It must be text in quotes.",
        "[[tenant]] 3, colour: There is no such key. Known are: slug, name, requires_second_factor, time_zone, date_style.",
        "[[member]] 1, roles: “boss” is not one of owner, preparer, approver, auditor.",
        "[[member]] 2, tenant: There is no tenant “nobody”.",
        "[[connection]] 1, fields.client_secret: Secrets do not stand in the file. Name a variable: client_secret_env.",
        "[[connection]] 2, system: There is no such ERP. Known are: d365, ifs, infor_m3, infor_fsm.",
        "[[legal_entity]] 1, posts_from_date: It must be a day like 2026-01-31, without quotes.",
        "[[legal_entity]] 2, erp_connection: fine has no ERP connection “Nowhere”.",
        "[[mapping_table]] 1, mapping_csv: missing.csv cannot be read: No such file or directory.",
        "[[mapping_table]] 2, rule 1, percent: It must be text in quotes.",
    }
    assert expected <= found
    assert any(text.startswith("[[tenant]] 1, slug: ") for text in found)
    assert any(text.startswith("[[connection]] 1, fields.tenant_id: There is no such field.") for text in found)
    assert any(text.startswith("[[mapping_table]] 2, rule 1, account: There is no such key.") for text in found)
    assert not any("eve" in text for text in found), "her tenant has a mistake of its own, and that one is told"
    assert not Tenant.objects.exists()
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tenant = 1", "tenant: Write [[tenant]] with two brackets."),
        ("[tenant]\nslug='a'", "tenant: Write [[tenant]] with two brackets."),
        ("[[gusto_application]]\nclient_id='a'", "[gusto_application]: There is one Gusto application"),
        ("[[tenant]\nslug", "is not TOML"),
        (
            "[[tenant]]\nslug='a'\nname='A'\n[[tenant]]\nslug='a'\nname='B'",
            "[[tenant]] 2, slug: The same stands in number 1.",
        ),
        ("[[tenant]]\nname='A'", "[[tenant]] 1, slug: It is missing."),
        ("[[tenant]]\nslug='installation'\nname='Mine'", "[[tenant]] 1, slug: This name is reserved"),
    ],
)
def test_the_form_of_the_file(file, text, sentence):
    installation_tenant()
    (found,) = mistakes(file(text))
    assert sentence in found


def test_a_missing_variable_and_a_weak_password_are_named(file):
    found = mistakes(file(D365_SECRET="", ALICE_PASSWORD="alice123"))
    assert "[[connection]] 1, fields.client_secret_env: The environment variable D365_SECRET is not set." in found
    assert any(text.startswith("[[member]] 1, password_env: ") and "too short" in text for text in found)
    assert not any("[[legal_entity]]" in text for text in found), "the connection's own mistake is told"
    assert "alice123" not in str(found)


def test_a_missing_secret_of_a_moved_connection_is_named(file):
    """A secret never travels to an address that somebody typed later."""
    file()
    moved = WHOLE.replace("contoso.operations", "other.operations").replace('client_secret_env = "D365_SECRET"', "")
    (found,) = mistakes(file(moved))
    assert found == "[[connection]] 1, fields.client_secret: Client secret is missing."


def test_a_mapping_from_csv_with_the_place_of_each_mistake(file, tmp_path):
    header = (
        "valid_from,rule,kind,component,employee,job,department,location,compensation_level,payroll_type,"
        "off_cycle_reason,side,target,percent,main_account,dimensions,company_code,accrual_account\n"
    )
    row = "2026-01-01,R01,earning,,,,,,,,,debit,1,100,6000,,,\n"
    text = WHOLE[: WHOLE.index("valid_from = 2026-01-01\napproved")] + 'mapping_csv = "mapping.csv"\napproved = true\n'
    (tmp_path / "mapping.csv").write_text(header + row + row.replace("R01", "R02").replace("earning", "earnings"))
    (found,) = mistakes(file(text))
    assert found.startswith("[[mapping_table]] 1, mapping_csv: mapping.csv, row 3, column kind: ")
    (tmp_path / "mapping.csv").write_text(header + row)
    assert file(text).changes[-1].endswith("from 2026-01-01: version 1 written, 1 rows, version 1 approved")
    assert file(text).changes == ()


def test_rules_that_cannot_be_right_are_not_approved(file):
    tie = WHOLE.replace(
        'rule = "R02"\nkind = "net_pay"\nside = "credit"', 'rule = "R02"\nkind = "earning"\nside = "debit"'
    )
    found = mistakes(file(tie))
    assert all(text.startswith("[[mapping_table]] 1, approved: ") for text in found)
    assert found


def test_other_tenants_stay_untouched(file, other_tenant):
    with tenant_scope(other_tenant.id):
        Connection.objects.create(system="d365", name="Dynamics 365")
    file()
    with tenant_scope(other_tenant.id):
        assert Connection.objects.get().stored_fields() == {}
        assert not AuditEntry.objects.exists()


@pytest.fixture
def gusto(tmp_path):
    system = GustoSandbox(Store(tmp_path / "gusto.sqlite"), employees=2, companies=1, history=0)
    server = Sandbox([system])
    server.start()
    yield system
    server.stop()


@pytest.mark.django_db(transaction=True)
def test_a_refresh_token_connects_a_company_once(file, gusto):
    facts = gusto.facts()
    text = WHOLE.replace(
        'client_id = "our-client"', f'client_id = "{facts["client_id"]}"\napi_url = "{facts["address"]}"'
    ).replace('approval = "automatic"', 'approval = "automatic"\ngusto_refresh_token_env = "GRANT"')
    token = gusto.connect(facts["companies"][0]["uuid"])["refresh_token"]
    secrets = {"GUSTO_SECRET": facts["client_secret"], "GRANT": token}
    assert "legal entity Acme Bakery Inc of acme: connected to Gusto" in file(text, dry=True, **secrets).changes
    outcome = file(text, **secrets)
    assert outcome.mistakes == ()
    assert outcome.changes[-1] == "legal entity Acme Bakery Inc of acme: connected to Gusto"
    assert CompanyRoute.objects.get().company_uuid == facts["companies"][0]["uuid"]
    assert file(text, **secrets).changes == ()
    assert file(text, dry=True, **secrets).changes == ()
    assert file(text, **{**secrets, "GRANT": ""}).mistakes == (), "a token that has done its work need not be kept"


@pytest.mark.django_db(transaction=True)
def test_a_refused_refresh_token_is_named_and_the_rest_stands(file, gusto):
    facts = gusto.facts()
    text = WHOLE.replace(
        'client_id = "our-client"', f'client_id = "{facts["client_id"]}"\napi_url = "{facts["address"]}"'
    ).replace('approval = "automatic"', 'approval = "automatic"\ngusto_refresh_token_env = "GRANT"')
    outcome = file(text, GUSTO_SECRET=facts["client_secret"], GRANT="worthless")
    (mistake,) = outcome.mistakes
    assert str(mistake).startswith(
        "[[legal_entity]] 1, gusto_refresh_token_env: Gusto does not accept this refresh token"
    )
    assert outcome.is_applied
    assert Tenant.objects.filter(slug="acme").exists()


def test_the_command_prints_and_ends_with_a_code(tmp_path, db, monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "acme.toml"
    path.write_text(WHOLE)
    out = StringIO()
    call_command("provision", str(path), "--dry-run", stdout=out)
    assert "Dry run: 7 changes. Nothing was written." in out.getvalue()
    call_command("provision", str(path), stdout=out)
    assert "tenant acme: created" in out.getvalue()
    call_command("provision", str(path), stdout=out)
    assert "Nothing to change." in out.getvalue()
    path.write_text("[[tenant]]\nslug = 1")
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("provision", str(path), stdout=out)
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("provision", str(tmp_path / "nowhere.toml"), stdout=out)
    assert "hunter2" not in out.getvalue()


def test_sign_in_and_approval_of_a_tenant_are_set_and_named_when_wrong(tmp_path, db):
    path = tmp_path / "settings.toml"
    tenant = '[[tenant]]\nslug = "acme"\nname = "Acme"\nrequires_second_factor = true\n'
    entity = '[[legal_entity]]\ntenant = "acme"\nname = "Acme Inc"\napproval = "automatic"\n'
    path.write_text(f'{tenant}time_zone = "America/New_York"\n{entity}approval_limit = "50000.00"\n')
    assert provision(path, environment={}).is_applied
    assert provision(path, environment={}).changes == (), "the second time nothing changes"
    acme = Tenant.objects.get(slug="acme")
    assert (acme.requires_second_factor, acme.time_zone, acme.date_style) == (True, "America/New_York", "day_first")
    with tenant_scope(acme.id):
        assert LegalEntity.objects.get().approval_limit == Decimal(50000)
    path.write_text(f'{tenant}time_zone = "Mars/Base"\n{entity}approval_limit = "a lot"\n')
    found = [str(mistake) for mistake in provision(path, environment={}).mistakes]
    assert any("There is no time zone “Mars/Base”. Write it like America/New_York." in text for text in found)
    assert any('It must be an amount in quotes, like "50000.00".' in text for text in found)


def test_the_page_knows_every_table_and_key():
    page = (ROOT / "docs" / "reference" / "provision.md").read_text()
    for table, keys in TABLES.items():
        section = page.split(f"## `[{table}]`" if table == "gusto_application" else f"## `[[{table}]]`")[1].split(
            "\n## "
        )[0]
        assert re.findall(r"^\| `([a-z_0-9]+)` \|", section, re.MULTILINE) == [
            key.name for key in sorted(keys, key=lambda key: _order(section, key.name))
        ]


def _order(section: str, name: str) -> int:
    return section.index(f"| `{name}` |")


def test_the_example_on_the_page_works(tmp_path, db):
    page = (ROOT / "docs" / "reference" / "provision.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    folder = Path(tmp_path)
    (folder / "provision.toml").write_text(example.split("[[mapping_table]]")[0])
    secrets = {
        "GUSTO_CLIENT_SECRET": "x", "ALICE_PASSWORD": "a long password 1", "DANA_PASSWORD": "a long password 2",
        "D365_CLIENT_SECRET": "y",
    }  # fmt: skip
    outcome = provision(folder / "provision.toml", environment=secrets)
    assert outcome.mistakes == ()
