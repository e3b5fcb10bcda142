"""The payroll list and the single payroll, with Gusto's real defaults (gusto.md 4.1 to 4.4)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from audit.sandbox import Answer, Request
from gusto.sandbox import errors, money
from gusto.sandbox.access import Access, Caller
from gusto.sandbox.paging import day, flag, includes, months_from, page_of, words
from gusto.sandbox.state import State

LIST_INCLUDES = frozenset({"taxes", "payroll_status_meta", "totals", "risk_blockers", "reversals"})
SHOW_INCLUDES = LIST_INCLUDES | {"benefits", "deductions", "payroll_taxes"}


class Payrolls:
    """The payroll addresses of /v1."""

    def __init__(self, state: State, access: Access) -> None:
        self.state = state
        self.access = access

    def all(self, request: Request, caller: Caller, company: str) -> Answer:
        """GET /v1/companies/{uuid}/payrolls: processed, regular, the past six months by pay period, unless told."""
        self.access.company(caller, company)
        rows = [row for row in self.state.store.all(f"payroll:{company}") if self._fits(request, row)]
        sort_order = request.parameter("sort_order") or "asc"
        if sort_order not in ("asc", "desc"):
            raise errors.invalid_parameter("sort_order", "Parameter 'sort_order' must be asc or desc.")
        rows.sort(key=lambda row: (_period(row)[0], row["public"]["check_date"]), reverse=sort_order == "desc")
        page = page_of(request, always=caller.is_current)
        headers: dict[str, str] = {}
        if page is not None:
            headers = page.headers(len(rows))
            rows = rows[page.offset : page.offset + page.per]
        wanted = includes(request, LIST_INCLUDES)
        return Answer(200, [self._head(row, wanted, caller) for row in rows], headers)

    def _fits(self, request: Request, row: dict[str, Any]) -> bool:
        public = row["public"]
        statuses, types, by_check_date, start, end = self._filters(request)
        kind = "external" if public["external"] else "off_cycle" if public["off_cycle"] else "regular"
        if kind not in types or ("processed" if public["processed"] else "unprocessed") not in statuses:
            return False
        # The filter by check date "applies only to regular processed payrolls" (S25); others keep the pay period.
        if by_check_date and kind == "regular":
            return start <= date.fromisoformat(public["check_date"]) <= end
        first, last = _period(row)
        return start <= first and last <= end

    def _filters(self, request: Request) -> tuple[set[str], set[str], bool, date, date]:
        """Statuses, types, whether by check date, first and last day. Raises Refused (422)."""
        today = self.state.today()
        statuses = set(words(request, "processing_statuses") or [])
        if not statuses:
            processed = flag(request, "processed")
            statuses = {"processed"} if processed is None or processed else {"unprocessed"}
        types = set(words(request, "payroll_types") or [])
        if not types:
            types = {"regular", "off_cycle"} if flag(request, "include_off_cycle") else {"regular"}
        filter_by = request.parameter("date_filter_by")
        if filter_by and (filter_by != "check_date" or statuses != {"processed"}):
            sentence = "Parameter 'date_filter_by' can only be check_date, for processed payrolls."
            raise errors.invalid_parameter("date_filter_by", sentence)
        start = day(request, "start_date") or months_from(today, -6)
        end = day(request, "end_date") or today
        if end > months_from(today, 3):
            raise errors.invalid_parameter("end_date", "End date cannot be more than 3 months in future")
        if end > months_from(start, 12):
            raise errors.invalid_parameter("end_date", "Start date and end date cannot be more than 1 year apart")
        return statuses, types, bool(filter_by), start, end

    def show(self, request: Request, caller: Caller, company: str, payroll: str) -> Answer:
        """GET /v1/companies/{uuid}/payrolls/{uuid}: the people inside are paged, always."""
        self.access.company(caller, company)
        row = self.state.held(f"payroll:{company}", payroll)
        wanted = includes(request, SHOW_INCLUDES)
        document = self._head(row, wanted, caller)
        page = page_of(request, always=True)
        order = self._order(request, payroll)
        if not row["public"]["calculated_at"] or page is None:
            return Answer(200, document)
        kind = f"compensation:{payroll}"
        if order is None:
            count = self.state.store.count(kind)
            people = self.state.store.all(kind, page.offset, page.per)
        else:
            count = len(order)
            people = [self.state.held(kind, key) for key in order[page.offset : page.offset + page.per]]
        document["employee_compensations"] = [
            shown(person["paid"], wanted, caller, is_regular=not row["public"]["off_cycle"]) for person in people
        ]
        return Answer(200, document, page.headers(count))

    def _order(self, request: Request, payroll_uuid: str) -> list[str] | None:
        """The people's uuids in the order asked for; None = as they are. Raises Refused (422)."""
        asked = [word.partition(":") for word in words(request, "sort_by") or []]
        if not asked:
            return None
        names: list[dict[str, Any]] = self.state.store.get("compensation_names", payroll_uuid) or []
        for name, _, direction in reversed(asked):
            if name not in ("first_name", "last_name") or direction not in ("", "asc", "desc"):
                raise errors.invalid_parameter("sort_by", "Parameter 'sort_by' is not valid.")
            names.sort(key=lambda row, name=name: row[name] or "", reverse=direction == "desc")  # type: ignore[misc]
        return [row["employee_uuid"] for row in names]

    def _head(self, row: dict[str, Any], wanted: frozenset[str], caller: Caller) -> dict[str, Any]:
        """The payroll without its people."""
        public = dict(row["public"])
        optional = {name: public.pop(name) for name in ("totals", "company_taxes", "payroll_taxes", "reversals")}
        is_calculated = public["calculated_at"] is not None
        if "totals" in wanted:
            public["totals"] = optional["totals"]
        if "taxes" in wanted and is_calculated:
            public["company_taxes"] = optional["company_taxes"]
        if "payroll_taxes" in wanted and is_calculated:
            public["payroll_taxes"] = optional["payroll_taxes"]
        if "reversals" in wanted:
            public["reversal_payroll_uuids"] = optional["reversals"]
        if "risk_blockers" in wanted:
            public |= {"submission_blockers": [], "credit_blockers": []}
        if "payroll_status_meta" in wanted:
            public["payroll_status_meta"] = self._meta(public, caller)
        return public

    def _meta(self, public: dict[str, Any], caller: Caller) -> dict[str, Any]:
        # Null for off-cycle only since 2026-06-15 (gusto.md 1.2).
        is_null = public["off_cycle"] and caller.is_current
        return {
            "cancellable": is_cancellable(public, self.state.now()),
            "expected_check_date": public["check_date"],
            "initial_check_date": None if is_null else public["check_date"],
            "expected_debit_time": public["payroll_deadline"],
            "payroll_late": None if is_null else False,
            "initial_debit_cutoff_time": public["payroll_deadline"],
        }

    def reversals(self, request: Request, caller: Caller, company: str) -> Answer:
        """GET /v1/companies/{uuid}/payroll_reversals: Embedded only, see `Settings.embedded`."""
        if not self.state.settings.embedded:
            raise errors.only_embedded()
        self.access.company(caller, company)
        return Answer(200, self.state.store.all(f"reversal:{company}"))


def is_cancellable(public: dict[str, Any], now: datetime) -> bool:
    """Processed, and before 16:00 Pacific on payroll_deadline (gusto.md 4.5)."""
    deadline = datetime.fromisoformat(public["payroll_deadline"].replace("Z", "+00:00")).astimezone(UTC)
    return bool(public["processed"]) and not public["external"] and now < deadline


def _period(row: dict[str, Any]) -> tuple[date, date]:
    """First and last day of the pay period; a payroll without one stands at its check date."""
    period = row["public"]["pay_period"]
    check_date = row["public"]["check_date"]
    return date.fromisoformat(period["start_date"] or check_date), date.fromisoformat(period["end_date"] or check_date)


def shown(paid: dict[str, Any], wanted: frozenset[str], caller: Caller, is_regular: bool) -> dict[str, Any]:
    """One compensation as this caller sees it: names by scope, lists by include, money by version."""
    document = dict(paid)
    if not caller.has("employees:read"):
        document |= {"first_name": None, "preferred_first_name": None, "last_name": None}
    for name in ("taxes", "benefits"):
        if name not in wanted:
            del document[name]
    if "deductions" not in wanted:
        # Regular payrolls bring them unasked, and then with numbers (gusto.md 1.2).
        deductions = document.pop("deductions")
        if is_regular:
            document["deductions"] = [_numbers(row, "amount") for row in deductions]
    return document if caller.is_current else _older(document)


def _numbers(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {
        name: money.number(value) if name in names and isinstance(value, str) else value for name, value in row.items()
    }


def _older(document: dict[str, Any]) -> dict[str, Any]:
    """The shape before 2026-06-15: money as JSON numbers, no amount of paid time off."""
    older = _numbers(document, "gross_pay", "net_pay", "check_amount")
    for name in ("taxes", "deductions"):
        if name in older:
            older[name] = [_numbers(row, "amount") for row in older[name]]
    if "benefits" in older:
        older["benefits"] = [_numbers(row, "employee_deduction", "company_contribution") for row in older["benefits"]]
    older["paid_time_off"] = [
        {name: value for name, value in row.items() if name != "amount"} for row in older["paid_time_off"]
    ]
    return older
