"""The API as it describes itself (OpenAPI 3.1): whole, and kept to by a running server whatever it is sent."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import schemathesis
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tenants.middleware import digest_of
from tenants.models import ApiToken, Membership
from tests.connector_site.books import books

SCHEMA = "/api/v1/schema/"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def schema(db) -> dict:
    answer = Client().get(SCHEMA)
    assert answer.status_code == 200
    return json.loads(answer.content)


def test_it_is_openapi_and_names_every_address(schema):
    assert schema["openapi"].startswith("3.1")
    paths = {path.removeprefix("/api/v1/").split("/")[0] for path in schema["paths"]}
    assert paths == {
        "payroll-runs", "postings", "mapping-tables", "mapping-rules", "crosswalks", "mapping-imports", "main-accounts",
        "dimension-values", "fiscal-periods", "audit-entries",
    }  # fmt: skip


def test_every_operation_has_words_a_token_and_problems(schema):
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation.get("description"), where
            assert any("token" in names for names in operation["security"]), where
            assert "application/problem+json" in operation["responses"]["403"]["content"], where


def test_payroll_runs_and_journals_have_examples(schema):
    for name in ("PayrollRun", "Posting", "PostingWithLines", "AuditEntry"):
        assert schema["components"]["schemas"][name].get("examples") or any(
            "examples" in content
            for methods in schema["paths"].values()
            for operation in methods.values()
            for answer in operation["responses"].values()
            for content in answer.get("content", {}).values()
            if name in json.dumps(content.get("schema", {}))
        ), name


@pytest.mark.django_db(transaction=True)
def test_a_running_server_keeps_to_it_whatever_it_is_sent(tenant, erin, live_server):
    """Requests are made from the description, right ones and wrong ones: no answer may be a server's fault or have a form
    that the description does not name.
    """
    acme = books(tenant, "Harbor")
    member = Membership.objects.get(user=erin)
    member.roles = ["owner", "preparer", "approver"]
    member.save()
    ApiToken.objects.create(membership=member, name="test", digest=digest_of("a-token-of-a-test"))
    headers = {"Authorization": "Bearer a-token-of-a-test"}
    statuses: Counter[int] = Counter()
    described = schemathesis.openapi.from_url(f"{live_server.url}{SCHEMA}")
    for operation in (found.ok() for found in described.get_all_operations()):
        right = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
        wrong = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

        @settings(
            max_examples=8, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=right | wrong)
        def play(case):
            for name in ("id", "pk", "number"):
                if name in (case.path_parameters or {}) and len(case.query or {}) % 2:
                    # Numbers drawn at random hit nothing; half of the requests go to what is there.
                    case.path_parameters[name] = acme.posting.pk
            answer = case.call(base_url=live_server.url, headers=headers)
            statuses[answer.status_code] += 1
            case.validate_response(answer, checks=CHECKS)

        play()
    assert {200, 400, 404} <= set(statuses), statuses
