"""What a connection to Infor FSM asks for besides the .ionapi file, and its fields taken apart.

Only the finance enterprise group has to be known to connect. The others carry what is not confirmed for every tenant, each
with the value that public clients use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from audit.exchange import Misconfigured
from erp.infor.ion import ION_FIELDS
from tenants.credentials import CredentialField

#: Fields of a staged row that hold a dimension.
UNIT = "AccountingUnit"
DIMENSIONS = tuple(f"FinanceDimension{number}" for number in range(1, 11))
DIMENSION_FIELDS = (UNIT, *DIMENSIONS)

_YES_NO = "yes|no"
_CODE = r"[0-9A-Za-z][0-9A-Za-z ._-]{0,29}"
_NAMED = rf"[^\s=;,@][^=;,@]{{0,59}}=\s*(?:{UNIT}|FinanceDimension(?:[1-9]|10))"

CREDENTIAL_FIELDS: tuple[CredentialField, ...] = (
    *ION_FIELDS,
    CredentialField(
        "enterprise_group",
        "Finance enterprise group",
        hint="The key of the enterprise group in FSM that the accounting entities belong to.",
        pattern=_CODE,
        example="1",
    ),
    CredentialField(
        "entities",
        "Accounting entities to read",
        hint="Separated by commas. Empty: every entity of the group that the service account may see.",
        pattern=rf"{_CODE}(\s*,\s*{_CODE})*",
        example="100, 200",
        is_required=False,
    ),
    CredentialField(
        "journal_code",
        "Journal code",
        hint="The FSM journal code of payroll journals. Empty: none is sent.",
        pattern=_CODE,
        example="PR",
        is_required=False,
    ),
    CredentialField(
        "system_code",
        "System code",
        hint="What the rows say they come from.",
        pattern=_CODE,
        default="GL",
        example="GL",
    ),
    CredentialField(
        "event", "General ledger event", hint="JE: journal entry.", pattern=_CODE, default="JE", example="JE"
    ),
    CredentialField(
        "validates_first",
        "Validate before interfacing",
        hint="yes: an edit-only run comes first, which costs two requests more. Rows are taken all or none in any case.",
        pattern=_YES_NO,
        default="no",
        example="no",
    ),
    CredentialField(
        "journalize_by",
        "Journals are made by",
        hint="entity, or journal_code: how FSM groups the rows of one run into journals.",
        pattern="entity|journal_code",
        default="entity",
        example="entity",
    ),
    CredentialField(
        "bypasses_translation",
        "Take accounts as they are",
        hint="yes: account and accounting unit are those of FSM. no: FSM translates them from codes of another system.",
        pattern=_YES_NO,
        default="yes",
        example="yes",
    ),
    CredentialField(
        "batch_rows",
        "Rows per request",
        hint="How many rows are staged at once. No limit is published; 645 were seen to take 4 seconds.",
        pattern=r"[1-9]\d{0,3}",
        default="1000",
        example="1000",
    ),
    CredentialField(
        "list_rows",
        "Rows per page",
        hint="How many rows of a list are asked for at once. Lower it if large lists are not answered in time.",
        pattern=r"[1-9]\d{1,5}",
        default="100000",
        example="100000",
    ),
    CredentialField(
        "result_seconds",
        "Wait for a result",
        hint="Seconds to wait for the result of a run before it is asked for again a quarter of an hour later.",
        pattern=r"[1-9]\d?|1\d\d",
        default="30",
        example="30",
    ),
    CredentialField(
        "description_length",
        "Length of descriptions",
        hint="Longer texts are cut.",
        pattern=r"[1-9]\d{1,2}",
        default="60",
        example="60",
    ),
    CredentialField(
        "dimension_names",
        "Names of dimensions",
        hint="How they are called in the mapping table. Empty: as the tenant's own labels in FSM say.",
        pattern=rf"{_NAMED}(?:\s*,\s*{_NAMED})*",
        example="CostCenter=AccountingUnit, Department=FinanceDimension1",
        is_required=False,
    ),
    CredentialField(
        "unit_required",
        "Accounting unit required",
        hint="On every line. auto: as the enterprise group says.",
        pattern="auto|yes|no",
        default="auto",
        example="auto",
    ),
    CredentialField(
        "back_periods",
        "Entries before the current period",
        hint="no: periods before the current period of the accounting entity count as closed.",
        pattern=_YES_NO,
        default="no",
        example="no",
    ),
    CredentialField(
        "posted_condition",
        "Condition for posted",
        hint="Only where GLTransactionDetail shows lines before they are posted: an LPL condition that tells posted ones.",
        pattern=r'[A-Za-z][\w. ="<>-]{2,200}',
        example='Status = "2"',
        is_required=False,
    ),
    CredentialField(
        "suite_path",
        "Path of FSM",
        hint="What stands behind the tenant in the address of FSM's web services.",
        pattern=r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*",
        default="FSM/fsm/soap",
        example="FSM/fsm/soap",
    ),
)


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one connection that say how journals are written and read."""

    enterprise_group: str
    entities: frozenset[str]
    """Empty = all."""
    journal_code: str
    system_code: str
    event: str
    validates_first: bool
    journalizes_by_entity: bool
    bypasses_translation: bool
    batch_rows: int
    list_rows: int
    result_seconds: float
    description_length: int
    dimension_names: Mapping[str, str]
    """Name in the mapping table -> field of a row."""
    unit_required: bool | None
    """None = as the enterprise group says."""
    allows_back_periods: bool
    posted_condition: str
    suite_path: str


def fields_of(credentials: Mapping[str, str]) -> Fields:
    """Raises Misconfigured for names that cannot be right; forms were checked when the fields were saved."""
    names = _pairs(credentials.get("dimension_names", ""))
    if len(set(names.values())) != len(names):
        raise Misconfigured("“Names of dimensions” of the connection gives one dimension two names. Leave one of them.")
    required = credentials["unit_required"]
    return Fields(
        enterprise_group=credentials["enterprise_group"],
        entities=frozenset(filter(None, re.split(r"\s*,\s*", credentials.get("entities", "").strip()))),
        journal_code=credentials.get("journal_code", ""),
        system_code=credentials["system_code"],
        event=credentials["event"],
        validates_first=credentials["validates_first"] == "yes",
        journalizes_by_entity=credentials["journalize_by"] == "entity",
        bypasses_translation=credentials["bypasses_translation"] == "yes",
        batch_rows=int(credentials["batch_rows"]),
        list_rows=int(credentials["list_rows"]),
        result_seconds=float(credentials["result_seconds"]),
        description_length=int(credentials["description_length"]),
        dimension_names=names,
        unit_required=None if required == "auto" else required == "yes",
        allows_back_periods=credentials["back_periods"] == "yes",
        posted_condition=credentials.get("posted_condition", ""),
        suite_path=credentials["suite_path"].strip("/"),
    )


def _pairs(text: str) -> dict[str, str]:
    """`CostCenter=AccountingUnit, Department=FinanceDimension1` -> {"CostCenter": "AccountingUnit", ...}."""
    pairs = (part.partition("=") for part in text.split(",") if part.strip())
    return {name.strip(): field.strip() for name, _, field in pairs}
