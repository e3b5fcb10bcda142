"""The pages of file mode: looked at before anything is kept, added once, taken back; who may, and what is refused."""

from __future__ import annotations

import html
import io
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from openpyxl import load_workbook  # type: ignore[import-untyped]

from audit.models import AuditEntry, WorkItem
from gusto.lines_file import COLUMNS
from gusto.models import Employee, PayrollDocument, PayrollRun
from mappings.models import SourceCode
from tenants.models import Connection, LegalEntity
from tenants.scope import tenant_scope
from tests.conftest import member
from tests.gusto.documents import payroll
from tests.gusto.payroll_files import csv_file, json_file, line_rows
from tests.gusto.test_file_reading import EMPLOYEES, PERSON, SECOND

RUNS = "/console/gusto/payrollrun/"
ADD = f"{RUNS}add-file/"
LINES = csv_file(line_rows())


@pytest.fixture
def entity(tenant) -> LegalEntity:
    with tenant_scope(tenant.id):
        made: LegalEntity = LegalEntity.objects.create(name="Harbor <b>Foods</b>", company_code="1000")
        return made


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def words(response: Any) -> str:
    """What a person reads: text without tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())).split())


def upload(client: Client, entity: LegalEntity, content: bytes, name: str = "june.csv", **more: Any) -> Any:
    values = {"legal_entity": entity.pk, "payroll": SimpleUploadedFile(name, content), **more}
    return client.post(ADD, values)


def mark_of(response: Any) -> str:
    found = re.search(r'name="mark" value="([0-9a-f]{64})"', response.content.decode())
    return found.group(1) if found else ""


def added(client: Client, entity: LegalEntity, content: bytes = LINES) -> PayrollRun:
    """Look at a file, then add it."""
    mark = mark_of(upload(client, entity, content))
    assert upload(client, entity, content, mark=mark).status_code == 302
    with tenant_scope(entity.tenant_id):
        run: PayrollRun = PayrollRun.objects.order_by("-pk")[0]
        return run


def counts(entity: LegalEntity) -> list[int]:
    with tenant_scope(entity.tenant_id):
        tables = (PayrollRun, PayrollDocument, Employee, SourceCode, AuditEntry, WorkItem)
        return [table.objects.count() for table in tables]


def test_a_look_shows_what_is_in_the_file_and_keeps_nothing(entity, bob):
    client = signed_in(bob)
    before = counts(entity)
    response = upload(client, entity, LINES)
    text = words(response)
    assert "Nothing is saved yet. It becomes the payroll run of 26 Jun 2026 of Harbor <b>Foods</b>." in text
    assert "has no ERP connection yet" in text
    assert "Check date 26 Jun 2026 Pay period 6 Jun 2026 to 19 Jun 2026 Debit date 25 Jun 2026 Employees 2" in text
    assert "Earning 2 5,000.00" in text
    # Company taxes of -1.25 are among the employer's.
    assert "Employer tax 3 308.75 308.75" in text
    assert "Imputed 12.00, in no journal unless a rule says so 1" in text
    assert "Total 5,653.85 5,653.85" in text
    assert "Each person's earnings, tips, draws and reimbursements" in text
    assert b"<b>Foods" not in response.content
    assert mark_of(response)
    assert counts(entity) == before


def test_a_file_is_added_by_the_second_click_and_only_once(entity, bob):
    client = signed_in(bob)
    run = added(client, entity)
    assert (run.source, run.state, run.prepared_by) == ("file", "read", ["bob"])
    page = f"{RUNS}{run.pk}/change/"
    text = words(client.get(page))
    assert "The file was added as payroll run 26 Jun 2026." in text
    assert "File “june.csv” was added as payroll run with check date 26 Jun 2026: 2 people." in text
    again = upload(client, entity, LINES, "other name.csv")
    assert re.search(
        r"This file was added on \d+ \w+ \d+ as payroll run 26 Jun 2026\. Nothing was added\.", words(again)
    )
    assert f'href="{page}"' in again.content.decode()
    assert not mark_of(again)
    with tenant_scope(entity.tenant_id):
        assert PayrollRun.objects.count() == 1


def test_a_double_click_adds_once(entity, bob):
    client = signed_in(bob)
    mark = mark_of(upload(client, entity, LINES))
    first, second = (upload(client, entity, LINES, mark=mark) for _ in range(2))
    assert first["Location"] == second["Location"]
    assert "Nothing was added." in words(client.get(second["Location"]))
    with tenant_scope(entity.tenant_id):
        assert PayrollRun.objects.count() == 1


@pytest.mark.parametrize("mark", ["0" * 64, "x"])
def test_only_what_was_looked_at_is_added(entity, tenant, bob, mark):
    client = signed_in(bob)
    before = counts(entity)
    assert "This is not the file that was shown before." in words(upload(client, entity, LINES, mark=mark))
    with tenant_scope(tenant.id):
        other = LegalEntity.objects.create(name="Another one")
    of_other = mark_of(upload(client, other, LINES))
    assert "This is not the file that was shown before." in words(upload(client, entity, LINES, mark=of_other))
    assert counts(entity) == before


def test_the_page_asks_for_a_part_of_itself(entity, bob):
    client = signed_in(bob)
    values = {"legal_entity": entity.pk, "payroll": SimpleUploadedFile("june.csv", LINES)}
    part = client.post(ADD, values, headers={"HX-Request": "true"})
    assert b"<html" not in part.content
    assert mark_of(part)
    assert "choose the same file again" not in words(part)
    assert "choose the same file again" in words(upload(client, entity, LINES))


def test_a_payroll_as_json_with_its_employees(entity, bob):
    client = signed_in(bob)
    files = {"employees": json_file(EMPLOYEES)}
    content = json_file(payroll(PERSON, SECOND))
    looked = upload(
        client, entity, content, "june.json", employees=SimpleUploadedFile("people.json", files["employees"])
    )
    assert "Employees 2" in words(looked)
    assert "Nobody" not in words(looked)
    # The employees document is part of what was looked at.
    assert "not the file that was shown before" in words(upload(client, entity, content, mark=mark_of(looked)))
    people = SimpleUploadedFile("people.json", files["employees"])
    assert upload(client, entity, content, "june.json", employees=people, mark=mark_of(looked)).status_code == 302
    with tenant_scope(entity.tenant_id):
        assert set(Employee.objects.values_list("department", flat=True)) == {"Fleet", "Office"}


def test_mistakes_are_a_table_and_nothing_is_kept(entity, bob):
    client = signed_in(bob)
    rows = line_rows()
    rows[1] |= {"amount": "1,000.00", "department": "=HYPERLINK(1)"}
    rows[4] |= {"kind": "<script>alert(1)</script>"}
    before = counts(entity)
    response = upload(client, entity, csv_file(rows), "june<i>.csv")
    text = words(response)
    assert "cannot be added: 2 mistakes. Nothing was saved. Repair them" in text
    assert "=HYPERLINK(1) This is a formula." in text
    assert "No such kind." in text
    assert b"<script>alert" not in response.content
    assert b"june<i>" not in response.content
    assert not mark_of(response)
    assert counts(entity) == before
    many = csv_file([*rows, *[{"kind": "x", "component": "y", "employee": "E", "amount": "1"}] * 300])
    assert "50 and more mistakes" in words(upload(client, entity, many))


def test_what_is_missing_or_too_large(entity, bob):
    client = signed_in(bob)
    assert "Choose a payroll file." in words(client.post(ADD, {"legal_entity": entity.pk}))
    assert "This payroll file is empty." in words(upload(client, entity, b""))
    assert "larger than 20 MB" in words(upload(client, entity, b" " * (21 * 1024 * 1024)))
    assert "Choose a legal entity." in words(client.post(ADD, {"payroll": SimpleUploadedFile("june.csv", LINES)}))


def test_other_content_is_blocked_only_when_a_person_says_so(entity, bob):
    client = signed_in(bob)
    run = added(client, entity)
    rows = line_rows()
    rows[-1] |= {"component": "Direct Deposit"}
    looked = upload(client, entity, csv_file(rows))
    text = words(looked)
    assert "Another file with other content was added on" in text
    assert "Checks was 2,570.10 and is 0.00 now." in text
    assert "Block that payroll run" in text
    with tenant_scope(entity.tenant_id):
        assert PayrollRun.objects.get().state == "read"
    assert upload(client, entity, csv_file(rows), mark=mark_of(looked)).status_code == 302
    text = words(client.get(f"{RUNS}{run.pk}/change/"))
    assert "Two files say different things of this payroll." in text
    assert "Checks was 2,570.10 and is 0.00 now." in text
    assert f'href="{ADD}"' in client.get(f"{RUNS}{run.pk}/change/").content.decode()
    assert "Blocked: Two files say different things of this payroll." in words(client.get("/console/"))
    assert "Block that payroll run" not in words(upload(client, entity, csv_file(rows)))
    client = signed_in(member(entity.tenant, "dana", "approver"))
    assert f'href="{ADD}"' not in client.get(f"{RUNS}{run.pk}/change/").content.decode()
    client = signed_in(bob)
    assert "Go on with this file" in words(upload(client, entity, LINES))
    added(client, entity)
    with tenant_scope(entity.tenant_id):
        assert PayrollRun.objects.get().state == "read"


def test_a_file_is_taken_back_with_a_reason(entity, bob):
    client = signed_in(bob)
    run = added(client, entity)
    page = f"{RUNS}{run.pk}/take-back/"
    assert f'href="{page}"' in client.get(f"{RUNS}{run.pk}/change/").content.decode()
    assert "For each that it holds a reversal is created" in words(client.get(page))
    assert "Say why" in words(client.post(page, {"reason": " "}, follow=True))
    text = words(client.post(page, {"reason": "The wrong month."}, follow=True))
    assert "The payroll file is taken back." in text
    assert "was taken back: The wrong month." in text
    assert f'href="{page}"' not in client.get(f"{RUNS}{run.pk}/change/").content.decode()
    assert "was taken back already" in words(client.post(page, {"reason": "again"}, follow=True))
    with tenant_scope(entity.tenant_id):
        assert PayrollRun.objects.get().state == "withdrawn"
    assert "are being undone" in words(upload(client, entity, LINES))


def test_the_template_has_every_column_and_an_example(entity, bob):
    client = signed_in(bob)
    response = client.get(f"{RUNS}file-template/")
    assert response["Content-Disposition"] == 'attachment; filename="payroll_lines.xlsx"'
    book = load_workbook(io.BytesIO(response.content))
    lines, example, meanings = book.worksheets
    assert [cell.value for cell in lines[1]] == [cell.value for cell in example[1]] == list(COLUMNS)
    assert [row[0] for row in meanings.iter_rows(min_row=2, values_only=True)] == list(COLUMNS)
    assert "The file has its first row and no payroll line." in words(upload(client, entity, response.content))
    for row in example.iter_rows(min_row=2, values_only=True):
        lines.append(row)
    out = io.BytesIO()
    book.save(out)
    text = words(upload(client, entity, out.getvalue(), "filled.xlsx"))
    assert "It becomes the payroll run of 13 Nov 2026" in text
    assert "Total 5,656.35 5,656.35" in text


def test_an_empty_list_says_how_payrolls_come(tenant, entity, bob):
    client = signed_in(bob)
    assert "No payroll run yet. Add a payroll file, or connect Gusto" in words(client.get(RUNS))
    with tenant_scope(tenant.id):
        entity.gusto_connection = Connection.objects.create(system="gusto", name="Gusto")
        entity.save()
    text = words(client.get(RUNS))
    assert "As soon as Gusto has processed a payroll it shows here." in text
    assert "Add payroll file" in text, "a file may come beside Gusto, too"


def test_home_says_that_payrolls_come_as_files(entity, bob):
    client = signed_in(bob)
    assert "No payroll run yet." in words(client.get("/console/"))
    added(client, entity)
    assert "Payrolls come as files." in words(client.get("/console/"))


def test_no_amount_and_no_person_is_logged(entity, bob, caplog, capsys):
    client = signed_in(bob)
    rows = line_rows()
    rows[1] |= {"amount": "3000.01"}
    refused = words(upload(client, entity, csv_file(rows), "june-4711.csv"))
    assert "E02" in refused
    added(client, entity)
    said = "".join(capsys.readouterr()) + caplog.text
    assert "add-file" in said, "requests are logged"
    for private in ("E02", "E01", "3000", "2570.10", "2,570.10", "5,653.85", "june-4711"):
        assert private not in said


def test_a_legal_entity_comes_first(tenant, bob):
    text = words(signed_in(bob).get(ADD))
    assert "A payroll belongs to a legal entity, and there is none yet." in text


@pytest.mark.parametrize(
    ("role", "may"), [("owner", True), ("preparer", True), ("approver", False), ("auditor", False)]
)
def test_owners_and_preparers_add_files_and_nobody_else(tenant, entity, role, may):
    client = signed_in(member(tenant, "somebody", role))
    run = added(signed_in(member(tenant, "fred", "preparer")), entity)
    before = counts(entity)
    assert (ADD in client.get(RUNS).content.decode()) is may
    assert (f"{RUNS}{run.pk}/take-back/" in client.get(f"{RUNS}{run.pk}/change/").content.decode()) is may
    for address in (ADD, f"{RUNS}file-template/", f"{RUNS}{run.pk}/take-back/"):
        assert client.get(address).status_code == (200 if may else 404)
    if not may:
        assert upload(client, entity, LINES, mark="0" * 64).status_code == 404
        assert client.post(f"{RUNS}{run.pk}/take-back/", {"reason": "why"}).status_code == 404
    assert counts(entity) == before


def test_another_tenant_finds_nothing_and_adds_nothing(entity, bob, charlie):
    run = added(signed_in(bob), entity)
    client = signed_in(charlie)
    before = counts(entity)
    assert "Choose a legal entity." in words(upload(client, entity, LINES))
    assert "Harbor" not in client.get(ADD).content.decode()
    assert client.post(f"{RUNS}{run.pk}/take-back/", {"reason": "why"}).status_code == 404
    assert counts(entity) == before


def test_nobody_adds_without_the_token_of_the_page(entity, bob):
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)
    before = counts(entity)
    assert upload(client, entity, LINES).status_code == 403
    mark = mark_of(upload(signed_in(bob), entity, LINES))
    assert upload(client, entity, LINES, mark=mark).status_code == 403
    assert counts(entity) == before


def test_somebody_signed_out_is_asked_to_sign_in(entity):
    response = upload(Client(), entity, LINES)
    assert response.status_code == 401
    text = response.content.decode()
    assert "Nothing of the form was saved or sent." in text
    assert 'href="/account/login/?next=' in text
