"""What a connection to IFS Cloud asks for, and its fields taken apart.

Only the first six fields have to be known to connect; the others carry what the vendor's releases, set-ups and companies
do differently, each with the default of the published model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from audit.exchange import Misconfigured
from erp.ifs.names import CODE_PARTS, Names, changed_names
from tenants.credentials import CredentialField

#: `AC`, or `AC, 20=PAY`: a value for all companies, and others for single ones. Lengths are those of the model.
_PER_COMPANY = r"(?:[^\s=,;]{{1,20}}\s*=\s*)?[^\s=,;]{{1,{0}}}(?:\s*,\s*(?:[^\s=,;]{{1,20}}\s*=\s*)?[^\s=,;]{{1,{0}}})*"
_YES_NO = "yes|no"
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"

CREDENTIAL_FIELDS: tuple[CredentialField, ...] = (
    CredentialField(
        "address",
        "IFS Cloud address",
        hint="As the browser shows it, up to the host.",
        example="https://acme.ifs.cloud",
        is_address=True,
    ),
    CredentialField(
        "realm",
        "Realm",
        hint="Name of the realm of IFS IAM. It is in the address of the sign-in page behind /auth/realms/ and is often not "
        "the name of the host.",
        pattern=r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}",
        example="acmeprod",
    ),
    CredentialField(
        "client_id",
        "Client id",
        hint="Of an IAM client with service accounts switched on.",
        pattern=r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}",
        example="ML_CONNECTOR",
    ),
    CredentialField("client_secret", "Client secret", hint="The secret of the IAM client.", is_secret=True),
    CredentialField(
        "user_group",
        "User group",
        hint="The user group for which the service user enters vouchers. Single companies may have others: AC, 20=PAY.",
        pattern=_PER_COMPANY.format(30),
        example="AC",
    ),
    CredentialField(
        "voucher_type",
        "Voucher type",
        hint="The voucher type of payroll vouchers. Single companies may have others: G, 20=PR.",
        pattern=_PER_COMPANY.format(3),
        example="G",
    ),
    CredentialField(
        "iam_address",
        "Address of IFS IAM",
        hint="Only where IFS IAM has another host than IFS Cloud.",
        example="https://acme.ifs.cloud",
        is_required=False,
        is_address=True,
    ),
    CredentialField(
        "token_address",
        "Address for tokens",
        hint="Only where IFS IAM does not say it by itself (OpenID discovery).",
        example="https://acme.ifs.cloud/auth/realms/acmeprod/protocol/openid-connect/token",
        is_required=False,
        is_address=True,
    ),
    CredentialField(
        "scope",
        "Scope",
        hint="What the token is asked for. The word none leaves it out.",
        pattern=r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*",
        default="openid microprofile-jwt",
        example="openid microprofile-jwt",
    ),
    CredentialField(
        "path_prefix",
        "First part of the path",
        hint="main, int or b2b. The projections of vouchers answer under main.",
        pattern="main|int|b2b",
        default="main",
        example="main",
    ),
    CredentialField(
        "function_group",
        "Function group",
        hint="M, K or Q: the groups for vouchers that are entered by hand.",
        pattern="M|K|Q",
        default="M",
        example="M",
    ),
    CredentialField(
        "voucher_status",
        "Status of new vouchers",
        hint="Empty: what the voucher type and the rights of the user group give.",
        pattern="Approved|NotApproved|AwaitingApproval",
        example="AwaitingApproval",
        is_required=False,
    ),
    CredentialField(
        "rate_type",
        "Currency rate type",
        hint="Empty: the one that IFS proposes for the company.",
        pattern=r"\S(.{0,8}\S)?",
        example="1",
        is_required=False,
    ),
    CredentialField(
        "reference_series",
        "Reference series",
        hint="Stands on every voucher row beside our posting key. Never change it while vouchers are on their way.",
        pattern=r"[0-9A-Za-z][0-9A-Za-z _.-]{0,48}[0-9A-Za-z]",
        default="GUSTO",
        example="GUSTO",
    ),
    CredentialField(
        "code_parts",
        "Names of code parts",
        hint="How code parts are called in the mapping table. Empty: CostCenter, Project or Object where IFS says so, else "
        "the name that the company gave the code part.",
        pattern=rf"{_NAME}\s*=\s*[B-J](?:\s*,\s*{_NAME}\s*=\s*[B-J])*",
        example="CostCenter=B, Department=C",
        is_required=False,
    ),
    CredentialField(
        "companies",
        "Companies to read",
        hint="Separated by commas. Empty: every company that the service user may see.",
        pattern=r"[^\s,;']{1,20}(\s*,\s*[^\s,;']{1,20})*",
        example="10, 20",
        is_required=False,
    ),
    CredentialField(
        "ledger_source",
        "Search in the general ledger",
        hint="A query projection or quick report of yours that finds voucher rows of the ledger by company, reference series "
        "and reference number. Without it, a lost answer needs a person once the ledger update may have run.",
        pattern=rf"{_NAME}\.svc/{_NAME}(?:\([^()]*\))?",
        example="QuickReports.svc/QuickReport_700(Company='{company}',Series='{series}',Reference='{reference}')",
        is_required=False,
    ),
    CredentialField(
        "uses_batch",
        "Send vouchers in one changeset",
        hint="yes: rows and voucher in one request. no: one request for each row.",
        pattern=_YES_NO,
        default="yes",
        example="yes",
    ),
    CredentialField(
        "changeset_size",
        "Rows per changeset",
        hint="Vouchers with more rows take several requests. No limit is published.",
        pattern=r"[1-9]\d{0,3}",
        default="1000",
        example="1000",
    ),
    CredentialField(
        "page_size",
        "Rows per page",
        hint="How many rows are asked for at once.",
        pattern=r"[1-9]\d{1,3}",
        default="1000",
        example="1000",
    ),
    CredentialField(
        "validates_rows",
        "Frame rows by the validate action",
        hint="yes: as the web client of IFS does. Releases up to 22R2 do not need it.",
        pattern=_YES_NO,
        default="no",
        example="no",
    ),
    CredentialField(
        "accepts_warnings",
        "Accept warnings",
        hint="yes: vouchers are created although IFS warns.",
        pattern=_YES_NO,
        default="no",
        example="no",
    ),
    CredentialField(
        "opened_from",
        "Way of opening",
        hint="The value of OpennedFrom that opens an empty voucher.",
        pattern=r"[0-9A-Za-z_]{1,50}",
        default="NEW_VOUCHER",
        example="NEW_VOUCHER",
    ),
    CredentialField(
        "names",
        "Other names",
        hint="Where a release calls a projection, set, action or field otherwise: usual path, equals sign, name. Test "
        "connection says what differs.",
        pattern=rf"{_NAME}(?:\.{_NAME}){{0,2}}\s*=\s*{_NAME}(?:\s*,\s*{_NAME}(?:\.{_NAME}){{0,2}}\s*=\s*{_NAME})*",
        example="VoucherRowsAnalysis.VoucherRowSet=VoucherRows",
        is_required=False,
    ),
)


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one connection that say how vouchers are written. Sign-in is the client's own."""

    names: Names
    function_group: str
    voucher_status: str
    """Empty = as it comes."""
    rate_type: str
    reference_series: str
    opened_from: str
    ledger_source: str
    code_parts: Mapping[str, str]
    """Name in the mapping table -> letter."""
    companies: frozenset[str]
    """Empty = all."""
    uses_batch: bool
    validates_rows: bool
    accepts_warnings: bool
    changeset_size: int
    page_size: int
    user_groups: Mapping[str, str]
    voucher_types: Mapping[str, str]

    def user_group(self, company: str) -> str:
        """Raises Misconfigured."""
        return _of_company(self.user_groups, company, "user group")

    def voucher_type(self, company: str) -> str:
        """Raises Misconfigured."""
        return _of_company(self.voucher_types, company, "voucher type")


def fields_of(credentials: Mapping[str, str]) -> Fields:
    """Raises Misconfigured for names that cannot be right; forms were checked when the fields were saved."""
    code_parts = _pairs(credentials.get("code_parts", ""))
    letters = sorted(code_parts.values())
    if len(set(letters)) != len(letters) or not set(letters) <= set(CODE_PARTS):
        raise Misconfigured("“Names of code parts” of the connection gives one code part two names. Leave one of them.")
    companies = (code.strip() for code in credentials.get("companies", "").split(","))
    return Fields(
        names=Names(changed_names(credentials.get("names", ""))),
        function_group=credentials["function_group"],
        voucher_status=credentials.get("voucher_status", ""),
        rate_type=credentials.get("rate_type", ""),
        reference_series=credentials["reference_series"],
        opened_from=credentials["opened_from"],
        ledger_source=credentials.get("ledger_source", ""),
        code_parts=code_parts,
        companies=frozenset(code for code in companies if code),
        uses_batch=credentials["uses_batch"] == "yes",
        validates_rows=credentials["validates_rows"] == "yes",
        accepts_warnings=credentials["accepts_warnings"] == "yes",
        changeset_size=int(credentials["changeset_size"]),
        page_size=int(credentials["page_size"]),
        user_groups=_pairs(credentials["user_group"]),
        voucher_types=_pairs(credentials["voucher_type"]),
    )


def _pairs(text: str) -> dict[str, str]:
    """`AC, 20=PAY` -> {"": "AC", "20": "PAY"}."""
    found = {}
    for part in filter(None, re.split(r"\s*,\s*", text.strip())):
        name, equals, value = part.partition("=")
        found[name.strip() if equals else ""] = (value if equals else name).strip()
    return found


def _of_company(values: Mapping[str, str], company: str, what: str) -> str:
    found = values.get(company) or values.get("")
    if not found:
        raise Misconfigured(f"The connection names no {what} for company {company}. Add “{company}=…” to that field.")
    return found
