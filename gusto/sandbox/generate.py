"""Companies made from a seed: the same seed gives the same people, places and pay, whatever the day.

Only dates hang on `today`. The people are in `cast`; here is everything else that a company has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from typing import Any

from gusto.sandbox import money
from gusto.sandbox.cast import Workplace, employee, home_address
from gusto.sandbox.chance import Source, data
from gusto.sandbox.state import versioned


@dataclass(frozen=True, slots=True)
class CompanyOptions:
    """What can be chosen about a company."""

    seed: int = 1
    employees: int = 12
    """People that a regular payroll pays, 1 to 10,000; terminated ones come on top."""
    name: str = ""
    departments: int = 0
    """0 = by size: one per four people, two to eight."""
    contractors: int = 4
    tips: bool = True
    owners_draw: bool = False
    """The first person takes an owner's draw instead of a salary."""
    company_taxes: str = "by_seed"
    """Whether company_taxes are part of totals.tax_debit: inside, outside, by_seed, or none at all."""
    history: int = 2
    """Processed regular payrolls before the first open one."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> CompanyOptions:
        """From names and values, of a request. Raises ValueError for an unknown name or a wrong type."""
        known = {entry.name: type(entry.default) for entry in fields(cls)}
        for name, value in given.items():
            if known.get(name) is not type(value):
                raise ValueError(f"no such option, or of another type: {name}")
        return cls(**given)

    def __post_init__(self) -> None:
        if not 1 <= self.employees <= 10_000:
            raise ValueError("employees must be 1 to 10,000")
        if not 0 <= self.departments <= len(data("departments")):
            raise ValueError(f"departments must be 0 to {len(data('departments'))}")
        if self.company_taxes not in ("by_seed", "inside", "outside", "none"):
            raise ValueError("company_taxes must be by_seed, inside, outside or none")
        if self.contractors < 0 or not 0 <= self.history <= 26:
            raise ValueError("contractors must not be negative, history 0 to 26")


@dataclass(slots=True)
class Company:
    """A generated company, ready to be stored."""

    uuid: str
    document: dict[str, Any]
    locations: list[dict[str, Any]]
    departments: list[dict[str, Any]]
    benefits: list[dict[str, Any]]
    pay_schedule: dict[str, Any]
    employees: list[dict[str, Any]] = field(default_factory=list)
    contractors: list[dict[str, Any]] = field(default_factory=list)
    contractor_payments: list[dict[str, Any]] = field(default_factory=list)


def company(number: int, options: CompanyOptions, today: date) -> Company:
    """The `number`-th company of a sandbox. Number and seed decide everything but the dates."""
    source = Source(options.seed, "company", number)
    company_uuid = source.uuid()
    names = data("names")
    name = options.name or names["companies"][(number - 1) % len(names["companies"])]
    locations = [_location(source, company_uuid, place, at == 0) for at, place in enumerate(data("places"))]
    departments = [
        {"uuid": source.uuid(), "company_uuid": company_uuid, "title": row["title"], "employees": [], "contractors": []}
        for row in data("departments")[: options.departments or max(2, min(8, options.employees // 4))]
    ]
    benefits = [_plan(source, company_uuid, plan) for plan in data("benefits")["plans"]]
    inside = (
        (options.seed + number) % 2 == 0 if options.company_taxes == "by_seed" else options.company_taxes == "inside"
    )
    made = Company(
        uuid=company_uuid,
        document={
            "public": _public_company(name, company_uuid, number, locations, today),
            "admin_uuid": source.uuid(),
            "number": number,
            "seed": options.seed,
            "has_company_taxes": options.company_taxes != "none",
            "company_taxes_are_debited": inside,
            "has_owners_draw": options.owners_draw,
            "earning_types": {
                kind: [{"uuid": source.uuid(), "name": earning, "active": True} for earning in data("earnings")[kind]]
                for kind in ("default", "custom")
            },
            "custom_fields": [
                {
                    "uuid": source.uuid(),
                    "name": "Cost center",
                    "type": "text",
                    "description": "Cost center of the general ledger",
                    "selection_options": None,
                },
                {
                    "uuid": source.uuid(),
                    "name": "Shirt size",
                    "type": "radio",
                    "description": "For the summer party",
                    "selection_options": ["S", "M", "L"],
                },
            ],
        },
        locations=locations,
        departments=departments,
        benefits=benefits,
        pay_schedule=versioned(
            {
                "uuid": source.uuid(),
                "frequency": "Every other week",
                "anchor_pay_date": "2026-01-23",
                "anchor_end_of_pay_period": "2026-01-16",
                "day_1": None,
                "day_2": None,
                "name": "Every other Friday",
                "custom_name": "Everyone",
                "auto_payroll": False,
                "active": True,
            }
        ),
    )
    gone = 0 if options.employees < 5 else max(1, options.employees // 25)
    for at in range(options.employees + gone):
        place = Workplace(
            seed=options.seed,
            number=number,
            uuid=company_uuid,
            manager_uuid=made.employees[0]["public"]["uuid"] if at else "",
            locations=locations,
            departments=departments,
            plans=benefits,
            custom_fields=made.document["custom_fields"],
            has_tips=options.tips,
            has_owners_draw=options.owners_draw,
            today=today,
        )
        made.employees.append(employee(place, at, is_gone=at >= options.employees))
    _add_contractors(made, options, today)
    for department in departments:
        department |= versioned(department)
    return made


def _location(source: Source, company_uuid: str, place: dict[str, Any], is_first: bool) -> dict[str, Any]:
    return versioned(
        {
            "uuid": source.uuid(),
            "company_uuid": company_uuid,
            **place,
            "country": "USA",
            "active": True,
            "filing_address": is_first,
            "mailing_address": is_first,
            "created_at": "2024-01-08T09:30:00.000-07:00",
            "updated_at": "2024-01-08T09:30:00.000-07:00",
        }
    )


def _plan(source: Source, company_uuid: str, plan: dict[str, Any]) -> dict[str, Any]:
    return versioned(
        {
            "uuid": source.uuid(),
            "company_uuid": company_uuid,
            "benefit_type": plan["benefit_type"],
            "active": True,
            "description": plan["description"],
            "source": "internal",
            "partner_name": None,
            "deletable": True,
            "supports_percentage_amounts": "employee_percent" in plan,
            "responsible_for_employer_taxes": False,
            "responsible_for_employee_w2": False,
        }
    )


def _public_company(
    name: str, company_uuid: str, number: int, locations: list[dict[str, Any]], today: date
) -> dict[str, Any]:
    earnings = data("earnings")
    fixed = [*earnings["default"], "Owner's Draw", "Reimbursement", *earnings["custom"]]
    return {
        "uuid": company_uuid,
        "ein": f"00-{1_000_000 + number:07d}",
        "entity_type": "C-Corporation",
        "tier": "plus",
        "contractor_only": False,
        "is_suspended": False,
        "company_status": "Approved",
        "name": name,
        "trade_name": None if number % 2 else name.split(",")[0],
        "slug": "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split()),
        "is_partner_managed": False,
        "pay_schedule_type": "single",
        "join_date": (today - timedelta(days=700)).isoformat(),
        "funding_type": "ach",
        "locations": [
            {key: place[key] for key in ("street_1", "street_2", "city", "state", "zip", "country", "active")}
            for place in locations
        ],
        "compensations": {
            "hourly": [{"name": row[0], "multiple": row[1]} for row in earnings["hourly"]],
            "fixed": [{"name": row} for row in fixed],
            "paid_time_off": [{"name": row} for row in earnings["paid_time_off"]],
        },
    }


def _add_contractors(made: Company, options: CompanyOptions, today: date) -> None:
    """Contractors and two payments each in the last two months."""
    names = data("names")
    for at in range(options.contractors):
        source = Source(options.seed, "contractor", made.document["number"], at)
        is_business, is_hourly = at % 2 == 1, at % 3 == 0
        department = made.departments[at % len(made.departments)] if at % 3 != 2 else None
        person = {
            "uuid": source.uuid(),
            "company_uuid": made.uuid,
            "wage_type": "Hourly" if is_hourly else "Fixed",
            "start_date": (today - timedelta(days=400 + at)).isoformat(),
            "is_active": True,
            "type": "Business" if is_business else "Individual",
            "first_name": None if is_business else source.pick(names["first"]),
            "last_name": None if is_business else source.pick(names["last"]),
            "middle_initial": None,
            "business_name": source.pick(names["businesses"]) if is_business else None,
            "ein": "XX-XXX0042" if is_business else None,
            "has_ein": is_business,
            "has_ssn": not is_business,
            "email": f"contractor{at}@example.com",
            "department_uuid": department["uuid"] if department else None,
            "department": department["title"] if department else None,
            "file_new_hire_report": False,
            "work_state": None if is_business else "CA",
            "onboarded": True,
            "onboarding_status": "onboarding_completed",
            "address": home_address(source) if at % 4 else None,
            "hourly_rate": money.text(6_200 + at * 50) if is_hourly else "0.00",
            "payment_method": "Check" if at % 4 == 3 else "Direct Deposit",
            "dismissal_date": None,
            "upcoming_employment": None,
        }
        made.contractors.append(versioned(person))
        if department:
            department["contractors"].append({"uuid": person["uuid"]})
        for payment in range(2):
            made.contractor_payments.append(_payment(source, person, today - timedelta(days=12 + 21 * payment + at)))
    made.contractor_payments.sort(key=lambda row: row["date"], reverse=True)


def _payment(source: Source, contractor: dict[str, Any], day: date) -> dict[str, Any]:
    is_hourly = contractor["wage_type"] == "Hourly"
    tenths = source.random.randrange(50, 400) if is_hourly else 0
    wage = 0 if is_hourly else source.random.randrange(40_000, 300_000)
    bonus = 2_500 if source.happens(25) else 0
    reimbursement = source.random.randrange(1_000, 9_000) if source.happens(40) else 0
    total = wage + bonus + money.wage(tenths * 100, money.cents(contractor["hourly_rate"]), 10)
    is_check = contractor["payment_method"] == "Check"
    return {
        "uuid": source.uuid(),
        "contractor_uuid": contractor["uuid"],
        "date": day.isoformat(),
        "bonus": _short(bonus),
        "hours": f"{tenths // 10}.{tenths % 10}",
        "hourly_rate": _short(money.cents(contractor["hourly_rate"])),
        "wage": _short(wage),
        "wage_type": contractor["wage_type"],
        "wage_total": money.text(total),
        "reimbursement": _short(reimbursement),
        "payment_method": contractor["payment_method"],
        # A check stays unfunded for good (gusto.md 6).
        "status": "Unfunded" if is_check else "Funded",
        "may_cancel": False,
    }


def _short(cents: int) -> str:
    """Contractor payments come with one decimal where that is enough ("75.0")."""
    return str(money.number(money.text(cents)))
