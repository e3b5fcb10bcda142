"""What a connection to FSM asks for, and the sentences for what cannot be right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit.exchange import Misconfigured
from erp.infor.fsm.connector import FsmConnector
from erp.infor.fsm.fields import fields_of
from erp.infor.fsm.journal import description
from tenants.credentials import declaration, problems_of
from tests.erp.infor.fsm.conftest import DEFAULTS, Fsm, payroll

DOCS = Path(__file__).resolve().parents[4] / "docs" / "connect-infor-fsm.md"
FILE = json.dumps(
    {
        "ti": "ACME_TST", "cn": "ml-connector", "ci": "ACME_TST~x", "cs": "y", "iu": "https://mingle-ionapi.eu1.inforcloudsuite.com",
        "pu": "https://mingle-sso.eu1.inforcloudsuite.com:443/ACME_TST/as/", "ot": "token.oauth2", "saak": "ACME_TST#a", "sask": "b",
    }
)  # fmt: skip


def problems(**changed: str) -> dict[str, str]:
    values = {"ionapi": FILE, "enterprise_group": "1", **changed}
    return problems_of("infor_fsm", values, is_on_premises=False, sandbox_allowed=False)


def test_only_the_file_and_the_enterprise_group_have_to_be_known() -> None:
    assert problems() == {}
    assert problems(enterprise_group="") == {"enterprise_group": "Finance enterprise group is missing."}
    assert declaration("infor_fsm").label == "Infor FSM"
    assert {field.name for field in FsmConnector.credential_fields if field.is_secret} == {"ionapi"}


def test_every_example_and_default_fits_its_own_field() -> None:
    examples = {field.name: field.example for field in FsmConnector.credential_fields if field.example}
    assert {
        name: sentence for name, sentence in problems(**examples).items() if name not in {"ion_url", "token_url"}
    } == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("enterprise_group", 'a"b'),
        ("entities", "100;200"),
        ("validates_first", "true"),
        ("journalize_by", "day"),
        ("batch_rows", "0"),
        ("list_rows", "5"),
        ("result_seconds", "0"),
        ("description_length", "5"),
        ("dimension_names", "CostCenter=FinanceDimension11"),
        ("dimension_names", "CostCenter"),
        ("unit_required", "maybe"),
        ("back_periods", "1"),
        ("suite_path", "/FSM//soap"),
    ],
)
def test_a_value_of_another_form_is_said(name: str, value: str) -> None:
    assert list(problems(**{name: value})) == [name]


def test_fields_are_taken_apart() -> None:
    fields = fields_of(
        {
            **DEFAULTS, "enterprise_group": "1", "entities": " 100, 200", "unit_required": "no",
            "dimension_names": "Cost Center=AccountingUnit , Crew=FinanceDimension10",
        }
    )  # fmt: skip
    assert fields.entities == {"100", "200"}
    assert fields.dimension_names == {"Cost Center": "AccountingUnit", "Crew": "FinanceDimension10"}
    assert fields.unit_required is False
    assert not fields.validates_first
    assert fields.journalizes_by_entity


def test_one_dimension_has_one_name() -> None:
    with pytest.raises(Misconfigured, match="gives one dimension two names"):
        fields_of({**DEFAULTS, "enterprise_group": "1", "dimension_names": "A=AccountingUnit, B=AccountingUnit"})


def test_a_text_is_one_line_of_the_length_that_fsm_takes() -> None:
    journal = payroll(4)
    assert description(journal, "Wages\n July", 60) == "Wages July"
    assert description(journal, "", 7) == "Payroll"


def test_no_secret_of_the_file_is_in_a_sentence(fsm: Fsm) -> None:
    file = json.loads(fsm.system.ionapi())
    fsm.system.change_settings(app_enabled=False)
    (line,) = fsm.connector(is_warm=False).check()
    assert not line.is_passed
    for name in ("cs", "sask", "saak", "ci"):
        assert file[name] not in line.sentence


def test_every_field_is_explained() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for field in FsmConnector.credential_fields:
        assert field.label in text, field.label
