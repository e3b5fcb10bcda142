"""What has to be set up in Dynamics before a journal can be written: the format of account strings, the journal name.

Each question has a sentence for the person who repairs it, used by "Test connection" and by the reference data alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from audit.exchange import ExchangeError
from erp.d365.client import D365Client, Query
from erp.d365.journal import DELIMITERS, MAIN_ACCOUNT, LedgerFormat
from erp.odata import Row, literal

LEDGER_FORMAT_TYPE = "DataEntityLedgerDimensionFormat"
FORMAT_PAGE = (
    "General ledger > Chart of accounts > Dimensions > Financial dimension configuration for integrating applications"
)

JOURNAL_NAME_FIELDS = (
    "dataAreaId",
    "Name",
    "Description",
    "Type",
    "VoucherSeriesCode",
    "NewVoucher",
    "VoucherAllocationAtPosting",
    "IsApprovalActive",
    "IsWorkflowApprovalActive",
    "PostingLineLimit",
    "PrivateForUserGroup",
    "Currency",
    "IsFixedOffsetAccount",
    "OffsetAccountDisplayValue",
    "AllowOnlyPositiveDebitsAndCredits",
    "DetailLevel",
    "DeleteLinesAfterPosting",
)

FORMATS = Query(
    "DimensionIntegrationFormats",
    select=("DimensionFormatName", "DimensionFormatType", "IsActive", "FinancialDimensionFormat"),
)
PARAMETERS = Query("DimensionParameters", select=("DimensionSegmentDelimiter",))
ATTRIBUTES = Query("DimensionAttributes", select=("DimensionName", "UseValuesFrom"))


def journal_names(name: str) -> Query:
    """The journal name of the connection, in every company."""
    return Query("JournalNames", where=f"Name eq {literal(name)}", select=JOURNAL_NAME_FIELDS)


def checked_rows(answer: list[Row] | ExchangeError) -> list[Row]:
    """Raises the error that stands in place of rows."""
    if isinstance(answer, ExchangeError):
        raise answer
    return answer


def is_yes(value: object) -> bool:
    return value == "Yes"


def ledger_format(formats: Sequence[Row], parameters: Sequence[Row], attributes: Sequence[Row]) -> LedgerFormat | str:
    """The active format of ledger accounts with its delimiter, or the sentence that says what is missing."""
    active = [
        row for row in formats if row.get("DimensionFormatType") == LEDGER_FORMAT_TYPE and is_yes(row.get("IsActive"))
    ]
    if not active:
        return f"Dynamics has no active format for ledger accounts. Set one up under {FORMAT_PAGE}."
    if len(active) > 1:
        names = ", ".join(sorted(str(row.get("DimensionFormatName")) for row in active))
        return f"Dynamics shows several active formats for ledger accounts ({names}). Leave one active under {FORMAT_PAGE}."
    if len(parameters) != 1 or parameters[0].get("DimensionSegmentDelimiter") not in DELIMITERS:
        return (
            "Dynamics does not say which delimiter its account strings use. The Dynamics user of this connection needs "
            "the right to read the financial dimension parameters."
        )
    delimiter = DELIMITERS[str(parameters[0]["DimensionSegmentDelimiter"])]
    text = str(active[0].get("FinancialDimensionFormat") or "")
    known = {MAIN_ACCOUNT.casefold()} | {str(row.get("DimensionName")).casefold() for row in attributes}
    # The names are joined by the delimiter, or by a hyphen in every published example; the known names decide.
    for join in dict.fromkeys((delimiter, "-")):
        segments = tuple(text.split(join))
        if all(segment.casefold() in known for segment in segments):
            break
    else:
        return (
            f"The active format for ledger accounts, “{text}”, names something that is no financial dimension. "
            f"Look at it under {FORMAT_PAGE}."
        )
    if MAIN_ACCOUNT.casefold() not in {segment.casefold() for segment in segments}:
        segments = (MAIN_ACCOUNT, *segments)
    return LedgerFormat(segments, delimiter)


def read_ledger_format(client: D365Client) -> LedgerFormat | str:
    """One round trip. Raises what a read raises."""
    formats, parameters, attributes = map(checked_rows, client.read_many([FORMATS, PARAMETERS, ATTRIBUTES]))
    return ledger_format(formats, parameters, attributes)


def journal_name_problems(row: Row | None, name: str, company_code: str) -> list[str]:
    """Why this journal name cannot take our journals, as sentences; empty if it can."""
    where = f"Journal name {name} of company {company_code}"
    if row is None:
        return [
            f"Company {company_code} has no journal name {name}. Create it in Dynamics under General ledger > Journal "
            "setup > Journal names, or enter another one in the settings of the connection."
        ]
    problems = []
    if row.get("Type") != "Daily":
        problems.append(f"{where} has type {row.get('Type')}; a general journal needs type Daily.")
    if not row.get("VoucherSeriesCode"):
        problems.append(f"{where} has no voucher series, so Dynamics cannot number the vouchers. Enter one.")
    if row.get("PrivateForUserGroup"):
        problems.append(
            f"{where} is private for the user group {row['PrivateForUserGroup']}. Clear that field, or choose another name."
        )
    if is_yes(row.get("IsApprovalActive")):
        problems.append(
            f"{where} has manual approval switched on, which locks the journal's lines. Switch it off, or choose "
            "another name; the approval in this console comes before."
        )
    if is_yes(row.get("IsFixedOffsetAccount")) or row.get("OffsetAccountDisplayValue"):
        # Fixed, it goes on every line; as a default it may (not known), and every line would then balance by itself.
        problems.append(
            f"{where} has an offset account, which would count every line twice. Clear it, or choose another."
        )
    return problems


def journal_name_remarks(row: Row) -> list[str]:
    """What is worth knowing about a journal name that fits."""
    remarks = []
    if is_yes(row.get("IsWorkflowApprovalActive")):
        remarks.append("A workflow has to approve the journal before it can be posted.")
    if limit := int(row.get("PostingLineLimit") or 0):
        remarks.append(f"Journals of more than {limit} lines are split when they are posted.")
    if is_yes(row.get("DeleteLinesAfterPosting")):
        remarks.append("Lines are deleted after posting; the ledger is asked instead.")
    return remarks


def row_of_company(rows: Iterable[Row], company_code: str) -> Row | None:
    for row in rows:
        if str(row.get("dataAreaId") or "").casefold() == company_code.casefold():
            return row
    return None
