"""The figures of Home: the month's tie-out, labour cost, whether we hear from Gusto, and that none of it asks the database
more often when there is more to count.
"""

from __future__ import annotations

import html
import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audit import work
from connector_site.hearing import hearing
from connector_site.labour_cost import NO_DEPARTMENT, OTHERS, cost_chart
from connector_site.month import month_tie_out
from erp.models import Posting
from gusto.models import LabourCost, LastSweep, PayrollRun
from mappings.models import MappingTable
from tenants.models import Connection
from tenants.scope import tenant_scope
from tests.connector_site.books import Books, books

HOME = "/console/"
TODAY = date(2026, 11, 20)


@pytest.fixture
def acme(tenant) -> Books:
    found = books(tenant, "Harbor")
    found.change_run(debits=Decimal("30000.00"), journal_debits=Decimal("30000.00"))
    return found


def text_of(response) -> str:
    page = response.content.decode()
    main = page[page.index("<main") : page.index("</main>")]
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main)))


def run_of(acme: Books, number: int, day: date, debits: str | None, state: str = "read") -> PayrollRun:
    """One more payroll run, inside a scope."""
    made: PayrollRun = PayrollRun.objects.create(
        legal_entity=acme.entity, company_uuid="c", payroll_uuid=f"p{number}", check_date=day, state=state,
        announced_at=timezone.now(), debits=debits and Decimal(debits),
    )  # fmt: skip
    return made


def costs(run: PayrollRun, *rows: tuple[str, str, str, int]) -> None:
    LabourCost.objects.bulk_create(
        LabourCost(payroll_run=run, kind=kind, department=department, amount=Decimal(amount), employees=people)
        for kind, department, amount, people in rows
    )


def test_the_month_splits_what_is_not_in_the_ledger_until_nothing_is_unexplained(acme):
    with tenant_scope(acme.tenant.id):
        run_of(acme, 1, date(2026, 11, 6), "1200.50", "blocked")
        run_of(acme, 2, date(2026, 11, 27), None, "new")
        run_of(acme, 3, date(2026, 11, 6), "999.00", "withdrawn")
        run_of(acme, 4, date(2026, 10, 30), "777.00")
        (month,) = month_tie_out(TODAY)
    assert (month.month, month.currency, month.runs, month.unread) == (date(2026, 11, 1), "USD", 3, 1)
    assert (month.payroll, month.journals, month.posted) == (Decimal("31200.50"), Decimal(30000), Decimal(0))
    assert (month.not_allocated, month.not_posted, month.unexplained) == (Decimal("1200.50"), Decimal(30000), 0)
    acme.change(state="posted")
    with tenant_scope(acme.tenant.id):
        (month,) = month_tie_out(TODAY)
    assert (month.posted, month.not_posted, month.unexplained) == (Decimal(30000), 0, 0)
    acme.change(state="voided")
    with tenant_scope(acme.tenant.id):
        (month,) = month_tie_out(TODAY)
    assert (month.journals, month.given_up, month.unexplained) == (0, Decimal(30000), 0)


def test_what_the_journals_lack_is_unexplained_and_shown(acme, alice, client):
    acme.change_run(journal_debits=Decimal("29880.00"))
    with tenant_scope(acme.tenant.id):
        (month,) = month_tie_out(TODAY)
    assert month.unexplained == Decimal("120.00")
    client.force_login(alice)
    assert "Unexplained report +120.00" in text_of(client.get(HOME))


def test_home_shows_the_tie_out_of_the_month(acme, erin, client):
    client.force_login(erin)
    text = text_of(client.get(HOME))
    assert "November tie-out USD, 1 payroll run" in text
    for words in ("Gusto payroll totals 30,000.00", "Our journals 30,000.00", "Posted in the ledger 0.00",
                  "Not yet allocated 0.00", "Not yet posted 30,000.00", "Unexplained 0.00"):  # fmt: skip
        assert words in text, words


def test_a_month_with_three_paydays_says_so(acme):
    with tenant_scope(acme.tenant.id):
        for number, day in enumerate((date(2026, 8, 7), date(2026, 8, 14), date(2026, 8, 28)), 1):
            run = run_of(acme, number, day, "100.00")
            costs(run, ("earning", "Sales", "90.00", 3), ("tips", "Sales", "4.00", 2), ("employer_tax", "", "6.00", 0))
        costs(acme.run, ("earning", "Sales", "30000.00", 3))
        chart = cost_chart(TODAY, by_department=False, may_see_pay=False)
    assert chart is not None
    assert chart.series == ["Earnings", "Employer taxes"]
    assert [label for label, *_ in chart.rows] == ["Aug, 3 runs", "Sep", "Oct", "Nov to date"]
    assert chart.rows[0][1:] == ([Decimal("282.00"), Decimal("18.00")], Decimal("300.00"))
    assert chart.rows[3][2] == Decimal("30000.00")


def test_a_department_of_one_person_stands_alone_only_for_those_who_may_see_pay(acme, alice, bob, client):
    with tenant_scope(acme.tenant.id):
        costs(
            acme.run, ("earning", "Production", "18000.00", 5), ("earning", "Sales", "9000.00", 3),
            ("earning", "Management", "3000.00", 1), ("employer_tax", "", "12.00", 0),
        )  # fmt: skip
        seen = cost_chart(TODAY, by_department=True, may_see_pay=True)
        hidden = cost_chart(TODAY, by_department=True, may_see_pay=False)
    assert seen is not None
    assert hidden is not None
    assert seen.series == ["Production", "Sales", "Management", NO_DEPARTMENT]
    # The smallest of the others goes with it, else the total would tell.
    assert hidden.series == ["Production", "Sales", OTHERS]
    assert hidden.rows[0][1] == [Decimal(18000), Decimal(9000), Decimal(3012)]
    for person, is_seen in ((bob, True), (alice, False)):
        client.force_login(person)
        page = client.get(HOME, {"cost": "department"}).content.decode()
        assert ("Management" in page) == is_seen
        assert ("3,000.00" in page) == is_seen
        assert ("Departments of one person are not shown alone." in page) != is_seen


def test_silence_is_said_before_everything_else(acme, alice, client):
    client.force_login(alice)
    with tenant_scope(acme.tenant.id):
        LastSweep.objects.create(
            legal_entity=acme.entity, swept_at=timezone.now(), complete_from_date=date(2026, 11, 2),
            next_check_date=timezone.localdate() + timedelta(days=7),
        )  # fmt: skip
        assert hearing().silent_days == 0
    text = text_of(client.get(HOME))
    day = timezone.localdate() + timedelta(days=7)
    assert f"nothing missed since 2 Nov 2026 . Next check date {day:%-d %b %Y}." in text.replace("2026.", "2026 .", 1)
    with tenant_scope(acme.tenant.id):
        Connection.objects.filter(pk=acme.gusto.pk).update(succeeded_at=timezone.now() - timedelta(days=3, hours=2))
    page = client.get(HOME).content.decode()
    assert (
        "<h1>We have not heard from Gusto for 3 days. The last payroll run is not posted yet. 1 waits for approval.</h1>"
        in page
    )
    assert "nothing missed" not in page


def test_a_submitted_version_waits_for_an_approver_who_had_no_part_in_it(acme, dana, client):
    client.force_login(dana)
    draft = acme.draft
    with tenant_scope(acme.tenant.id):
        MappingTable.objects.filter(pk=draft.pk).update(state="submitted", submitted_by="bob")
    text = text_of(client.get(HOME))
    assert (
        "Approve mapping version 2 of Harbor Foods. Valid from 1 Feb 2026. Submitted by bob. Review the version" in text
    )
    with tenant_scope(acme.tenant.id):
        MappingTable.objects.filter(pk=draft.pk).update(changed_by=["bob", "dana"])
    assert "Approve mapping version" not in text_of(client.get(HOME))


def test_a_difference_waits_for_an_approver(acme, dana, client):
    row = {
        "name": "T6 benefits", "equation": "benefits = everybody's", "left": "5.00", "right": "7.00", "difference": "2.00",
        "people": 0, "verdict": "stop", "note": "", "is_acceptable": True,
    }  # fmt: skip
    with tenant_scope(acme.tenant.id):
        run = run_of(acme, 1, date(2026, 11, 6), "10.00", "blocked")
        PayrollRun.objects.filter(pk=run.pk).update(reason="tie_out", tie_out=[row], sentence="It does not add up.")
    client.force_login(dana)
    text = text_of(client.get(HOME))
    assert "Blocked: It does not add up. Payroll run 6 Nov 2026, Harbor Foods. You may accept the difference." in text


def test_what_is_not_shown_is_counted_and_one_click_away(acme, bob, client):
    with tenant_scope(acme.tenant.id):
        for number in range(7):
            run_of(acme, number, date(2026, 11, 6), None, "blocked")
    client.force_login(bob)
    page = client.get(HOME)
    assert "Waits for you 7" in text_of(page)
    assert '<a href="?waits=all#waits">2 more</a>' in page.content.decode()
    assert text_of(client.get(HOME, {"waits": "all"})).count("Look at it") == 7


def badges(response) -> list[str]:
    """What stands beside the items of the navigation, with the words for listeners."""
    return re.findall(r'class="badge badge-\w+">(\d+)<span class="read-aloud"> ([^<]+)', response.content.decode())


def test_the_navigation_counts_for_the_person_who_looks(acme, alice, dana, erin, client):
    gap = {
        "code": "mapping",
        "kind": "gap",
        "sentence": "x",
        "page": "mapping",
        "facts": {"kind": "earning", "component": "Bonus"},
    }
    with tenant_scope(acme.tenant.id):
        run = run_of(acme, 1, date(2026, 11, 6), None, "blocked")
        PayrollRun.objects.filter(pk=run.pk).update(reason="mapping", problems=[gap, gap])
        Connection.objects.filter(pk=acme.erp.pk).update(health="broken", health_sentence="The secret ended.")
    rest = [("1", "without a rule"), ("1", "need you")]
    for person, expected in (
        (alice, [("2", "waiting for you"), *rest]), (dana, [("1", "waiting for you"), *rest]), (erin, rest),
    ):  # fmt: skip
        client.force_login(person)
        assert badges(client.get("/console/gusto/employee/")) == expected, person
    with tenant_scope(acme.tenant.id):
        PayrollRun.objects.filter(pk=run.pk).update(state="read", reason="", problems=[])
    client.force_login(alice)
    assert badges(client.get("/console/gusto/employee/"))[0] == ("2", "waiting for you"), "counted once in 30 seconds"
    assert badges(client.get(HOME)) == [("1", "waiting for you"), ("1", "need you")], "Home counts anew"


def test_home_asks_as_often_with_many_postings_as_with_few(acme, bob, client):
    client.force_login(bob)

    def fill(numbers: range) -> None:
        with tenant_scope(acme.tenant.id):
            runs = PayrollRun.objects.bulk_create(
                PayrollRun(
                    legal_entity=acme.entity, company_uuid="c", payroll_uuid=f"q{number}", state="blocked", reason="mapping",
                    check_date=date(2026, 11, 1) - timedelta(days=number % 150), announced_at=timezone.now(),
                    debits=Decimal(100), journal_debits=Decimal(100),
                )
                for number in numbers
            )  # fmt: skip
            Posting.objects.bulk_create(
                Posting(
                    legal_entity=acme.entity, payroll_run=run, connection=acme.erp, mapping_table=acme.table, kind="PAYROLL",
                    company_code="harb1", posting_key=f"KEY{run.pk}", posting_date=run.check_date, state="allocated",
                    document_date=run.check_date, currency="USD", header_text="", debit=100, credit=100, line_count=2,
                    journal_digest="0" * 64,
                )
                for run in runs
            )  # fmt: skip
            LabourCost.objects.bulk_create(
                LabourCost(payroll_run=run, kind=kind, department=f"D{run.pk % 9}", amount=50, employees=3)
                for run in runs
                for kind in ("earning", "employer_tax")
            )

    def queries() -> int:
        cache.clear()
        with CaptureQueriesContext(connection) as captured:
            assert client.get(HOME).status_code == 200
        return len(captured)

    fill(range(10))
    queries()
    few = queries()
    fill(range(10, 1500))
    assert queries() == few
    assert few <= 45


def test_a_run_that_is_being_read_shows_how_far_it_is(acme, erin, client):
    with tenant_scope(acme.tenant.id):
        run = run_of(acme, 1, date(2026, 11, 6), None, "new")
    page = reverse("admin:gusto_payrollrun_change", args=[run.pk])
    client.force_login(erin)
    assert "It is being read from Gusto." in text_of(client.get(page))
    work.enqueue("gusto.read_payroll", str(run.pk), tenant_id=acme.tenant.id)
    assert "The payroll is being read from Gusto, waits for its turn" in text_of(client.get(page))
    claim = work.claim()
    assert claim is not None
    claim.progress(30, 120)
    answer = client.get(page)
    assert "The payroll is being read from Gusto 30 of 120" in text_of(answer)
    assert 'aria-valuemax="120" aria-valuenow="30"' in answer.content.decode()
    assert 'style="width: 25%"' in answer.content.decode()
