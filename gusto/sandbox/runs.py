"""What happens to a payroll: created, submitted, processed, cancelled, deleted, reversed, or made wrong on purpose.

Every command is one transaction and sends the events that Gusto sends (gusto.md 3.5, 4.5).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from gusto.sandbox import calculate, errors, money
from gusto.sandbox.calendar import PayPeriod, deadline, next_check_date, next_period
from gusto.sandbox.chance import Source, data
from gusto.sandbox.payrolls import is_cancellable
from gusto.sandbox.state import State, stamp
from gusto.sandbox.webhooks import Webhooks

OFF_CYCLE_REASONS = frozenset(
    {
        "Adhoc",
        "Benefit reversal",
        "Bonus",
        "Correction",
        "Dismissed employee",
        "Hired employee",
        "Wage correction",
        "Tax reconciliation",
        "Reversal",
        "Disability insurance distribution",
        "Transition from old pay schedule",
    }
)


class Runs:
    """Commands on payrolls. All raise Refused for what does not exist or is not possible."""

    def __init__(self, state: State, webhooks: Webhooks) -> None:
        self.state = state
        self.store = state.store
        self.webhooks = webhooks

    def create_payroll(
        self,
        company_uuid: str,
        off_cycle_reason: str = "",
        employee_uuids: list[str] | None = None,
        check_date: str = "",
        external: bool = False,
    ) -> dict[str, Any]:
        """An open payroll: the next regular one, or off-cycle with a reason, or external (run elsewhere).

        `employee_uuids` limits whom it pays; `check_date` is for off-cycle and external payrolls, the next possible
        banking day unless given. Raises ValueError for a malformed date.
        """
        with self.store.transaction():
            self.state.company(company_uuid)
            for uuid in employee_uuids or []:
                if self.store.get(f"employee:{company_uuid}", uuid) is None:
                    raise errors.not_found()
            if not off_cycle_reason and not external:
                if check_date:
                    raise errors.invalid_operation("A regular payroll has the check date of its pay schedule.")
                regular = [row for row in self.store.all(f"payroll:{company_uuid}") if row["period_index"] is not None]
                after = max((row["period_index"] for row in regular), default=next_period(self.state.now()).index - 1)
                return self.new_regular(company_uuid, PayPeriod(after + 1), employee_uuids)
            if off_cycle_reason and off_cycle_reason not in OFF_CYCLE_REASONS:
                raise errors.invalid_value("off_cycle_reason", "Off cycle reason is not valid")
            paid = date.fromisoformat(check_date) if check_date else next_check_date(self.state.now())
            public = self._new_public(company_uuid, paid)
            last = min(paid - timedelta(days=3), self.state.today())
            period = {"start_date": (last - timedelta(days=13)).isoformat(), "end_date": last.isoformat()}
            if off_cycle_reason == calculate.TAX_RECONCILIATION:
                # The one kind without a pay period (gusto.md 1.2).
                period = {"start_date": None, "end_date": None}  # type: ignore[dict-item]
            public |= {"pay_period": {**period, "pay_schedule_uuid": None}, "external": external}
            if off_cycle_reason:
                public |= {
                    "off_cycle": True,
                    "off_cycle_reason": off_cycle_reason,
                    "final_termination_payroll": off_cycle_reason == "Dismissed employee",
                    "withholding_pay_period": "Every other week",
                    "skip_regular_deductions": off_cycle_reason != "Dismissed employee",
                    "fixed_withholding_rate": off_cycle_reason == calculate.BONUS,
                }
            return self._store_new(company_uuid, public, None, employee_uuids)

    def new_regular(
        self, company_uuid: str, period: PayPeriod, employee_uuids: list[str] | None = None
    ) -> dict[str, Any]:
        """The open regular payroll of a pay period."""
        schedule = self.store.all(f"pay_schedule:{company_uuid}")[0]
        public = self._new_public(company_uuid, period.check_date)
        public["pay_period"] = {
            "start_date": period.start.isoformat(),
            "end_date": period.end.isoformat(),
            "pay_schedule_uuid": schedule["uuid"],
        }
        return self._store_new(company_uuid, public, period.index, employee_uuids)

    def _new_public(self, company_uuid: str, check_date: date) -> dict[str, Any]:
        return {
            "uuid": "",
            "payroll_uuid": "",
            "company_uuid": company_uuid,
            "created_at": stamp(min(self.state.now(), deadline(check_date) - timedelta(days=14))),
            "payroll_deadline": stamp(deadline(check_date)),
            "check_date": check_date.isoformat(),
            "off_cycle": False,
            "external": False,
            "final_termination_payroll": False,
            "auto_payroll": False,
            "processed": False,
            "processed_date": None,
            "calculated_at": None,
            "partner_owned_disbursement": None,
            "processing_request": None,
            "totals": None,
            "company_taxes": [],
            "payroll_taxes": [],
            "reversals": [],
        }

    def _store_new(
        self, company_uuid: str, public: dict[str, Any], period_index: int | None, employee_uuids: list[str] | None
    ) -> dict[str, Any]:
        company = self.state.company(company_uuid)
        number = self.store.next(f"payroll:{company_uuid}")
        uuid = Source(company["seed"], "payroll", company["number"], number).uuid()
        row = {
            "public": {**public, "uuid": uuid, "payroll_uuid": uuid},
            "number": number,
            "period_index": period_index,
            "employee_uuids": employee_uuids,
            "times_processed": 0,
            "is_submitted": False,
            "people": 0,
            "distortions": [],
        }
        self._save(row)
        self.state.own(company_uuid, "payroll", {uuid: uuid})
        self._emit("created", row)
        return payroll_summary(row)

    def payroll(self, payroll_uuid: str) -> dict[str, Any]:
        """The stored payroll. Raises Refused (404)."""
        owner = self.state.owner(payroll_uuid, "payroll")
        return self.state.held(f"payroll:{owner.company_uuid}", payroll_uuid)

    def payroll_document(self, payroll_uuid: str) -> dict[str, Any]:
        """Everything Gusto knows of a payroll, with all people and no paging: for tests that compare with it."""
        people = [row["paid"] for row in self.store.all(f"compensation:{payroll_uuid}")]
        return {**self.payroll(payroll_uuid)["public"], "employee_compensations": people}

    def _save(self, row: dict[str, Any]) -> None:
        self.store.put(f"payroll:{row['public']['company_uuid']}", row["public"]["uuid"], row)

    def _emit(self, event: str, row: dict[str, Any]) -> None:
        public = row["public"]
        prefix, entity = ("external_payroll", "ExternalPayroll") if public["external"] else ("payroll", "Payroll")
        if public["external"] and event not in ("created", "deleted"):
            event = "updated"
        self.webhooks.emit(f"{prefix}.{event}", public["company_uuid"], entity, public["uuid"])

    def submit(self, payroll_uuid: str) -> dict[str, Any]:
        """Only the request to run it: nothing is final yet, `processed` stays false."""
        with self.store.transaction():
            row = self._open(payroll_uuid)
            row["is_submitted"] = True
            row["public"]["processing_request"] = {"status": "submitting", "errors": []}
            self._save(row)
            self._emit("calculated", row)
            self._emit("submitted", row)
            return payroll_summary(row)

    def _open(self, payroll_uuid: str) -> dict[str, Any]:
        row = self.payroll(payroll_uuid)
        if row["public"]["processed"]:
            raise errors.invalid_operation(
                "This payroll has already been processed. Its data cannot be updated or altered."
            )
        return row

    def process(self, payroll_uuid: str) -> dict[str, Any]:
        """Calculate everyone's pay and make the payroll final; sends payroll.processed, first of all submits it."""
        return self._process(payroll_uuid, self.state.now())

    def process_in_time(self, payroll_uuid: str) -> dict[str, Any]:
        """`process`, dated shortly before the deadline: for a company's payrolls of the past."""
        check_date = date.fromisoformat(self.payroll(payroll_uuid)["public"]["check_date"])
        return self._process(payroll_uuid, deadline(check_date) - timedelta(hours=5))

    def _process(self, payroll_uuid: str, moment: datetime) -> dict[str, Any]:
        with self.store.transaction():
            if not self._open(payroll_uuid)["is_submitted"]:
                self.submit(payroll_uuid)
            row = self.payroll(payroll_uuid)
            public = row["public"]
            row["times_processed"] += 1
            company = self.state.company(public["company_uuid"])
            run = calculate.Run(
                seed=company["seed"],
                company_number=company["number"],
                payroll_number=row["number"],
                times_processed=row["times_processed"],
                reason=public.get("off_cycle_reason", ""),
                is_external=public["external"],
                plans=self._plans(public["company_uuid"]),
            )
            chosen = None if row["employee_uuids"] is None else set(row["employee_uuids"])
            people = [
                person
                for person in self.store.all(f"employee:{public['company_uuid']}")
                if not person["public"]["terminated"] and (chosen is None or person["public"]["uuid"] in chosen)
            ]
            paid = [(person, calculate.compensation(person, run)) for person in people]
            self._finish(row, moment, [stored(person["public"], document) for person, document in paid])
            return payroll_summary(row)

    def _plans(self, company_uuid: str) -> dict[str, dict[str, Any]]:
        by_name = {plan["description"]: plan for plan in data("benefits")["plans"]}
        return {row["uuid"]: by_name[row["description"]] for row in self.store.all(f"company_benefit:{company_uuid}")}

    def _finish(
        self,
        row: dict[str, Any],
        moment: datetime,
        people: list[dict[str, Any]],
        company_taxes: list[dict[str, Any]] | None = None,
    ) -> None:
        """Store the people of a payroll, sum them up, mark it processed and say so."""
        public = row["public"]
        company = self.state.company(public["company_uuid"])
        paid = [person["paid"] for person in people]
        if company_taxes is None:
            company_taxes = calculate.company_taxes(paid) if company["has_company_taxes"] else []
        public |= {
            "processed": True,
            "processed_date": moment.date().isoformat(),
            "calculated_at": stamp(moment),
            "processing_request": {"status": "submit_success", "errors": []},
            "company_taxes": company_taxes,
            "payroll_taxes": calculate.payroll_taxes(paid),
            "totals": calculate.totals(paid, company_taxes, company["company_taxes_are_debited"]),
        }
        row["people"] = len(people)
        self._put_people(public["uuid"], people)
        self._save(row)
        for distortion in row["distortions"]:
            self._distort(public["uuid"], **distortion)
        self._emit("processed", row)

    def _put_people(self, payroll_uuid: str, people: list[dict[str, Any]]) -> None:
        self.store.put_many(f"compensation:{payroll_uuid}", {row["paid"]["employee_uuid"]: row for row in people})
        names = [{name: row["paid"][name] for name in ("employee_uuid", "first_name", "last_name")} for row in people]
        self.store.put("compensation_names", payroll_uuid, names)

    def fail(self, payroll_uuid: str) -> dict[str, Any]:
        """Processing failed: payroll.processing_failed, still open."""
        with self.store.transaction():
            row = self._open(payroll_uuid)
            error = {
                "error_key": "base",
                "category": "payroll_blocker",
                "message": "The payroll could not be processed.",
            }
            row["public"]["processing_request"] = {"status": "processing_failed", "errors": [error]}
            row["is_submitted"] = False
            self._save(row)
            self._emit("processing_failed", row)
            return payroll_summary(row)

    def pay(self, payroll_uuid: str) -> dict[str, Any]:
        """payroll.paid, as production sends on the check date; the payroll itself does not change."""
        with self.store.transaction():
            row = self.payroll(payroll_uuid)
            if not row["public"]["processed"]:
                raise errors.invalid_operation("The payroll is not processed.")
            self._emit("paid", row)
            return payroll_summary(row)

    def cancel(self, payroll_uuid: str, force: bool = False) -> dict[str, Any]:
        """Back to unprocessed, until 16:00 Pacific on the deadline; `force` ignores the clock."""
        with self.store.transaction():
            row = self.payroll(payroll_uuid)
            is_possible = is_cancellable(row["public"], self.state.now())
            if not is_possible and not (force and row["public"]["processed"]):
                raise errors.invalid_operation("Payroll cannot be canceled.")
            self._unprocess(row)
            self._emit("cancelled", row)
            return payroll_summary(row)

    def _unprocess(self, row: dict[str, Any]) -> None:
        row["public"] |= {
            "processed": False,
            "processed_date": None,
            "calculated_at": None,
            "processing_request": None,
            "totals": None,
            "company_taxes": [],
            "payroll_taxes": [],
        }
        row |= {"is_submitted": False, "people": 0, "distortions": []}
        self.store.delete_kind(f"compensation:{row['public']['uuid']}")
        self.store.delete("compensation_names", row["public"]["uuid"])
        self._save(row)

    def delete(self, payroll_uuid: str, force: bool = False) -> dict[str, Any]:
        """Remove an open payroll (a processed one by `force`): payroll.deleted, from then on 404."""
        with self.store.transaction():
            row = self.payroll(payroll_uuid) if force else self._open(payroll_uuid)
            summary = payroll_summary(row)
            self._unprocess(row)
            self._emit("deleted", row)
            self.store.delete(f"payroll:{row['public']['company_uuid']}", payroll_uuid)
            self.store.delete("owner", payroll_uuid)
            return summary

    def reverse(
        self,
        payroll_uuid: str,
        with_payroll: bool = True,
        employee_uuids: list[str] | None = None,
        negative: bool = True,
    ) -> dict[str, Any]:
        """Reverse a processed payroll, whole or for some people, with or without a reversal payroll.

        The reversal payroll is off-cycle with the reason Reversal and carries the amounts turned; `negative=False`
        leaves them positive, as the sign is unknown of the real Gusto. Returns the reversal payroll's summary, or the
        reversed one's where there is none.
        """
        with self.store.transaction():
            row = self.payroll(payroll_uuid)
            public = row["public"]
            if not public["processed"]:
                raise errors.invalid_operation("Only a processed payroll can be reversed.")
            people = self.store.all(f"compensation:{payroll_uuid}")
            chosen = [
                person
                for person in people
                if employee_uuids is None or person["paid"]["employee_uuid"] in employee_uuids
            ]
            if not chosen or len(chosen) != (len(people) if employee_uuids is None else len(employee_uuids)):
                raise errors.not_found()
            result, reversal_uuid = payroll_summary(row), None
            if with_payroll:
                result = self._reversal_payroll(row, chosen, employee_uuids is None, negative)
                reversal_uuid = result["payroll_uuid"]
                public["reversals"].append(reversal_uuid)
                self._save(row)
            record = {
                "reversed_payroll_uuid": payroll_uuid,
                "reversal_payroll_uuid": reversal_uuid,
                "reason": "Customer Request",
                "approved_at": stamp(self.state.now()),
                "category": "payroll_run_twice" if employee_uuids is None else "convert_check_ee_requested",
                "reversed_employee_uuids": [person["paid"]["employee_uuid"] for person in chosen],
            }
            self.store.put(f"reversal:{public['company_uuid']}", f"{self.store.next('reversal'):06d}", record)
            self._emit("reversed" if employee_uuids is None else "partially_reversed", row)
            return result

    def _reversal_payroll(
        self, row: dict[str, Any], people: list[dict[str, Any]], is_whole: bool, negative: bool
    ) -> dict[str, Any]:
        reversed_public = row["public"]
        public = self._new_public(reversed_public["company_uuid"], self.state.today())
        public |= {
            "pay_period": reversed_public["pay_period"],
            "off_cycle": True,
            "off_cycle_reason": "Reversal",
            "withholding_pay_period": "Every other week",
            "skip_regular_deductions": False,
            "fixed_withholding_rate": False,
        }
        created = self._store_new(public["company_uuid"], public, None, None)
        reversal = self.payroll(created["payroll_uuid"])
        taxes = reversed_public["company_taxes"] if is_whole else []
        if negative:
            people = [{**person, "paid": calculate.negated(person["paid"])} for person in people]
            taxes = [{**tax, "amount": money.text(-money.cents(tax["amount"]))} for tax in taxes]
        self._finish(reversal, self.state.now(), people, taxes)
        return payroll_summary(reversal)

    def distort(self, payroll_uuid: str, field: str, cents: int, employee_uuid: str = "") -> dict[str, Any]:
        """Make a payroll whose figures do not add up: one total, or one person's gross_pay, net_pay or check_amount,
        is off by `cents`; `field` people drops the person but keeps the totals. An open payroll gets it when processed.
        """
        if not employee_uuid and field not in calculate.TOTALS:
            raise errors.invalid_value("field", "There is no such total")
        if employee_uuid and field not in ("gross_pay", "net_pay", "check_amount", "people"):
            raise errors.invalid_value("field", "A person has gross_pay, net_pay and check_amount")
        with self.store.transaction():
            row = self.payroll(payroll_uuid)
            row["distortions"].append({"field": field, "cents": cents, "employee_uuid": employee_uuid})
            self._save(row)
            if row["public"]["processed"]:
                self._distort(payroll_uuid, field, cents, employee_uuid)
            return payroll_summary(self.payroll(payroll_uuid))

    def _distort(self, payroll_uuid: str, field: str, cents: int, employee_uuid: str) -> None:
        kind = f"compensation:{payroll_uuid}"
        if not employee_uuid:
            row = self.payroll(payroll_uuid)
            row["public"]["totals"][field] = money.text(money.cents(row["public"]["totals"][field]) + cents)
            self._save(row)
            return
        person = self.state.held(kind, employee_uuid)
        if field == "people":
            self.store.delete(kind, employee_uuid)
            names = self.store.get("compensation_names", payroll_uuid) or []
            kept = [name for name in names if name["employee_uuid"] != employee_uuid]
            self.store.put("compensation_names", payroll_uuid, kept)
        else:
            person["paid"][field] = money.text(money.cents(person["paid"][field]) + cents)
            self.store.put(kind, employee_uuid, person)


def stored(public_employee: dict[str, Any], paid: dict[str, Any]) -> dict[str, Any]:
    """A compensation as kept: with the department and job titles of that day, for the general ledger report."""
    jobs = public_employee["jobs"]
    return {
        "paid": paid,
        "name": f"{public_employee['first_name']} {public_employee['last_name']}",
        "department": public_employee["department"] or "",
        "jobs": {job["uuid"]: job["title"] or "" for job in jobs},
        "primary_job": next(job["uuid"] for job in jobs if job["primary"]),
    }


def payroll_summary(row: dict[str, Any]) -> dict[str, Any]:
    """What a list of payrolls on a page or in a test needs."""
    public = row["public"]
    totals = public["totals"] or {}
    return {
        "payroll_uuid": public["uuid"],
        "company_uuid": public["company_uuid"],
        "payroll_type": "external" if public["external"] else "off_cycle" if public["off_cycle"] else "regular",
        "off_cycle_reason": public.get("off_cycle_reason", ""),
        "start_date": public["pay_period"]["start_date"],
        "end_date": public["pay_period"]["end_date"],
        "check_date": public["check_date"],
        "processed": public["processed"],
        "people": row["people"],
        "company_debit": totals.get("company_debit", ""),
        "gross_pay": totals.get("gross_pay", ""),
        "net_pay": totals.get("net_pay", ""),
    }
