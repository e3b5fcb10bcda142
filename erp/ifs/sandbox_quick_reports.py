"""A quick report over the general ledger, as a customer may have written one; served where ledger_source says so.

Address and parameters as seen in the field: `QuickReports.svc/QuickReport_{id}(NAME='value')`, parameters of its own
choice, columns named C1_... in their order. Number, parameters and columns are invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from audit.sandbox import Answer
from erp.ifs.sandbox_assistant import Assistant
from erp.ifs.sandbox_errors import column, not_found
from erp.ifs.sandbox_odata import answered, options_of, parse_arguments, segments_of, shown_value, whole_number
from erp.ifs.sandbox_schema import Row

QUICK_REPORTS = "QuickReports"
SAFE = "(),='"
REPORT_ID = "410017"
PARAMETERS = {"COMPANY": "String", "REFERENCE_SERIE": "String", "REFERENCE_NUMBER": "String"}
COLUMNS = (
    "Company", "VoucherType", "AccountingYear", "VoucherNo", "RowNo", "Account", "DebetAmount", "CreditAmount",
    "ReferenceSerie", "ReferenceNumber", "VoucherDate",
)  # fmt: skip
NUMBERS = frozenset({"AccountingYear", "VoucherNo", "RowNo", "DebetAmount", "CreditAmount"})


def answer_quick_report(path: str, raw_query: str, assistant: Assistant, service: str) -> Answer:
    """GetParameters and the report itself. Raises `Refused`."""
    segments = segments_of(path)
    if len(segments) != 1:
        raise not_found()
    name, inside = segments[0].name, segments[0].inside or ""
    if name == "GetParameters":
        given = parse_arguments(inside, {"ReportId": "String"}, QUICK_REPORTS)
        if given["ReportId"] != REPORT_ID:
            raise not_found()
        rows = [{"ParameterName": each, "DataType": "STRING"} for each in PARAMETERS]
        return answered(200, {"@odata.context": f"{service}/$metadata#GetParameters", "value": rows})
    if name != f"QuickReport_{REPORT_ID}":
        raise not_found()
    arguments = parse_arguments(inside, PARAMETERS, QUICK_REPORTS)
    options = options_of(raw_query)
    start = whole_number("$skip", options.get("$skiptoken") or options.get("$skip", "0"))
    size = min(whole_number("$top", options.get("$top", "1000")), assistant.settings.page_size)
    found = ledger_rows(arguments, assistant)
    page = found[start : start + size]
    document: dict[str, Any] = {"@odata.context": f"{service}/$metadata#{name}", "value": page}
    if start + size < len(found) and size:
        document["@odata.nextLink"] = f"{service}/{quote(path, safe=SAFE)}?$top={size}&$skiptoken={start + size}"
    return answered(200, document)


def ledger_rows(arguments: Mapping[str, Any], assistant: Assistant) -> list[Row]:
    """Rows of updated vouchers of one reference, in companies that the service user may see."""
    company = arguments["COMPANY"]
    if company not in assistant.reference.companies_allowed():
        return []
    required = {"Company": company, "ReferenceNumber": arguments["REFERENCE_NUMBER"]}
    rows = [
        row
        for row in assistant.books.all_rows(required, is_held=False)
        if row["ReferenceNumber"] == arguments["REFERENCE_NUMBER"]
        and row["ReferenceSerie"] == arguments["REFERENCE_SERIE"]
    ]
    return [
        {
            f"C{place}_{column(field)}": shown_value(row[field], "Decimal" if field in NUMBERS else "String")
            for place, field in enumerate(COLUMNS, start=1)
        }
        for row in rows
    ]
