"""The pages that people open most, with 10,000 postings, 2,000 rules and a journal of 5,000 lines: queries, which must not
grow with the rows, server time, weight, and how it is with 50 people at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import requests
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from erp.models import Posting, PostingLine
from gusto.models import PayrollRun
from mappings.models import MappingRule, MappingTable
from tenants.models import Membership, Role, Tenant, User
from tenants.scope import tenant_scope
from tests.bench.figures import Figure, quantile
from tests.bench.stage import Stage
from tests.connector_site.books import Books, books

POSTINGS, POSTINGS_QUICK = 10_000, 1_000
RULES = 2_000
LINES = 5_000
USERS = 50
#: Looks at each page; the first is not counted, because it compiles the templates.
LOOKS = 20
#: Milliseconds that are wanted at most, for Home and the lists.
AIM = 500
AIMED = ("Home", "List of payroll runs", "List of journals")


def run(stage: Stage, *, is_quick: bool) -> Iterator[str]:
    settings.ALLOWED_HOSTS.append("testserver")
    tenant = Tenant.objects.create(name="Pages", slug="pages")
    user = User.objects.create_user("pages", email="pages@example.com")
    Membership.objects.create(user=user, tenant=tenant, roles=[Role.APPROVER, Role.PREPARER], may_see_pay=True)
    client = Client()
    client.force_login(user)
    acme = books(tenant, "Pages", state="posted", document_number="US01-1")
    before = {name: len(asked(client, page)) for name, page in addresses(acme).items()}
    count = POSTINGS_QUICK if is_quick else POSTINGS
    fill(acme, count)
    yield f"Pages with {count:,} postings, {RULES:,} rules and a journal of {LINES:,} lines"
    for name, page in addresses(acme).items():
        yield from (str(figure) for figure in looked(client, name, page, before[name]))
    home = reverse("admin:index")
    yield str(Figure(f"Home, {USERS} people at once", at_once(stage.address + home, client)))


def addresses(acme: Books) -> dict[str, str]:
    return {
        "Home": reverse("admin:index"),
        "List of payroll runs": reverse("admin:gusto_payrollrun_changelist"),
        "List of journals": reverse("admin:erp_posting_changelist"),
        "Payroll run": reverse("admin:gusto_payrollrun_change", args=[acme.run.pk]),
        "Journal": reverse("admin:erp_posting_change", args=[acme.posting.pk]),
    }


def looked(client: Client, name: str, page: str, before: int) -> Iterator[Figure]:
    """Raises RuntimeError where the page does not open."""
    queries = len(asked(client, page))
    seconds, weight = [], 0
    for _ in range(LOOKS):
        began = time.perf_counter()
        answer = client.get(page)
        seconds.append(time.perf_counter() - began)
        weight = len(answer.content)
    p95 = quantile(seconds, 0.95) * 1000
    words = f"{queries} queries, p95 {p95:.0f} ms, {weight / 1024:.0f} KiB"
    aim = f"{before} queries as with one run" + (f", under {AIM} ms" if name in AIMED else "")
    yield Figure(name, words, aim, queries <= before and (name not in AIMED or p95 < AIM))


def asked(client: Client, page: str) -> list[Any]:
    """The queries of a page that was opened before. Raises RuntimeError."""
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(page)
    if answer.status_code != 200:
        raise RuntimeError(f"{page} was answered with {answer.status_code}")
    return list(queries.captured_queries)


def at_once(address: str, client: Client) -> str:
    """Everybody opens the page at the same moment, three times, in browsers of their own."""
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    seconds: list[float] = []
    failed: list[int] = []
    gate = threading.Barrier(USERS)

    def person() -> None:
        with requests.Session() as session:
            session.cookies.set(settings.SESSION_COOKIE_NAME, cookie)
            gate.wait()
            for _ in range(3):
                began = time.perf_counter()
                answer = session.get(address, timeout=60)
                seconds.append(time.perf_counter() - began)
                if answer.status_code != 200 or b'id="runs"' not in answer.content:
                    failed.append(answer.status_code)

    threads = [threading.Thread(target=person) for _ in range(USERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shown = ", ".join(f"p{share:.0%}".rstrip("%") + f" {quantile(seconds, share):.2f} s" for share in (0.5, 0.95))
    return f"{shown}, {len(failed)} of {len(seconds)} failed"


def fill(acme: Books, count: int) -> None:
    """Rows as a tenant has after years, in the states of everyday."""
    with tenant_scope(acme.tenant.id):
        runs = PayrollRun.objects.bulk_create(
            (
                _copy(
                    acme.run,
                    payroll_uuid=f"pages-{number}",
                    check_date=acme.run.check_date - timedelta(days=number % 3000),
                )
                for number in range(count)
            ),
            batch_size=2_000,
        )
        postings = Posting.objects.bulk_create(
            (
                _copy(
                    acme.posting, payroll_run=run, posting_key=f"PAGES{number:010d}", posting_date=run.check_date, line_count=2,
                    state="allocated" if number < 20 else "posted", document_number="" if number < 20 else f"US01-{number}",
                )
                for number, run in enumerate(runs)
            ),
            batch_size=2_000,
        )  # fmt: skip
        PostingLine.objects.bulk_create(
            (
                PostingLine(
                    posting=posting, number=number, main_account=account, debit=debit, credit=credit, text="Payroll"
                )
                for posting in postings
                for number, (account, debit, credit) in enumerate(
                    (("6000", posting.debit, Decimal(0)), ("2110", Decimal(0), posting.credit)), 1
                )
            ),
            batch_size=5_000,
        )
        version = MappingTable.objects.create(
            legal_entity=acme.entity, version=9, valid_from=acme.run.check_date, created_by="bench"
        )
        MappingRule.objects.bulk_create(
            MappingRule(
                mapping_table=version, rule=f"B{number:05d}", kind="earning", component=f"Component {number}", side="debit",
                main_account="6000",
            )
            for number in range(RULES)
        )  # fmt: skip
        cent = Decimal("0.01")
        PostingLine.objects.filter(posting=acme.posting).delete()
        PostingLine.objects.bulk_create(
            [
                PostingLine(
                    posting=acme.posting, number=number, main_account="6000", debit=cent, credit=Decimal(0), text="Wages",
                    dimensions=[["CostCenter", str(number)]],
                )
                for number in range(1, LINES)
            ]
            + [
                PostingLine(
                    posting=acme.posting, number=LINES, main_account="2110", debit=Decimal(0), credit=cent * (LINES - 1),
                    text="Net pay",
                )
            ],
            batch_size=2_000,
        )  # fmt: skip
        Posting.objects.filter(pk=acme.posting.pk).update(
            debit=cent * (LINES - 1), credit=cent * (LINES - 1), line_count=LINES
        )


def _copy(row: Any, **changed: Any) -> Any:
    """An unsaved row like another one."""
    values = {
        field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields if not field.primary_key
    }
    made = type(row)(**values)
    for name, value in changed.items():
        setattr(made, name, value)
    return made
