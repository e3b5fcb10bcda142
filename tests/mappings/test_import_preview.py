"""Files in and out: what a preview says in rows and in money, to the cent; that nothing is saved before; the template with
the gaps; and that what goes out comes in unchanged.
"""

from __future__ import annotations

import csv
import html
import io
import re
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from openpyxl import load_workbook  # type: ignore[import-untyped]

from mappings.file_import import import_csv
from mappings.models import MappingTable
from mappings.resources import MappingRuleResource
from tenants.models import LegalEntity
from tenants.scope import tenant_scope
from tests.mappings.mapping_world import JUNE, LINES, MAY, RULES, Mapped, mapped, signed_in

IMPORT = "/console/mappings/mappingrule/import/"
DEMO = Path(__file__).resolve().parents[2] / "connector_site" / "demo_data"


@pytest.fixture
def bakery(tenant) -> Mapped:
    return mapped(tenant)


def page_of(response) -> str:
    return html.unescape(re.sub(r"\s+", " ", response.content.decode()))


def words_of(response) -> str:
    page = page_of(response)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page[page.index('<div id="main"') : page.index("</main>")]))


def export(client: Client, table: MappingTable, form: str = "csv") -> bytes:
    response = client.get(f"/console/mappings/mappingtable/{table.pk}/export/mapping.{form}")
    assert response.status_code == 200
    return response.content


def upload(client: Client, bakery: Mapped, content: bytes, name: str = "june.csv", **more: str):
    fields = {"legal_entity": str(bakery.entity.pk), "format": "1" if name.endswith("xlsx") else "0", "resource": ""}
    return client.post(IMPORT, {**fields, **more, "import_file": SimpleUploadedFile(name, content)})


def again(client: Client, preview, address: str = IMPORT, **more: str):
    """Ask the preview again, with the file that waits in it."""
    form = page_of(preview).split('id="run-form"', 1)[1].split("</form>", 1)[0]
    fields = dict(re.findall(r'name="([a-z_]+)" value="([^"]*)"', form))
    fields.pop("csrfmiddlewaretoken")
    return client.post(address, {**fields, **more})


def counts(response) -> dict[str, int]:
    return {what: int(count) for what, count in re.findall(r'data-what="([a-z]+)">\w+ (\d+)<', page_of(response))}


def changed(client: Client, bakery: Mapped, *replaced: tuple[str, str]) -> bytes:
    text = export(client, bakery.table).decode()
    for old, new in replaced:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text.encode()


def money(response) -> list[tuple[str, ...]]:
    """Account, dimensions and the three amounts of each row, the totals last."""
    table = re.search(r'<table class="grid-table money">(.*?)</table>', page_of(response))
    assert table
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table[1])[1:]
    found = []
    for row in rows:
        cells = [
            re.sub(r"<span class=\"(second|material)[^>]*>.*?</span>", "", cell)
            for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)
        ]
        found.append(tuple(re.sub(r"<[^>]+>", "", cell).strip() for cell in cells))
    return found


BONUS = ("debit,1,100,6015,", "debit,1,100,6000,")


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_what_goes_out_comes_in_unchanged_on_every_row(bakery, bob, form):
    bakery.pay()
    client = signed_in(bob)
    preview = upload(client, bakery, export(client, bakery.table, form), f"june.{form}")
    assert counts(preview) == {"all": len(RULES), "unchanged": len(RULES)}
    assert "Every amount of this payroll stays where it is." in words_of(preview)


def test_the_demos_table_goes_out_and_comes_in_unchanged(bakery, bob):
    text = (DEMO / "mapping.csv").read_text()
    with tenant_scope(bakery.tenant.id):
        demo = LegalEntity.objects.create(name="Demo", company_code="us01")
        outcome = import_csv(demo, text, None, by="gwen", source="mapping.csv")
        assert outcome.errors == ()
        (table,) = outcome.tables
        rows = len(list(csv.reader(io.StringIO(text)))) - 1
        assert MappingRuleResource().export(table.rules.all()).height == rows
    client = signed_in(bob)
    for form in ("csv", "xlsx"):
        preview = upload(client, Mapped(bakery.tenant, demo, table), export(client, table, form), f"demo.{form}")
        assert counts(preview) == {"all": rows, "unchanged": rows}


def test_the_money_of_a_changed_file_is_right_to_the_cent(bakery, bob):
    """400.00 of bonus and 150.00 + 150.00 of an uncaught stipend move; everything else stays."""
    bakery.pay()
    client = signed_in(bob)
    stipend = "2026-01-01,R09,earning,Wellness Stipend,,,,,,,,debit,1,100,6230,CostCenter=@department,,\n"
    preview = upload(client, bakery, changed(client, bakery, BONUS) + stipend.encode())
    assert counts(preview) == {"all": len(RULES) + 1, "new": 1, "changed": 1, "unchanged": len(RULES) - 1}
    assert money(preview) == [
        ("6000 Wages and salaries", "CostCenter 200 Sales", "3,000.00", "3,400.00", "+400.00"),
        ("6015 Bonus, billable", "CostCenter 200 Sales", "400.00", "0.00", "-400.00"),
        ("6230 Employee wellness", "CostCenter 100 Production", "0.00", "150.00", "+150.00"),
        ("6230 Employee wellness", "CostCenter 200 Sales", "0.00", "150.00", "+150.00"),
        ("Caught by no rule, debit", "", "300.00", "0.00", "-300.00"),
        ("All other accounts, unchanged", "", "2,310.00", "2,310.00", "0.00"),
        ("Total debits", "", "6,010.00", "6,010.00", "0.00"),
        ("Residual, debits minus credits", "", "0.00", "0.00", "0.00"),
    ]
    words = words_of(preview)
    assert "Nothing is saved yet: june.csv" in words
    assert "Version 1, in use After this import Difference" in words
    assert "was 6015 Bonus, billable 6000 Wages and salaries CostCenter from department 400.00" in words
    assert "6230 Employee wellness CostCenter from department 300.00" in words
    assert len(bakery.versions()) == 1


def test_another_payroll_is_looked_at_without_a_second_upload(bakery, bob):
    bakery.pay()
    bakery.pay([*LINES[:-1], ("net_pay", "Direct Deposit", "E03", "", "Sales", "400.00", "")], check_date=MAY)
    client = signed_in(bob)
    preview = upload(client, bakery, changed(client, bakery, BONUS))
    assert "payroll run 26 Jun 2026" in words_of(preview)
    runs = re.findall(r'<option value="([^"]+)"', page_of(preview))
    assert len(runs) == 2
    other = again(client, preview, run=runs[1])
    assert "payroll run 29 May 2026" in words_of(other)
    assert counts(other) == counts(preview)
    saved = again(client, other, address="/console/mappings/mappingrule/process_import/")
    assert saved.status_code == 302
    _, draft = bakery.versions()
    assert (draft.state, draft.changed_by) == ("draft", ["bob"])


def test_one_wrong_row_is_named_shown_and_downloaded_and_nothing_can_be_saved(bakery, bob):
    bakery.pay()
    client = signed_in(bob)
    preview = upload(client, bakery, changed(client, bakery, ("debit,1,100,6015,", "debit,1,100,6016,")))
    words = words_of(preview)
    assert (
        "1 row has to be repaired before anything is saved. Row 3, column main_account: Account 6016 does not exist"
        in words
    )
    assert "Closest: 6015 Bonus, billable." in words
    assert 'aria-disabled="true">Save as draft version 2' in page_of(preview)
    assert "Upload repaired file" in words
    assert counts(preview) == {"all": len(RULES), "error": 1, "unchanged": len(RULES) - 1}
    assert [row[0] for row in money(preview)][:2] == ["6015 Bonus, billable", "6016"], "the money is shown all the same"
    wrong = again(client, preview, address=f"{IMPORT}errors.csv")
    assert wrong["Content-Disposition"] == 'attachment; filename="rows-with-errors.csv"'
    (row,) = csv.DictReader(io.StringIO(wrong.content.decode()))
    assert (row["row"], row["rule"], row["main_account"]) == ("3", "R02", "6016")
    assert row["what is wrong"].startswith("main_account: Account 6016 does not exist")
    # A confirmation that was made up is refused as well.
    forged = again(client, preview, address="/console/mappings/mappingrule/process_import/")
    assert forged.status_code == 302
    assert len(bakery.versions()) == 1


def test_a_row_that_is_missing_is_removed_with_the_money_it_moves(bakery, bob):
    bakery.pay()
    client = signed_in(bob)
    lines = export(client, bakery.table).decode().splitlines(keepends=True)
    preview = upload(client, bakery, "".join(line for line in lines if "R02" not in line).encode())
    assert counts(preview) == {"all": len(RULES), "removed": 1, "unchanged": len(RULES) - 1}
    assert ("Caught by no rule, debit", "", "300.00", "700.00", "+400.00") in money(preview)


def test_one_persons_bonus_is_hidden_from_whoever_may_not_see_pay(bakery, alice):
    bakery.pay()
    client = signed_in(alice)
    preview = upload(client, bakery, changed(client, bakery, BONUS))
    words = words_of(preview)
    assert "400.00" not in words.replace("2,400.00", "")
    assert "one person's" in words


@pytest.mark.parametrize("rows", [5_001, 100_000])
def test_too_many_rows_are_refused_at_once(bakery, bob, rows):
    header = export(signed_in(bob), bakery.table).decode().splitlines()[0]
    row = "2026-01-01,Q{},earning,C{},,,,,,,,debit,1,100,6000,,,\n"
    content = header + "\n" + "".join(row.format(number, number) for number in range(rows))
    words = words_of(upload(signed_in(bob), bakery, content.encode()))
    too_long = (
        "The file has more than 5,000 rows."
        if rows < 50_000
        else "The file has more than 5 MB. A mapping has at most 5,000 rows."
    )
    assert too_long in words
    assert len(bakery.versions()) == 1


def test_a_file_of_five_thousand_rows_is_shown_and_saved(bakery, bob):
    bakery.pay()
    client = signed_in(bob)
    rows = "".join(
        f"2026-01-01,Q{number},earning,Component {number},,,,,,,,debit,1,100,6000,,,\n"
        for number in range(5_000 - len(RULES))
    )
    preview = upload(client, bakery, export(client, bakery.table) + rows.encode())
    assert counts(preview) == {"all": 5_000, "new": 5_000 - len(RULES), "unchanged": len(RULES)}
    assert "4,000 more rows" in words_of(preview).replace("4000", "4,000")
    assert again(client, preview, address="/console/mappings/mappingrule/process_import/").status_code == 302
    assert len(bakery.rules(bakery.versions()[-1])) == 5_000


# The template with the gaps


def test_the_template_has_every_rule_and_a_row_for_each_gap(bakery, bob):
    bakery.pay()
    client = signed_in(bob)
    address = f"/console/mappings/mappingtable/files/{bakery.entity.pk}/template.xlsx"
    response = client.get(address)
    assert response["Content-Disposition"] == 'attachment; filename="mapping-1000.xlsx"'
    book = load_workbook(io.BytesIO(response.content))
    sheet = book.worksheets[0]
    header = [cell.value for cell in sheet[1]]
    assert sheet.max_row == len(RULES) + 2
    last = dict(zip(header, [cell.value or "" for cell in sheet[sheet.max_row]], strict=True))
    assert (last["valid_from"], last["rule"], last["component"], last["main_account"], last["dimensions"]) == (
        JUNE.isoformat(), "R06", "Wellness Stipend", "6230", "CostCenter=@department",
    )  # fmt: skip
    note = sheet.cell(sheet.max_row, header.index("main_account") + 1).comment
    assert "Closest name in the chart of accounts." in note.text
    accounts = [[cell.value for cell in row] for row in book["accounts"].iter_rows(min_row=2)]
    assert ["6230", "Employee wellness"] in accounts
    lists = {str(each.sqref): each.formula1 for each in sheet.data_validations.dataValidation}
    column = chr(ord("A") + header.index("main_account"))
    assert lists[f"{column}2:{column}5001"] == f"accounts!$A$2:$A${len(accounts) + 1}"
    preview = upload(client, bakery, response.content, "mapping-1000.xlsx")
    assert counts(preview) == {"all": len(RULES) + 1, "new": 1, "unchanged": len(RULES)}, "against the version in force"
    assert ("Caught by no rule, debit", "", "300.00", "0.00", "-300.00") in money(preview)
    assert again(client, preview, address="/console/mappings/mappingrule/process_import/").status_code == 302
    _, draft = bakery.versions()
    assert (draft.valid_from, len(bakery.rules(draft))) == (JUNE, len(RULES) + 1)


def test_the_template_of_a_draft_keeps_its_rows(bakery, bob):
    bakery.pay()
    client = signed_in(bob)
    page = page_of(client.get(bakery.coverage))
    (key,) = re.findall(r'name="key" value="(\w+)" aria-label', page)
    client.post(f"{bakery.coverage}accept/", {"key": key})
    _, draft = bakery.versions()
    address = f"/console/mappings/mappingtable/files/{bakery.entity.pk}/template.xlsx?version={draft.pk}"
    preview = upload(client, bakery, client.get(address).content, "mapping-1000.xlsx")
    assert counts(preview) == {"all": len(RULES) + 1, "unchanged": len(RULES) + 1}


# Versions side by side


def test_two_versions_are_compared_in_rows_and_money(bakery, bob, erin):
    bakery.pay()
    client = signed_in(bob)
    preview = upload(client, bakery, changed(client, bakery, BONUS))
    again(client, preview, address="/console/mappings/mappingrule/process_import/")
    first, second = bakery.versions()
    page = f"/console/mappings/mappingtable/compare/{bakery.entity.pk}/?before={first.pk}&after={second.pk}"
    compared = signed_in(bob).get(page)
    assert ("6015 Bonus, billable", "CostCenter 200 Sales", "400.00", "0.00", "-400.00") in money(compared)
    assert "Rule R02, debit edit Changed main account 6015 6000" in words_of(compared)
    listed = words_of(client.get("/console/mappings/mappingtable/", follow=True))
    assert "400.00 against version 1" in listed
    assert "the first" in listed
    back = signed_in(bob).get(page.split("?")[0], {"before": second.pk, "after": first.pk})
    assert ("6015 Bonus, billable", "CostCenter 200 Sales", "0.00", "400.00", "+400.00") in money(back)
    hidden = signed_in(erin).get("/console/mappings/mappingtable/", follow=True)
    assert "one person's" in words_of(hidden)
    assert "400.00" not in words_of(hidden)
