"""The reads of the Gusto sandbox: versions, scopes, paging, filters and defaults as Gusto has them (gusto.md 1, 4 to 7)."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest

from tests.gusto.running_sandbox import Running, exact, running

TODAY = date(2026, 9, 16)


@pytest.fixture(scope="module")
def gusto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    path = tmp_path_factory.mktemp("gusto")
    with running(path, employees=60, companies=1, history=16, today=TODAY, rate_limit=100_000) as sandbox:
        sandbox.system.create_company(employees=3, name="Foreign Inc.")
        yield sandbox


@pytest.fixture(scope="module")
def token(gusto: Running) -> str:
    return gusto.company_token()


def error_of(answer):
    return answer.status_code, answer.json()["errors"][0]["category"], answer.json()["errors"][0]["error_key"]


# Versions


def test_the_version_is_echoed(gusto, token):
    answer = gusto.get(f"/v1/companies/{gusto.company}", token)
    assert answer.headers["X-Gusto-API-Version"] == "2026-06-15"
    assert answer.headers["X-Request-Id"]


@pytest.mark.parametrize("version", ["2023", "2024-04-01", "2026-02-01", "next"])
def test_other_versions_are_refused(gusto, token, version):
    answer = gusto.call("GET", f"/v1/companies/{gusto.company}", token, version=version)
    assert error_of(answer) == (406, "invalid_api_version", "request")
    assert version in answer.json()["errors"][0]["message"]


def test_without_the_header_the_minimum_version_answers_in_its_older_shape(gusto, token):
    path = f"/v1/companies/{gusto.company}/payrolls"
    listed = gusto.call("GET", path, token, version=None)
    assert listed.headers["X-Gusto-API-Version"] == "2026-02-01"
    assert "X-Total-Pages" not in listed.headers
    uuid = listed.json()[0]["uuid"]
    query = {"include": "taxes,benefits,deductions"}
    person = exact(gusto.call("GET", f"{path}/{uuid}", token, version=None, params=query))["employee_compensations"][0]
    assert isinstance(person["gross_pay"], Decimal)
    assert isinstance(person["taxes"][0]["amount"], Decimal)
    assert "amount" not in person["paid_time_off"][0]


# Tokens, scopes, foreign companies


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer nothing"}, {"Authorization": "Basic abc"}])
def test_without_a_live_token(gusto, header):
    answer = gusto.http.get(
        f"{gusto.address}/v1/token_info", headers=header | {"X-Gusto-API-Version": "2026-06-15"}, timeout=10
    )
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ("companies:read", "/v1/companies/{company}"),
        ("employees:read", "/v1/companies/{company}/employees"),
        ("departments:read", "/v1/companies/{company}/departments"),
        ("contractors:read", "/v1/companies/{company}/contractors"),
        ("payrolls:read", "/v1/companies/{company}/payrolls"),
        ("payrolls:read", "/v1/companies/{company}/earning_types"),
        ("payrolls:read", "/v1/companies/{company}/pay_periods"),
        ("payrolls:read", "/v1/companies/{company}/contractor_payments?start_date=2026-01-01&end_date=2026-09-01"),
        ("pay_schedules:read", "/v1/companies/{company}/pay_schedules"),
        ("company_benefits:read", "/v1/companies/{company}/company_benefits"),
        ("benefits:read", "/v1/benefits"),
    ],
)
def test_a_missing_scope_is_named(gusto, token, scope, path):
    path = path.format(company=gusto.company)
    assert gusto.get(path, token).status_code == 200
    scopes = gusto.system.state.application()["scopes"]
    gusto.control("application", scopes=[name for name in scopes if name != scope])
    try:
        answer = gusto.get(path, gusto.company_token())
    finally:
        gusto.control("application", scopes=scopes)
    assert error_of(answer) == (403, "missing_oauth_scopes", "request")
    assert answer.json()["errors"][0]["metadata"] == {"missing_scope_name": scope}


def test_names_and_pay_need_scopes_of_their_own(gusto):
    scopes = gusto.system.state.application()["scopes"]
    gusto.control("application", scopes=["payrolls:read"])
    payrolls = gusto.company_token()
    gusto.control("application", scopes=["employees:read"])
    people = gusto.company_token()
    gusto.control("application", scopes=["employee_benefits:read", "company_benefits:read"])
    benefits = gusto.company_token()
    gusto.control("application", scopes=scopes)
    path = f"/v1/companies/{gusto.company}/payrolls"
    uuid = gusto.get(path, payrolls).json()[0]["uuid"]
    for person in gusto.get(f"{path}/{uuid}", payrolls).json()["employee_compensations"]:
        assert person["first_name"] is person["last_name"] is None
    employee = gusto.get(f"/v1/companies/{gusto.company}/employees", people).json()[0]
    assert "garnishments" not in employee
    assert employee["jobs"][0]["uuid"]
    assert not {"rate", "payment_unit", "current_compensation_uuid", "compensations"} & set(employee["jobs"][0])
    plans = gusto.get(f"/v1/companies/{gusto.company}/company_benefits", benefits).json()
    assert {plan["benefit_type"] for plan in plans}.isdisjoint({1, 2, 3, 107})
    enrolled = gusto.get(f"/v1/employees/{employee['uuid']}/employee_benefits", benefits).json()
    assert {row["company_benefit_uuid"] for row in enrolled} <= {plan["uuid"] for plan in plans}


def test_foreign_and_unknown_resources(gusto, token):
    foreign = gusto.system.companies()[1]
    other = gusto.system.connect(foreign["uuid"])["access_token"]
    employee = gusto.get(f"/v1/companies/{foreign['uuid']}/employees", other).json()[0]["uuid"]
    payroll = foreign["payrolls"][0]["payroll_uuid"]
    for path in (
        f"/v1/companies/{foreign['uuid']}",
        f"/v1/companies/{foreign['uuid']}/payrolls",
        f"/v1/employees/{employee}",
    ):
        assert error_of(gusto.get(path, token)) == (404, "missing_permissions", "request")
    for path in (
        "/v1/companies/7f000000-0000-4000-8000-000000000000",
        f"/v1/companies/{gusto.company}/payrolls/{payroll}",
        "/v1/employees/7f000000-0000-4000-8000-000000000000",
        f"/v1/employees/{payroll}",
        "/v1/no_such_thing",
    ):
        assert error_of(gusto.get(path, token)) == (404, "not_found", "request")


def test_addresses_of_embedded_are_refused_unless_opened(gusto, token):
    path = f"/v1/companies/{gusto.company}/payroll_reversals"
    answer = gusto.get(path, token)
    assert error_of(answer) == (404, "missing_permissions", "request")
    gusto.control("settings", embedded=True)
    assert gusto.get(path, token).json() == []
    gusto.control("settings", embedded=False)


# Rate limit


def test_the_rate_limit_per_grant(tmp_path):
    with running(tmp_path, employees=1, history=0, rate_limit=3, rate_limit_seconds=2) as gusto:
        token, other = gusto.company_token(), gusto.facts["companies"][1]["uuid"]
        path = f"/v1/companies/{gusto.company}"
        left = [gusto.get(path, token).headers["X-RateLimit-Remaining"] for _ in range(3)]
        assert left == ["2", "1", "0"]
        refused = gusto.get(path, token)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["Retry-After"]) <= 2
        assert refused.headers["X-RateLimit-Limit"] == "3"
        assert refused.headers["X-RateLimit-Remaining"] == "0"
        assert refused.headers["X-RateLimit-Reset"].endswith(" -0700")
        # Another grant of the same application, and another token of the same grant.
        assert gusto.get(f"/v1/companies/{other}", gusto.system.connect(other)["access_token"]).status_code == 200
        assert gusto.get(path, gusto.company_token()).status_code == 429
        gusto.control("settings", rate_limit_seconds=0)
        assert gusto.get(path, token).status_code == 200


# The payroll list


def listed(gusto, token, **query):
    answer = gusto.get(f"/v1/companies/{gusto.company}/payrolls", token, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_defaults_hide_everything_but_regular_processed_recent(gusto, token):
    made = gusto.system.create_payroll(gusto.company, "Bonus")["payroll_uuid"]
    gusto.system.process(made)
    external = gusto.system.create_payroll(gusto.company, external=True)["payroll_uuid"]
    gusto.system.process(external)
    rows = listed(gusto, token)
    assert rows
    oldest = date(2026, 3, 16)
    for row in rows:
        assert row["processed"]
        assert not row["off_cycle"]
        assert not row["external"]
        assert oldest <= date.fromisoformat(row["pay_period"]["start_date"])
        assert date.fromisoformat(row["pay_period"]["end_date"]) <= TODAY
    starts = [row["pay_period"]["start_date"] for row in rows]
    assert starts == sorted(starts)
    assert "totals" not in rows[0]
    assert "company_taxes" not in rows[0]
    assert "employee_compensations" not in rows[0]
    everything = {row["uuid"] for row in listed(gusto, token, start_date="2026-01-01", end_date="2026-12-15")}
    assert {row["uuid"] for row in rows} < everything
    off_cycle = {row["uuid"] for row in listed(gusto, token, payroll_types="off_cycle")}
    assert made in off_cycle
    assert made in {row["uuid"] for row in listed(gusto, token, include_off_cycle="true")}
    assert {row["uuid"] for row in listed(gusto, token, payroll_types="external")} == {external}
    both = listed(gusto, token, payroll_types="regular,off_cycle,external", sort_order="desc")
    assert {made, external} < {row["uuid"] for row in both}
    starts = [row["pay_period"]["start_date"] for row in both]
    assert starts == sorted(starts, reverse=True)
    gusto.system.delete(made, force=True)
    gusto.system.delete(external, force=True)


def test_unprocessed_payrolls_only_on_demand_and_without_totals(gusto, token):
    rows = listed(
        gusto, token, processing_statuses="unprocessed", end_date="2026-12-15", include="totals,payroll_status_meta"
    )
    assert [row["uuid"] for row in rows] == [gusto.open_payroll()]
    assert rows[0]["totals"] is None
    assert rows[0]["payroll_status_meta"]["cancellable"] is False
    assert rows == listed(gusto, token, processed="false", end_date="2026-12-15", include="totals,payroll_status_meta")


def test_the_filter_by_check_date(gusto, token):
    rows = listed(gusto, token, start_date="2026-01-01", end_date="2026-12-15")
    day = rows[3]["check_date"]
    window = {"start_date": day, "end_date": day}
    assert listed(gusto, token, **window) == []
    assert [row["uuid"] for row in listed(gusto, token, date_filter_by="check_date", **window)] == [rows[3]["uuid"]]
    path = f"/v1/companies/{gusto.company}/payrolls"
    for statuses in ("processed,unprocessed", "unprocessed"):
        answer = gusto.get(path, token, date_filter_by="check_date", processing_statuses=statuses, **window)
        assert error_of(answer) == (422, "invalid_parameter", "date_filter_by")
    assert gusto.get(path, token, date_filter_by="pay_date").status_code == 422
    made = gusto.system.create_payroll(gusto.company, "Adhoc", check_date="2026-09-30")["payroll_uuid"]
    gusto.system.process(made)
    by_check = {"date_filter_by": "check_date", "payroll_types": "regular,off_cycle"}
    # It applies to regular payrolls only: an off-cycle one still goes by its pay period.
    assert made not in {
        r["uuid"] for r in listed(gusto, token, **by_check, start_date="2026-09-25", end_date="2026-10-05")
    }
    assert made in {r["uuid"] for r in listed(gusto, token, **by_check, start_date="2026-09-01", end_date="2026-10-05")}
    gusto.system.delete(made, force=True)


@pytest.mark.parametrize(
    "query",
    [
        {"end_date": "2026-12-17"},
        {"start_date": "2025-09-01", "end_date": "2026-09-02"},
        {"start_date": "yesterday"},
        {"sort_order": "up"},
        {"page": "0"},
        {"per": "many"},
        {"processed": "perhaps"},
    ],
)
def test_what_the_list_refuses(gusto, token, query):
    answer = gusto.get(f"/v1/companies/{gusto.company}/payrolls", token, **query)
    assert error_of(answer)[:2] == (422, "invalid_parameter")


def test_unknown_filter_values_give_an_empty_list_and_unknown_includes_are_dropped(gusto, token):
    assert listed(gusto, token, payroll_types="bonus") == []
    assert listed(gusto, token, processing_statuses="done") == []
    assert listed(gusto, token, include="everything,employee_compensations") == listed(gusto, token)


def test_the_list_is_paged_always_and_includes_come_encoded(gusto, token):
    path = f"/v1/companies/{gusto.company}/payrolls"
    window = "start_date=2026-01-01&end_date=2026-12-15"
    answer = gusto.get(f"{path}?{window}&per=3&page=2&include=totals%2Ctaxes", token)
    assert len(answer.json()) == 3
    assert answer.headers["X-Page"] == "2"
    assert answer.headers["X-Per-Page"] == "3"
    assert int(answer.headers["X-Total-Pages"]) == -(-int(answer.headers["X-Total-Count"]) // 3)
    assert {"totals", "company_taxes"} <= set(answer.json()[0])
    whole = gusto.get(f"{path}?{window}", token)
    assert whole.headers["X-Per-Page"] == "25"
    assert whole.json()[3]["uuid"] == answer.json()[0]["uuid"]
    assert gusto.get(f"{path}?{window}&page=99", token).json() == []


# The single payroll


def test_a_single_payroll_is_silently_short_unless_paged(gusto, token):
    uuid = listed(gusto, token)[0]["uuid"]
    path = f"/v1/companies/{gusto.company}/payrolls/{uuid}"
    first = gusto.get(path, token)
    assert len(first.json()["employee_compensations"]) == 25
    assert (first.headers["X-Total-Pages"], first.headers["X-Total-Count"]) == ("3", "60")
    uuids = []
    for page in (1, 2, 3):
        uuids += [row["employee_uuid"] for row in gusto.get(path, token, page=page).json()["employee_compensations"]]
    assert len(set(uuids)) == 60
    everyone = gusto.get(path, token, per=500)
    assert everyone.headers["X-Per-Page"] == "100"
    assert [row["employee_uuid"] for row in everyone.json()["employee_compensations"]] == uuids


def test_includes_decide_what_a_payroll_carries(gusto, token):
    uuid = listed(gusto, token)[0]["uuid"]
    path = f"/v1/companies/{gusto.company}/payrolls/{uuid}"
    plain = exact(gusto.get(path, token))
    assert not {"totals", "company_taxes", "payroll_taxes", "payroll_status_meta", "submission_blockers"} & set(plain)
    person = next(row for row in plain["employee_compensations"] if row["deductions"])
    assert not {"taxes", "benefits"} & set(person)
    # Unasked, deductions are numbers; asked for, strings (gusto.md 1.2).
    assert isinstance(person["deductions"][0]["amount"], Decimal)
    whole = exact(
        gusto.get(
            path, token, include="benefits,deductions,taxes,totals,payroll_taxes,payroll_status_meta,risk_blockers"
        )
    )
    same = next(row for row in whole["employee_compensations"] if row["employee_uuid"] == person["employee_uuid"])
    assert isinstance(same["deductions"][0]["amount"], str)
    assert isinstance(same["taxes"][0]["amount"], str)
    assert isinstance(whole["payroll_taxes"][0]["amount"], Decimal)
    assert isinstance(whole["company_taxes"][0]["amount"], str)
    assert whole["submission_blockers"] == []
    assert whole["payroll_status_meta"]["payroll_late"] is False


def test_an_open_payroll_has_no_people(gusto, token):
    path = f"/v1/companies/{gusto.company}/payrolls/{gusto.open_payroll()}"
    payroll = gusto.get(path, token, include="totals,taxes,payroll_taxes").json()
    assert payroll["processed"] is False
    assert payroll["totals"] is None
    assert not {"employee_compensations", "company_taxes", "payroll_taxes"} & set(payroll)


def test_off_cycle_payrolls_bring_no_deductions_unasked(gusto, token):
    made = gusto.system.create_payroll(gusto.company, "Dismissed employee")["payroll_uuid"]
    gusto.system.process(made)
    path = f"/v1/companies/{gusto.company}/payrolls/{made}"
    payroll = gusto.get(path, token, include="payroll_status_meta").json()
    assert payroll["final_termination_payroll"] is True
    assert "deductions" not in payroll["employee_compensations"][0]
    assert payroll["payroll_status_meta"]["payroll_late"] is None
    assert "deductions" in gusto.get(path, token, include="deductions").json()["employee_compensations"][0]
    gusto.system.delete(made, force=True)


def test_people_of_a_payroll_can_be_sorted(gusto, token):
    uuid = listed(gusto, token)[0]["uuid"]
    path = f"/v1/companies/{gusto.company}/payrolls/{uuid}"
    people = gusto.get(path, token, sort_by="last_name:desc,first_name", per=100).json()["employee_compensations"]
    names = [row["last_name"] or "" for row in people]
    assert names == sorted(names, reverse=True)
    assert gusto.get(path, token, sort_by="net_pay").status_code == 422


# People and organisation


def test_employees_with_jobs_custom_fields_and_filters(gusto, token):
    path = f"/v1/companies/{gusto.company}/employees"
    everyone = gusto.get(path, token)
    assert "X-Page" not in everyone.headers
    rows = everyone.json()
    assert len(rows) == 62
    assert len(gusto.get(path, token, per=20, page=4).json()) == 2
    assert len(gusto.get(path, token, page=1).json()) == 25
    gone = gusto.get(path, token, terminated="true").json()
    assert len(gone) == 2
    assert gone[0]["terminations"][0]["effective_date"] < TODAY.isoformat()
    assert gone[0]["current_employment_status"] is None
    assert "custom_fields" not in rows[0]
    fields = gusto.get(path, token, include="custom_fields").json()[0]["custom_fields"]
    assert fields[0]["name"] == "Cost center"
    assert any(len(row["jobs"]) == 2 for row in rows)
    older = gusto.get(path, token, include="all_compensations").json()
    assert any(len(job["compensations"]) == 2 for row in older for job in row["jobs"])
    assert all(len(job["compensations"]) == 1 for row in rows for job in row["jobs"])
    wanted = f"{rows[0]['uuid']},{rows[5]['uuid']}"
    assert [row["uuid"] for row in gusto.get(path, token, uuids=wanted).json()] == wanted.split(",")
    paid = gusto.get(path, token, payroll_uuid=listed(gusto, token)[0]["uuid"]).json()
    assert {row["uuid"] for row in paid} == {row["uuid"] for row in rows} - {row["uuid"] for row in gone}


def test_what_hangs_on_an_employee(gusto, token):
    rows = gusto.get(f"/v1/companies/{gusto.company}/employees", token).json()
    rehired = next(row for row in rows if row["terminations"] and not row["terminated"])
    base = f"/v1/employees/{rehired['uuid']}"
    assert gusto.get(base, token).json() == rehired
    rehire = gusto.get(f"{base}/rehire", token)
    assert rehire.json()["active"] is True
    history = gusto.get(f"{base}/employment_history", token).json()
    assert history[0]["termination_date"] is None
    assert history[1]["termination_date"] == rehired["terminations"][0]["effective_date"]
    assert history[0]["hire_date"] == rehire.json()["effective_date"]
    never = gusto.get(f"/v1/employees/{rows[0]['uuid']}/rehire", token)
    assert (never.status_code, never.content) == (204, b"")
    addresses = gusto.get(f"{base}/work_addresses", token).json()
    assert [row["active"] for row in addresses] == [False, True]
    assert gusto.get(f"/v1/work_addresses/{addresses[0]['uuid']}", token).json() == addresses[0]
    assert gusto.get(f"{base}/terminations", token).json() == rehired["terminations"]
    termination = rehired["terminations"][0]
    assert gusto.get(f"/v1/terminations/{termination['uuid']}", token).json() == termination
    job = rehired["jobs"][0]
    current = gusto.get(f"/v1/jobs/{job['uuid']}/compensations", token).json()
    assert [row["uuid"] for row in current] == [job["current_compensation_uuid"]]
    assert gusto.get(f"/v1/compensations/{current[0]['uuid']}", token).json() == current[0]
    location = gusto.get(f"/v1/locations/{job['location_uuid']}", token).json()
    assert location["city"] == job["location"]["city"]
    assert gusto.get(f"{base}/custom_fields", token).json()["custom_fields"]


def test_departments_hold_their_members(gusto, token):
    departments = gusto.get(f"/v1/companies/{gusto.company}/departments", token).json()
    people = gusto.get(f"/v1/companies/{gusto.company}/employees", token, terminated="false").json()
    for department in departments:
        members = {row["uuid"] for row in department["employees"]}
        assert members == {row["uuid"] for row in people if row["department_uuid"] == department["uuid"]}
        assert gusto.get(f"/v1/departments/{department['uuid']}", token).json() == department


def test_a_move_changes_person_departments_and_versions(gusto, token):
    departments = gusto.get(f"/v1/companies/{gusto.company}/departments", token).json()
    person = gusto.get(f"/v1/companies/{gusto.company}/employees", token).json()[0]
    target = next(row for row in departments if row["uuid"] != person["department_uuid"])
    path = f"employees/{person['uuid']}/department"
    assert gusto.control(path, department_uuid=target["uuid"]).status_code == 200
    moved = gusto.get(f"/v1/employees/{person['uuid']}", token).json()
    assert (moved["department"], moved["department_uuid"]) == (target["title"], target["uuid"])
    assert moved["version"] != person["version"]
    after = {row["uuid"]: row for row in gusto.get(f"/v1/companies/{gusto.company}/departments", token).json()}
    assert {"uuid": person["uuid"]} in after[target["uuid"]]["employees"]
    assert {"uuid": person["uuid"]} not in after[person["department_uuid"]]["employees"]
    gusto.control(path, department_uuid=None)
    assert gusto.get(f"/v1/employees/{person['uuid']}", token).json()["department_uuid"] is None


def test_company_schedules_periods_earnings_and_benefits(gusto, token):
    base = f"/v1/companies/{gusto.company}"
    company = gusto.get(base, token).json()
    assert company["company_status"] == "Approved"
    schedules = gusto.get(f"{base}/pay_schedules", token).json()
    assert gusto.get(f"{base}/pay_schedules/{schedules[0]['uuid']}", token).json() == schedules[0]
    periods = gusto.get(f"{base}/pay_periods", token).json()
    assert periods
    assert all(row["start_date"] <= TODAY.isoformat() for row in periods)
    processed = {row["uuid"] for row in listed(gusto, token)}
    assert processed <= {row["payroll"]["payroll_uuid"] for row in periods}
    ahead = (TODAY + timedelta(days=93)).isoformat()
    assert error_of(gusto.get(f"{base}/pay_periods", token, end_date=ahead)) == (422, "invalid_parameter", "end_date")
    types = gusto.get(f"{base}/earning_types", token).json()
    assert "Bonus" in {row["name"] for row in types["default"]}
    assert "Phone Stipend" in {row["name"] for row in types["custom"]}
    plans = gusto.get(f"{base}/company_benefits", token, enrollment_count="true").json()
    kinds = {row["benefit_type"] for row in gusto.get("/v1/benefits", token).json()}
    assert {plan["benefit_type"] for plan in plans} <= kinds
    assert sum(plan["enrollment_count"] for plan in plans) > 0
    assert gusto.get(f"/v1/company_benefits/{plans[0]['uuid']}", token).json()["description"] == plans[0]["description"]


def test_contractors_and_their_payments(gusto, token):
    base = f"/v1/companies/{gusto.company}"
    contractors = gusto.get(f"{base}/contractors", token).json()
    assert {row["type"] for row in contractors} == {"Individual", "Business"}
    business = next(row for row in contractors if row["type"] == "Business")
    assert business["first_name"] is business["last_name"] is None
    assert gusto.get(f"/v1/contractors/{business['uuid']}", token).json() == business
    path = f"{base}/contractor_payments"
    assert error_of(gusto.get(path, token, start_date="2026-01-01")) == (422, "missing_parameter", "end_date")
    assert error_of(gusto.get(path, token, end_date="2026-01-01")) == (422, "missing_parameter", "start_date")
    window = {"start_date": "2026-01-01", "end_date": "2026-09-16"}
    summary = gusto.get(path, token, **window).json()
    payments = [row for group in summary["contractor_payments"] for row in group["payments"]]
    assert len(payments) == 2 * len(contractors)
    assert Decimal(summary["total"]["wages"]) == sum(Decimal(row["wage_total"]) for row in payments)
    for row in payments:
        due = Decimal(row["hours"]) * Decimal(row["hourly_rate"]) + Decimal(row["wage"]) + Decimal(row["bonus"])
        assert abs(Decimal(row["wage_total"]) - due) <= Decimal("0.005")
        single = gusto.get(f"{path}/{row['uuid']}", token).json()
        assert single["status"] == ("Unfunded" if single["payment_method"] == "Check" else "Funded")
    dated = gusto.get(path, token, group_by_date="true", **window).json()["contractor_payments"]
    assert all(row["date"] == group["check_date"] for group in dated for row in group["payments"])
    one = gusto.get(path, token, contractor_uuid=business["uuid"], **window).json()["contractor_payments"]
    assert [group["contractor_uuid"] for group in one] == [business["uuid"]]
