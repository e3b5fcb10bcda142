"""What a connection to Infor M3 asks for, and its fields taken apart.

Company and interface have to be known; everything else that the vendor leaves to a customer's set-up, or that no public
page says, has a default that can be changed (see the docs page for each).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from audit.exchange import Misconfigured
from erp.infor.ion import ION_FIELDS
from tenants.credentials import CredentialField

STAGE_ONLY, UPDATE = "stage_only", "update"

#: Ways to write which side an amount is on.
AUTO, SIGN, SIGN_AND_CODE, CODE = "auto", "sign", "sign_and_code", "code"

#: The word that leaves a field out which otherwise has a default.
NONE = "none"

_YES_NO = "yes|no"
_NAME = r"[^\s=,;@][^=,;@]{0,58}"

CREDENTIAL_FIELDS: tuple[CredentialField, ...] = (
    *ION_FIELDS,
    CredentialField(
        "company",
        "Company",
        hint="M3's number of the company (CONO). Its divisions are the company codes.",
        pattern=r"[1-9]\d{0,2}",
        example="100",
    ),
    CredentialField(
        "interface",
        "Interface",
        hint="Name of the interface template in GLS850 (INTN) that takes payroll journals: usage type 2, field based.",
        pattern=r"[0-9A-Za-z_.-]{1,15}",
        example="PAYROLL",
    ),
    CredentialField(
        "record_identity",
        "Record identity",
        hint="Input record identity (INRI) that the interface template gives to journal lines.",
        pattern=r"[0-9A-Za-z]{1,2}",
        default="I1",
        example="I1",
    ),
    CredentialField(
        "submit_mode",
        "What is done with a batch",
        hint="update: the batch is staged and handed to the ledger (GLS840, option 9). stage_only: it is staged, and a person "
        "updates it in GLS840.",
        pattern=f"{STAGE_ONLY}|{UPDATE}",
        default=UPDATE,
        example=UPDATE,
    ),
    CredentialField(
        "checks_batch",
        "Check a batch before it is updated",
        hint="yes: M3 checks the staged batch first (GLS840, option 6), and nothing is updated unless it passes.",
        pattern=_YES_NO,
        default="yes",
        example="yes",
    ),
    CredentialField(
        "bulk_size",
        "Lines per request",
        hint="How many transactions one request carries. The gateway gives up after 60 seconds; 50 to 100 are in use.",
        pattern=r"[1-9]\d{0,2}",
        default="50",
        example="50",
    ),
    CredentialField(
        "group_number",
        "Group number",
        hint="GRNR of all lines: one group is one voucher. The word none leaves it out.",
        pattern=r"[0-9A-Za-z]{1,10}",
        default="1",
        example="1",
    ),
    CredentialField(
        "transaction_origin",
        "External or internal transaction",
        hint="EICD of all lines. The word none leaves it out.",
        pattern=rf"\d|{NONE}",
        default="0",
        example="0",
    ),
    CredentialField(
        "information_number",
        "GL information number",
        hint="Number of the additional information (EXN1) that carries our posting key into the ledger. Never change it while "
        "journals are on their way.",
        pattern=r"[1-9]\d{0,2}",
        default="1",
        example="1",
    ),
    CredentialField(
        "amounts",
        "How a side is written",
        hint="auto: a sign, and a debit/credit code too where CRS750 says that codes are used. sign, sign_and_code or code (an "
        "amount without a sign): always that way.",
        pattern=f"{AUTO}|{SIGN}|{SIGN_AND_CODE}|{CODE}",
        default=AUTO,
        example=AUTO,
    ),
    CredentialField(
        "rate_type",
        "Exchange rate type",
        hint="CRTP of all lines. Empty: left to M3.",
        pattern=r"\d{1,2}",
        example="1",
        is_required=False,
    ),
    CredentialField(
        "dimensions",
        "Names of dimensions",
        hint="How accounting dimensions 2 to 7 are called in the mapping table. Empty: as M3 calls them in this company.",
        pattern=rf"{_NAME}=\s*AIT[2-7](?:\s*,\s*{_NAME}=\s*AIT[2-7])*",
        example="CostCenter=AIT2, Project=AIT3",
        is_required=False,
    ),
    CredentialField(
        "mandatory_codes",
        "Codes of mandatory dimensions",
        hint="Values of the account rule (ACR) in CRS630 under which an account demands a dimension.",
        pattern=r"\d(\s*,\s*\d)*",
        default="1",
        example="1",
    ),
    CredentialField(
        "blocked_codes",
        "Codes of dimensions that are not allowed",
        hint="Values of the account rule (ACR) in CRS630 under which an account takes no value. Empty: none.",
        pattern=r"\d(\s*,\s*\d)*",
        example="9",
        is_required=False,
    ),
    CredentialField(
        "closed_until",
        "Closed until",
        hint="Last day that is closed for the interface's FAM function in GLS990, which cannot be read from outside. Empty: M3 "
        "says it when a journal is refused.",
        pattern=r"\d{4}-\d{2}-\d{2}",
        example="2026-06-30",
        is_required=False,
        check=lambda value, *, is_on_premises, sandbox_allowed: day_problem(value),
    ),
    CredentialField(
        "divisions",
        "Divisions to read",
        hint="Separated by commas. Empty: every division of the company.",
        pattern=r"[0-9A-Za-z]{1,3}(\s*,\s*[0-9A-Za-z]{1,3})*",
        example="USA, CAN",
        is_required=False,
    ),
    CredentialField(
        "export_division",
        "Division of EXPORTMI",
        hint="blank: tables are read with a blank division and a filter. own: the service user has a division of its own, and M3 "
        "shows the rows of no other.",
        pattern="blank|own",
        default="blank",
        example="blank",
    ),
    CredentialField(
        "page_size",
        "Records per list",
        hint="How many records a list is asked for at once. A list that M3 cuts is read on from its last key.",
        pattern=r"[1-9]\d{2,4}",
        default="1000",
        example="1000",
    ),
    CredentialField(
        "posting_hours",
        "Hours until the ledger shows a batch",
        hint="After so many hours a person is asked to look at a batch that was updated and is not in the ledger.",
        pattern=r"[1-9]\d{0,2}",
        default="4",
        example="4",
    ),
    CredentialField(
        "columns",
        "Columns of tables",
        hint="Only where “Test connection” finds none: table, field, equals sign, column.",
        pattern=r"[A-Z0-9]{6}\.[A-Z0-9]{4}\s*=\s*[A-Z0-9]{6}(\s*,\s*[A-Z0-9]{6}\.[A-Z0-9]{4}\s*=\s*[A-Z0-9]{6})*",
        example="FGLINF.LINE=FFLINE",
        is_required=False,
    ),
)


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one connection that say how batches are written and read. Sign-in is the ION client's own."""

    company: str
    interface: str
    record_identity: str
    updates: bool
    """False: a batch is staged and left to a person."""
    checks_batch: bool
    bulk_size: int
    group_number: str
    """Empty = left out."""
    transaction_origin: str
    """Empty = left out."""
    information_number: str
    amounts: str
    rate_type: str
    """Empty = left out."""
    dimensions: Mapping[str, str]
    """Name in the mapping table -> AIT2 to AIT7; empty = as M3 names them."""
    mandatory_codes: frozenset[str]
    blocked_codes: frozenset[str]
    closed_until: date | None
    divisions: frozenset[str]
    """Empty = all."""
    filters_division: bool
    """Whether tables are read with a blank division and a filter."""
    page_size: int
    posting_hours: int
    columns: Mapping[str, str]
    """`FGLINF.LINE` -> column."""


def fields_of(credentials: Mapping[str, str]) -> Fields:
    """Raises Misconfigured for names that cannot be right; forms were checked when the fields were saved."""
    dimensions = _pairs(credentials.get("dimensions", ""))
    if len(set(dimensions.values())) != len(dimensions):
        raise Misconfigured("“Names of dimensions” of the connection gives one dimension two names. Leave one of them.")
    closed_until = credentials.get("closed_until", "")
    return Fields(
        company=credentials["company"],
        interface=credentials["interface"],
        record_identity=credentials["record_identity"],
        updates=credentials["submit_mode"] == UPDATE,
        checks_batch=credentials["checks_batch"] == "yes",
        bulk_size=int(credentials["bulk_size"]),
        group_number=_unless_none(credentials["group_number"]),
        transaction_origin=_unless_none(credentials["transaction_origin"]),
        information_number=credentials["information_number"],
        amounts=credentials["amounts"],
        rate_type=credentials.get("rate_type", ""),
        dimensions=dimensions,
        mandatory_codes=_listed(credentials["mandatory_codes"]),
        blocked_codes=_listed(credentials.get("blocked_codes", "")),
        closed_until=date.fromisoformat(closed_until) if closed_until else None,
        divisions=_listed(credentials.get("divisions", "")),
        filters_division=credentials["export_division"] == "blank",
        page_size=int(credentials["page_size"]),
        posting_hours=int(credentials["posting_hours"]),
        columns=_pairs(credentials.get("columns", "")),
    )


def day_problem(value: str) -> str:
    """What is wrong with a day that somebody typed, as a sentence."""
    try:
        date.fromisoformat(value)
    except ValueError:
        return f"“{value}” is not a day. It looks like 2026-06-30."
    return ""


def _unless_none(value: str) -> str:
    return "" if value == NONE else value


def _listed(text: str) -> frozenset[str]:
    return frozenset(part for part in re.split(r"\s*,\s*", text.strip()) if part)


def _pairs(text: str) -> dict[str, str]:
    """`CostCenter=AIT2, Project=AIT3` -> {"CostCenter": "AIT2", ...}."""
    pairs = (part.partition("=") for part in re.split(r"\s*,\s*", text.strip()) if part)
    return {name.strip(): value.strip() for name, _, value in pairs}
