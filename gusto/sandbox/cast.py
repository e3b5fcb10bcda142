"""The people of a generated company: who they are, where they work, how they are paid.

The first twelve are cast by hand, so that even a small company shows the oddities of the reference; from the thirteenth
on chance deals the same traits. Every person's document has the part Gusto shows (`public`), dated parts beside it,
and `pay`: what `calculate` needs to pay the person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from gusto.sandbox import money
from gusto.sandbox.chance import Source, data
from gusto.sandbox.state import versioned

#: What marks the people at the head of every company, by position.
CAST: tuple[frozenset[str], ...] = (
    frozenset({"salary", "benefits"}),
    frozenset({"two_jobs", "overtime"}),
    frozenset({"salary", "itemised", "time_off", "check"}),
    frozenset({"child_support", "overtime", "benefits"}),
    frozenset({"salary", "imputed", "gym", "reimbursed"}),
    frozenset({"garnishment", "loan", "time_off"}),
    frozenset({"salary", "no_department", "time_off", "retirement"}),
    frozenset({"excluded"}),
    frozenset({"tips", "check", "reimbursed"}),
    frozenset({"rehired", "retirement", "moved"}),
    frozenset({"salary", "commission", "null_names"}),
    frozenset({"two_jobs", "no_department", "benefits", "stipend"}),
)
#: Chance of each trait in percent, for everyone after the cast.
CHANCES = {
    "salary": 45,
    "two_jobs": 12,
    "overtime": 30,
    "itemised": 40,
    "time_off": 25,
    "check": 6,
    "child_support": 3,
    "garnishment": 3,
    "loan": 2,
    "imputed": 20,
    "gym": 5,
    "benefits": 55,
    "retirement": 35,
    "reimbursed": 12,
    "no_department": 4,
    "excluded": 1,
    "tips": 8,
    "rehired": 2,
    "moved": 4,
    "commission": 6,
    "stipend": 8,
    "null_names": 1,
}


@dataclass(frozen=True, slots=True)
class Workplace:
    """What a company lends its people."""

    seed: int
    number: int
    uuid: str
    manager_uuid: str
    locations: list[dict[str, Any]]
    departments: list[dict[str, Any]]
    plans: list[dict[str, Any]]
    custom_fields: list[dict[str, Any]]
    has_tips: bool
    has_owners_draw: bool
    today: date


def traits_of(source: Source, at: int, place: Workplace) -> frozenset[str]:
    """What marks the `at`-th person; contradictions are settled here, once."""
    if at < len(CAST):
        traits = set(CAST[at])
    else:
        traits = {trait for trait, percent in CHANCES.items() if source.happens(percent)}
    if "salary" in traits:
        # Only hourly people can hold several jobs (gusto.md 4.3).
        traits -= {"two_jobs", "overtime", "tips"}
    if not place.has_tips:
        traits -= {"tips"}
    if at == 0 and place.has_owners_draw:
        traits = {"owners_draw"}
    return frozenset(traits)


def employee(place: Workplace, at: int, is_gone: bool) -> dict[str, Any]:
    """The `at`-th person; one who is gone was terminated in the last months. Joins the department, unless gone."""
    today = place.today
    source = Source(place.seed, "employee", place.number, at)
    traits = traits_of(source, at, place)
    names = data("names")
    employee_uuid = source.uuid()
    home = at % len(place.locations) if at < len(CAST) else source.random.randrange(len(place.locations))
    location = place.locations[home]
    department_at = at % len(place.departments) if at < len(CAST) else source.random.randrange(len(place.departments))
    department = None if "no_department" in traits else place.departments[department_at]
    started = today - timedelta(days=source.random.randrange(200, 1800))
    first, last = source.pick(names["first"]), source.pick(names["last"])
    jobs = [_job(source, employee_uuid, location, data("departments")[department_at], traits, started, is_primary=True)]
    if "two_jobs" in traits:
        other = data("departments")[(department_at + 1) % len(data("departments"))]
        jobs.append(_job(source, employee_uuid, location, other, traits, started, is_primary=False))
    cost_center = data("departments")[department_at]["cost_center"]
    terminations, history, rehire = _employment(source, employee_uuid, location, traits, started, is_gone, today)
    public = {
        "uuid": employee_uuid,
        "first_name": first,
        "middle_initial": source.pick([None, "A", "J", ""]),
        "last_name": last,
        "email": f"{employee_uuid[:8]}@example.com" if source.happens(90) else None,
        "company_uuid": place.uuid,
        "manager_uuid": place.manager_uuid or None,
        "employee_code": _code(employee_uuid),
        "department": department["title"] if department else None,
        "department_uuid": department["uuid"] if department else None,
        "terminated": is_gone,
        "two_percent_shareholder": False,
        "onboarded": True,
        "onboarding_status": "onboarding_completed",
        "onboarding_documents_config": {"uuid": None, "i9_document": False},
        "current_employment_status": None if is_gone else "full_time",
        "historical": False,
        "payment_method": "Check" if "check" in traits else "Direct Deposit",
        "jobs": jobs,
        "eligible_paid_time_off": _time_off(source) if "owners_draw" not in traits else [],
        "terminations": terminations,
        "garnishments": _garnishments(source, employee_uuid, traits),
        "date_of_birth": date(1962 + source.random.randrange(40), 1 + source.random.randrange(12), 15).isoformat(),
        "has_ssn": True,
        "ssn": "",
        "phone": f"555555{at % 10_000:04d}",
        "preferred_first_name": source.pick(names["preferred"]) if source.happens(20) else None,
        "work_email": f"{employee_uuid[:8]}@work.example.com" if source.happens(70) else None,
    }
    if department is not None and not is_gone:
        department["employees"].append({"uuid": employee_uuid})
    fields = [(place.custom_fields[1], source.pick(["S", "M", "L"]))]
    if at % 11 != 10:
        fields.insert(0, (place.custom_fields[0], cost_center))
    return {
        "public": versioned(public),
        "custom_fields": [
            {
                "id": source.uuid(),
                "company_custom_field_id": company_field["uuid"],
                **{key: company_field[key] for key in ("name", "description", "type", "selection_options")},
                "value": value,
            }
            for company_field, value in fields
        ],
        "work_addresses": _work_addresses(source, employee_uuid, place.locations, home, traits, started, today),
        "home_address": {**home_address(source), "uuid": source.uuid(), "active": True},
        "employment_history": history,
        "rehire": rehire,
        "benefits": _enrolments(source, employee_uuid, place.plans, traits),
        "created_at": started.isoformat(),
        "pay": {"traits": sorted(traits), "state": location["state"], "number": at},
    }


def _job(
    source: Source,
    employee_uuid: str,
    location: dict[str, Any],
    department: dict[str, Any],
    traits: frozenset[str],
    started: date,
    is_primary: bool,
) -> dict[str, Any]:
    is_salaried = bool(traits & {"salary", "owners_draw"})
    fitting = [row for row in department["jobs"] if (row[1] != "hour") == is_salaried]
    # A department without a salaried job (Front of House) still has its manager.
    title, unit, base = source.pick(fitting) if fitting else ("Manager", "year", 6550000)
    rate = base * (900 + source.random.randrange(350)) // 1000
    if unit != "hour":
        rate -= rate % (10_000 if unit == "year" else 500)
    flsa = "Exempt" if is_salaried else "Nonexempt"
    if "owners_draw" in traits:
        title, rate, flsa = "Owner", 0, "Owner"
    job_uuid = source.uuid()
    dates = [(rate, started)]
    if source.happens(30):
        dates = [(rate, started + timedelta(days=150)), (rate * 95 // 100, started)]
    compensations = [
        versioned(
            {
                "uuid": source.uuid(),
                "job_uuid": job_uuid,
                "rate": money.text(cents),
                "payment_unit": unit.capitalize(),
                "flsa_status": flsa,
                "effective_date": since.isoformat(),
                "adjust_for_minimum_wage": False,
                "minimum_wages": [],
            }
        )
        for cents, since in dates
    ]
    place = {key: location[key] for key in ("uuid", "street_1", "street_2", "city", "state", "zip", "country")}
    return versioned(
        {
            "uuid": job_uuid,
            "employee_uuid": employee_uuid,
            "current_compensation_uuid": compensations[0]["uuid"],
            "payment_unit": compensations[0]["payment_unit"],
            "primary": is_primary,
            "two_percent_shareholder": False,
            "title": None if is_primary and source.happens(2) else title,
            "state_wc_covered": None,
            "state_wc_class_code": None,
            "compensations": compensations,
            "rate": compensations[0]["rate"],
            "hire_date": started.isoformat(),
            "location_uuid": location["uuid"],
            "location": {**place, "inactive": False},
        }
    )


def _employment(
    source: Source,
    employee_uuid: str,
    location: dict[str, Any],
    traits: frozenset[str],
    started: date,
    is_gone: bool,
    today: date,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any] | None]:
    """Terminations, employment history (newest first) and the rehire, if any."""
    stint = {"file_new_hire_report": True, "two_percent_shareholder": False, "employment_status": "full_time"}
    if not is_gone and "rehired" not in traits:
        return [], [{"hire_date": started.isoformat(), "termination_date": None, **stint}], None
    left = today - timedelta(days=source.random.randrange(70, 180))
    termination = versioned(
        {
            "uuid": source.uuid(),
            "employee_uuid": employee_uuid,
            "active": True,
            "cancelable": False,
            "effective_date": left.isoformat(),
            "run_termination_payroll": False,
        }
    )
    first = {"hire_date": started.isoformat(), "termination_date": left.isoformat(), **stint}
    if is_gone:
        return [termination], [first], None
    back = left + timedelta(days=30)
    rehire = versioned(
        {
            "employee_uuid": employee_uuid,
            "active": True,
            "effective_date": back.isoformat(),
            "file_new_hire_report": True,
            "work_location_uuid": location["uuid"],
            "two_percent_shareholder": False,
            "employment_status": "full_time",
        }
    )
    # The old termination no longer holds once the person is back.
    termination = versioned({**termination, "active": False})
    return [termination], [{"hire_date": back.isoformat(), "termination_date": None, **stint}, first], rehire


def _time_off(source: Source) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "policy_name": policy,
            "policy_uuid": source.uuid(),
            "accrual_unit": "Hour",
            "accrual_rate": rate,
            "accrual_method": "per_hour_worked",
            "accrual_period": "Year",
            "accrual_balance": f"{source.random.randrange(800) / 10:.1f}",
            "maximum_accrual_balance": "240.0",
            "paid_at_termination": name == "Vacation Hours",
        }
        for name, policy, rate in (("Vacation Hours", "Time away", "120.0"), ("Sick Hours", "Sick leave", "56.0"))
    ]


def _garnishments(source: Source, employee_uuid: str, traits: frozenset[str]) -> list[dict[str, Any]]:
    rows: list[tuple[str, int, str | None]] = []
    if "child_support" in traits:
        rows.append((f"Child support - MO{source.random.randrange(10_000, 99_999)}", 18_500, "child_support"))
    if "garnishment" in traits:
        rows.append((f"Creditor garnishment - {source.random.randrange(100, 999)}", 9_250, "creditor_garnishment"))
    if "loan" in traits:
        rows.append(("Company loan to employee", 5_000, None))
    return [
        versioned(
            {
                "uuid": source.uuid(),
                "employee_uuid": employee_uuid,
                "active": True,
                "amount": money.text(cents),
                "description": description,
                "court_ordered": kind is not None,
                "times": None,
                "recurring": True,
                "annual_maximum": None,
                "total_amount": None,
                "pay_period_maximum": None,
                "deduct_as_percentage": False,
                "garnishment_type": kind,
                "child_support": {
                    "state": "MO",
                    "payment_period": "Every other week",
                    "fips_code": "29000",
                    "case_number": description.rpartition(" ")[2],
                    "order_number": None,
                    "remittance_number": None,
                }
                if kind == "child_support"
                else None,
            }
        )
        for description, cents, kind in rows
    ]


def _enrolments(
    source: Source, employee_uuid: str, plans: list[dict[str, Any]], traits: frozenset[str]
) -> list[dict[str, Any]]:
    by_name = {plan["description"]: plan for plan in data("benefits")["plans"]}
    wanted: set[str] = set()
    if "benefits" in traits:
        wanted |= {"Harbor Health PPO", "Harbor Dental", "Clearsight Vision"}
    if "retirement" in traits:
        wanted |= {"Fernhill 401(k)", "Health Savings Account"}
    if "imputed" in traits:
        wanted.add("Group Term Life")
    if "gym" in traits:
        wanted.add("Gym Membership")
    rows = []
    for plan in plans:
        if plan["description"] not in wanted:
            continue
        terms = by_name[plan["description"]]
        percent = terms.get("employee_percent")
        rows.append(
            versioned(
                {
                    "uuid": source.uuid(),
                    "employee_uuid": employee_uuid,
                    "company_benefit_uuid": plan["uuid"],
                    "active": True,
                    "employee_deduction": f"{percent}.00" if percent else money.text(terms["employee"]),
                    "deduct_as_percentage": percent is not None,
                    "employee_deduction_annual_maximum": None,
                    "contribution": {
                        "type": "percentage" if percent else "amount",
                        "value": f"{terms['match_percent']}.00" if percent else money.text(terms["company"]),
                    },
                    "company_contribution_annual_maximum": None,
                    "limit_option": None,
                    "catch_up": False,
                    "coverage_amount": None,
                    "deduction_reduces_taxable_income": None,
                    "coverage_salary_multiplier": "0.00",
                }
            )
        )
    return rows


def _work_addresses(
    source: Source,
    employee_uuid: str,
    locations: list[dict[str, Any]],
    home: int,
    traits: frozenset[str],
    started: date,
    today: date,
) -> list[dict[str, Any]]:
    """Dated, oldest first. One who moved worked elsewhere until two months ago."""
    places = [(locations[home], started, True)]
    if "moved" in traits:
        places = [
            (locations[(home + 1) % len(locations)], started, False),
            (locations[home], today - timedelta(days=60), True),
        ]
    return [
        versioned(
            {
                "uuid": source.uuid(),
                "employee_uuid": employee_uuid,
                "location_uuid": place["uuid"],
                "effective_date": since.isoformat(),
                "active": is_active,
                **{key: place[key] for key in ("street_1", "street_2", "city", "state", "zip", "country")},
            }
        )
        for place, since, is_active in places
    ]


def home_address(source: Source) -> dict[str, Any]:
    """An invented address in one of the places."""
    place = source.pick(data("places"))
    return {
        "street_1": f"{source.random.randrange(1, 999)} Willow Lane",
        "street_2": None,
        **{key: place[key] for key in ("city", "state", "zip")},
        "country": "USA",
    }


def _code(employee_uuid: str) -> str:
    """Six letters and digits, as Gusto's short employee code."""
    value = int(employee_uuid[:8], 16)
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    code = ""
    for _ in range(6):
        value, digit = divmod(value, 36)
        code += digits[digit]
    return code
