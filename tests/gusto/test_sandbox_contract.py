"""The sandbox's answers against the vendor's own schemas, so that client and sandbox cannot agree on an error.

Two sources: the models of the official SDK for 2026-06-15 (read strictly: a field they do not know is an error) and
the official OpenAPI of 2025-06-15, which has the closed enumerations. Where both are behind the 2026-06-15 reference,
the difference is written down here.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from gusto.sandbox.webhooks import sign
from tests.gusto.running_sandbox import Receiver, Running, exact, receiving, running, wait_until

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "gusto"
INCLUDE = "benefits,deductions,taxes,totals,payroll_taxes,payroll_status_meta,risk_blockers"

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(not REFERENCE.is_dir(), reason="../shared/reference/gusto is not here"),
]


def reference(name: str) -> Any:
    return json.loads((REFERENCE / name).read_text(encoding="utf-8"), parse_float=Decimal)


def strict(schema: Any) -> Any:
    """The schema with unknown fields forbidden in every object that lists its fields."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(each) for name, each in schema.items()}
    if "properties" in made and isinstance(made["properties"], dict) and made.get("type", "object") == "object":
        made["additionalProperties"] = False
    return made


@pytest.fixture(scope="module")
def sdk() -> dict[str, Any]:
    """The SDK's models, with the money of 2026-06-15 as the reference pages have it: strings (README of the files)."""
    models = copy.deepcopy(reference("schemas-2026-06-15.sdk.json"))["$defs"]
    money = {"type": "string", "pattern": r"^-?\d+\.\d{2}$"}
    models["Taxes"]["properties"]["amount"] = money
    models["PayrollShowDeductions"]["properties"]["amount"] = money
    for name in ("employee_deduction", "company_contribution"):
        models["Benefits"]["properties"][name] = money
    # The reference lists it (gusto.md 4.2); the SDK does not yet.
    models["Payroll"]["properties"]["reversal_payroll_uuids"] = {"type": "array", "items": {"type": "string"}}
    return {str(name): strict(model) for name, model in models.items()}


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    """The OpenAPI of 2025-06-15, with the differences of 2026-06-15."""
    document = copy.deepcopy(reference("openapi-app-integrations-2025-06-15.trimmed.json"))
    schemas = document["components"]["schemas"]
    number_or_text = {"type": ["number", "string"]}
    for name in ("Payroll-Employee-Compensations-Base-Type", "Payroll-Employee-Compensations-Included"):
        for each in ("gross_pay", "net_pay", "check_amount"):
            if each in schemas[name]["properties"]:
                schemas[name]["properties"][each] = {"type": ["string", "null"]}
    included = schemas["Payroll-Employee-Compensations-Included"]["properties"]
    included["taxes"]["items"]["properties"]["amount"] = number_or_text
    for each in ("employee_deduction", "company_contribution"):
        included["benefits"]["items"]["properties"][each] = number_or_text
    included["deductions"]["items"]["properties"]["amount"] = number_or_text
    # Null for off-cycle payrolls since 2026-06-15 (gusto.md 1.2).
    meta = schemas["Payroll-Payroll-Status-Meta-Type"]["properties"]
    meta["initial_check_date"] = {"type": ["string", "null"]}
    meta["payroll_late"] = {"type": ["boolean", "null"]}
    for part in schemas["Payroll-Employee-Compensations-Type"]["allOf"]:
        if "deductions" in part.get("properties", {}):
            part["properties"]["deductions"]["items"]["properties"]["amount"] = number_or_text
    return dict(document)


@pytest.fixture(scope="module")
def gusto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    path = tmp_path_factory.mktemp("gusto")
    with running(path, employees=60, companies=1, history=3, today=date(2026, 9, 16), rate_limit=100_000) as sandbox:
        sandbox.control("settings", embedded=True)
        yield sandbox


@pytest.fixture(scope="module")
def token(gusto: Running) -> str:
    return gusto.company_token()


def problems(schema: dict[str, Any], document: Any, registry: Registry | None = None) -> list[str]:
    validator = Draft202012Validator(schema) if registry is None else Draft202012Validator(schema, registry=registry)
    return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(document)]


def fits_sdk(sdk: dict[str, Any], model: str, document: Any) -> None:
    """`model` is the name of an SDK model, in brackets for a list of it; a list must not be empty."""
    name = model.strip("[]")
    schema: dict[str, Any] = {"$ref": f"#/$defs/{name}"}
    if model.startswith("["):
        assert document, "nothing to compare"
        schema = {"type": "array", "items": schema}
    assert problems(schema | {"$defs": sdk}, document) == []


def fits_openapi(openapi: dict[str, Any], name: str, document: Any) -> None:
    registry: Registry = Registry().with_resource("urn:gusto", DRAFT202012.create_resource(openapi))
    schema: dict[str, Any] = {"$ref": f"urn:gusto#/components/schemas/{name.strip('[]')}"}
    if name.startswith("["):
        schema = {"type": "array", "items": schema}
    assert problems(schema, document, registry) == []


def plain(answer: requests.Response) -> Any:
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def test_the_comparison_finds_what_is_wrong(sdk, openapi):
    """Unknown field, missing field, wrong type: each must be found, or the tests here prove nothing."""
    event = reference("webhook-event-payroll.json")
    fits_sdk(sdk, "Event", event)
    fits_openapi(openapi, "Event", event)
    for wrong in ({**event, "payroll": 1}, {**event, "timestamp": "now"}, {"event_type": "payroll.updated"}):
        with pytest.raises(AssertionError):
            fits_sdk(sdk, "Event", wrong)
    with pytest.raises(AssertionError):
        fits_openapi(openapi, "Event", {**event, "resource_type": "Payroll"})


#: path below the company -> (SDK model, OpenAPI schema)
OF_COMPANY = {
    "": ("Company", "Company"),
    "/locations": ("[Location]", "Company-Locations-List"),
    "/departments": ("[Department]", "Department-List"),
    "/employees": ("[ShowEmployees]", "Show-Employees"),
    "/earning_types": ("EarningTypeList", "Earning-Type-List"),
    "/pay_periods": ("[PayPeriod]", "[Pay-Period]"),
    "/payrolls?include=totals,taxes,payroll_status_meta,risk_blockers,reversals": ("[Payroll]", "Payroll-List"),
    "/payrolls?processing_statuses=unprocessed&end_date=2026-12-01&include=totals": ("[Payroll]", "Payroll-List"),
    "/contractors": ("[Contractor]", "[Contractor]"),
    "/contractor_payments?start_date=2026-01-01&end_date=2026-09-16&group_by_date=true": (
        "ContractorPaymentSummaryByDates",
        "Contractor-Payment-Summary-By-Dates",
    ),
    # The SDK types contractor_uuid of the grouping by contractor as a number; its other model fits (gusto.md 9).
    "/contractor_payments?start_date=2026-01-01&end_date=2026-09-16": ("ContractorPaymentSummaryByDates", ""),
    "/company_benefits": ("[CompanyBenefit]", "[Company-Benefit]"),
    "/pay_schedules": ("[PayScheduleShow]", ""),
    "/custom_fields": ("", "Company-Custom-Field-List"),
}
#: path below an employee -> (SDK model, OpenAPI schema)
OF_EMPLOYEE = {
    "": ("Employee", "Employee"),
    "?include=all_compensations,custom_fields": ("Employee", "Employee"),
    "/terminations": ("[Termination]", "[Termination]"),
    "/rehire": ("Rehire", "Rehire"),
    "/employment_history": ("[EmploymentHistoryList]", "Employment-History-List"),
    "/work_addresses": ("[EmployeeWorkAddress]", "Employee-Work-Addresses-List"),
    "/custom_fields": ("", "Employee-Custom-Field-List"),
    "/employee_benefits": ("[EmployeeBenefit]", "[Employee-Benefit]"),
    "/jobs": ("[Job]", ""),
}


def compare(sdk, openapi, models: tuple[str, str], document: Any) -> None:
    if models[0]:
        # totals are null while unprocessed (gusto.md 4.1), which no schema says.
        rows = document if isinstance(document, list) else [document]
        cut = [{k: v for k, v in row.items() if (k, v) != ("totals", None)} for row in rows]
        fits_sdk(sdk, models[0], cut if isinstance(document, list) else cut[0])
        document = cut if isinstance(document, list) else cut[0]
    if models[1]:
        fits_openapi(openapi, models[1], document)


@pytest.mark.parametrize("path", OF_COMPANY)
def test_what_a_company_has(gusto, token, sdk, openapi, path):
    compare(sdk, openapi, OF_COMPANY[path], plain(gusto.get(f"/v1/companies/{gusto.company}{path}", token)))


@pytest.mark.parametrize("path", OF_EMPLOYEE)
def test_what_an_employee_has(gusto, token, sdk, openapi, path):
    people = gusto.get(f"/v1/companies/{gusto.company}/employees", token).json()
    rehired = next(row for row in people if row["terminations"] and not row["terminated"])
    compare(sdk, openapi, OF_EMPLOYEE[path], plain(gusto.get(f"/v1/employees/{rehired['uuid']}{path}", token)))


def test_garnishments_compensations_and_single_things(gusto, token, sdk, openapi):
    people = gusto.get(f"/v1/companies/{gusto.company}/employees", token).json()
    for person in people:
        if person["garnishments"]:
            rows = plain(gusto.get(f"/v1/employees/{person['uuid']}/garnishments", token))
            compare(sdk, openapi, ("[Garnishment]", "[Garnishment]"), rows)
    job = people[0]["jobs"][0]
    rows = plain(gusto.get(f"/v1/jobs/{job['uuid']}/compensations", token, include="all_compensations"))
    compare(sdk, openapi, ("[Compensation]", "[Compensation]"), rows)
    single = plain(gusto.get(f"/v1/compensations/{rows[0]['uuid']}", token))
    compare(sdk, openapi, ("Compensation", "Compensation"), single)
    compare(sdk, openapi, ("[SupportedBenefit]", "[Supported-Benefit]"), plain(gusto.get("/v1/benefits", token)))
    official = {row["benefit_type"]: row for row in reference("supported-benefit-list.json")}
    for row in plain(gusto.get("/v1/benefits", token)):
        same = official[row["benefit_type"]]
        assert {name: row[name] for name in row if name != "description"} == {
            name: same[name] for name in row if name != "description"
        }


@pytest.mark.parametrize("reason", ["", "Bonus", "Correction", "Dismissed employee", "Adhoc"])
def test_a_whole_payroll(gusto, token, sdk, openapi, reason):
    made = gusto.system.create_payroll(gusto.company, reason)["payroll_uuid"]
    gusto.system.process(made)
    path = f"/v1/companies/{gusto.company}/payrolls/{made}"
    for page in (1, 2, 3):
        answer = gusto.get(path, token, include=INCLUDE, page=page)
        payroll = exact(answer)
        fits_sdk(sdk, "PayrollShow", payroll)
        fits_openapi(openapi, "Payroll-Show", payroll)


def test_the_numbers_of_a_payroll_are_where_the_reference_has_them(gusto, token):
    """JSON numbers: payroll_taxes, the multiplier, and deductions that were not asked for. All else is text."""
    uuid = gusto.system.companies()[0]["payrolls"][0]["payroll_uuid"]
    path = f"/v1/companies/{gusto.company}/payrolls/{uuid}"

    def numbers(value: Any, at: str = "") -> set[str]:
        if isinstance(value, dict):
            return {found for name, each in value.items() for found in numbers(each, f"{at}.{name}")}
        if isinstance(value, list):
            return {found for each in value for found in numbers(each, at)}
        return {at} if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else set()

    asked = exact(gusto.get(path, token, include=INCLUDE, per=100))
    multiplier = ".employee_compensations.hourly_compensations.compensation_multiplier"
    assert numbers(asked) == {".payroll_taxes.amount", multiplier}
    assert numbers(exact(gusto.get(path, token, per=100))) == {multiplier, ".employee_compensations.deductions.amount"}


def test_the_derived_sample_has_the_same_fields(gusto, token):
    """Field by field against payroll-full-2026-06-15.derived.json; names of things and amounts are ours."""

    def shape(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: shape(each) for name, each in sorted(value.items())}
        if isinstance(value, list):
            return [shape(value[0])] if value else []
        return "value"

    sample = reference("payroll-full-2026-06-15.derived.json")
    uuid = gusto.system.companies()[0]["payrolls"][0]["payroll_uuid"]
    path = f"/v1/companies/{gusto.company}/payrolls/{uuid}"
    ours = exact(gusto.get(path, token, include=INCLUDE, per=100))
    head = {name for name in ours if name not in ("payroll_taxes", "final_termination_payroll")}
    assert head == set(sample)
    assert shape(ours["totals"]) == shape(sample["totals"])
    assert shape(ours["payroll_status_meta"]) == shape(sample["payroll_status_meta"])
    assert shape(ours["processing_request"]) == shape(sample["processing_request"])
    for name, of_sample in sample["employee_compensations"][0].items():
        for person in ours["employee_compensations"]:
            assert name in person
        if isinstance(of_sample, list):
            rows = [row for person in ours["employee_compensations"] for row in person[name]]
            samples = [row for person in sample["employee_compensations"] for row in person[name]]
            if samples:
                assert {frozenset(row) for row in rows} == {frozenset(row) for row in samples}
    assert set(ours["employee_compensations"][0]) == set(sample["employee_compensations"][0])


def test_tokens(gusto, sdk, openapi):
    pair = gusto.system.connect(gusto.company)
    refreshed = plain(gusto.post_token(grant_type="refresh_token", refresh_token=pair["refresh_token"]))
    fits_sdk(sdk, "RefreshTokenAuthentication", refreshed)
    of_system = plain(gusto.post_token(grant_type="system_access"))
    fits_sdk(sdk, "CreateTokenAuthentication", of_system)
    assert set(refreshed) == set(reference("token-response-refresh.json"))
    assert set(of_system) == set(reference("token-response-system.json"))
    for access_token in (refreshed["access_token"], of_system["access_token"]):
        info = plain(gusto.get("/v1/token_info", access_token))
        compare(sdk, openapi, ("TokenInfo", "Token-Info"), info)
    used_up = gusto.post_token(grant_type="refresh_token", refresh_token=pair["refresh_token"])
    sample = reference("error-oauth-invalid-grant.json")
    assert (used_up.status_code, used_up.json()["error"]) == (400, sample["error"])
    assert set(used_up.json()) == set(sample)


def test_errors_are_the_samples(gusto, token):
    assert gusto.get("/v1/employees/none", token).json() == reference("error-404-not-found.json")
    malformed = gusto.call("GET", "/v1/token_info", token, version="2023")
    assert malformed.json() == reference("error-406-version.json")
    scopes = gusto.system.state.application()["scopes"]
    gusto.control("application", scopes=[name for name in scopes if name != "company_benefits:read"])
    less = gusto.company_token()
    gusto.control("application", scopes=scopes)
    path = f"/v1/companies/{gusto.company}/company_benefits"
    assert gusto.get(path, less).json() == reference("error-403-missing-scope.json")
    gusto.control("settings", names_missing_scope=False)
    assert gusto.get(path, less).json() == reference("error-403-missing-scope-unnamed.json")
    gusto.control("settings", names_missing_scope=True)
    selected = reference("error-422-selected.json")
    system = gusto.system_token()
    late = {"end_date": "2027-09-01"}
    uuid = gusto.system.companies()[0]["payrolls"][0]["payroll_uuid"]
    report = f"/v1/payrolls/{uuid}/reports/general_ledger"
    for name, answer in {
        "starting_after_uuid_invalid": gusto.get("/v1/events", system, starting_after_uuid="none"),
        "resource_uuid_invalid": gusto.get("/v1/events", system, resource_uuid="none"),
        "pay_periods_invalid_end_date": gusto.get(f"/v1/companies/{gusto.company}/pay_periods", token, **late),
        "general_ledger_invalid_aggregation": gusto.call("POST", report, token, json={"aggregation": "city"}),
        "payroll_cannot_cancel": gusto.control(f"payrolls/{uuid}/cancel"),
        "frozen_payroll": gusto.control(f"payrolls/{uuid}/process"),
    }.items():
        assert (answer.status_code, answer.json()) == (422, selected[name]), name


def test_rate_limit_headers_are_the_sample(tmp_path):
    sample = reference("error-429-headers.json")
    with running(tmp_path, employees=1, companies=1, history=0, rate_limit=1) as gusto:
        token = gusto.company_token()
        gusto.get("/v1/token_info", token)
        refused = gusto.get("/v1/token_info", token)
    assert refused.status_code == sample["status"]
    for name, value in sample["headers"].items():
        assert len(refused.headers[name]) == len(value) or name in ("X-RateLimit-Limit", "Retry-After")
    assert set(reference("pagination-headers.json")) == {"X-Page", "X-Per-Page", "X-Total-Pages", "X-Total-Count"}


def test_signature_vectors():
    for vector in reference("webhook-signature-vectors.json")["vectors"]:
        assert sign(vector["verification_token"], vector["body"].encode()) == vector["x_gusto_signature"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def test_webhooks_and_events(gusto, sdk, openapi, receiver):
    system = gusto.system_token()
    body = {"url": receiver.url, "subscription_types": ["Payroll", "Company"]}
    pending = plain(gusto.call("POST", "/v1/webhook_subscriptions", system, json=body))
    assert set(pending) == set(reference("webhook-subscription-pending.json"))
    handshake = wait_until(receiver.bodies)[0]
    assert set(handshake) == set(reference("webhook-verification-post.json"))
    path = f"/v1/webhook_subscriptions/{pending['uuid']}"
    verified = plain(gusto.call("PUT", f"{path}/verify", system, json=handshake))
    compare(sdk, openapi, ("WebhookSubscription", "Webhook-Subscription"), verified)
    again = plain(gusto.get(f"{path}/request_verification_token", system))
    assert again == reference("webhook-verification-token-requested.json")
    gusto.system.create_payroll(gusto.company, "Adhoc")
    event = wait_until(receiver.events)[0]
    assert set(event) == set(reference("webhook-event-payroll.json"))
    feed = plain(gusto.get("/v1/events", system, limit=100))
    compare(sdk, openapi, ("[Event]", "Event-List"), feed)
    assert event in feed
    health = plain(gusto.get("/v1/webhooks/health_check", system))
    compare(sdk, openapi, ("WebhooksHealthCheckStatus", "Webhooks-Health-Check-Status"), health)


def test_the_ledger_report(gusto, token, sdk, openapi):
    uuid = gusto.system.companies()[0]["payrolls"][0]["payroll_uuid"]
    path = f"/v1/payrolls/{uuid}/reports/general_ledger"
    accepted = plain(gusto.call("POST", path, token, json=reference("general-ledger-request.json")))
    compare(sdk, openapi, ("GeneralLedgerReport", "General-Ledger-Report"), accepted)
    assert set(accepted) == set(reference("general-ledger-accepted.json"))
    poll = f"/v1/reports/{accepted['request_uuid']}"
    plain(gusto.get(poll, token))
    done = plain(gusto.get(poll, token))
    compare(sdk, openapi, ("Report", "Report"), done)
    report = requests.get(done["report_urls"][0], timeout=10).json()
    sample = reference("general-ledger-report.json")
    assert set(report) == set(sample)
    for ours, official in zip(report["data"], sample["data"], strict=True):
        assert ours["headers"] == official["headers"]
        assert ours["data_type"] == official["data_type"]
        assert [type(value) for value in ours["totals"]] == [type(value) for value in official["totals"]]
    seen = {row[0] for table in report["data"] for row in table["rows"]}
    assert {row[0] for table in sample["data"] for row in table["rows"]} <= seen
