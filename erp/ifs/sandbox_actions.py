"""Actions and functions of the projections of the IFS Cloud sandbox."""

from __future__ import annotations

from typing import Any

from audit.sandbox import Answer
from erp.ifs.sandbox_assistant import Assistant, spelled
from erp.ifs.sandbox_books import VOUCHER_KEY
from erp.ifs.sandbox_call import Call, check_precondition, require_precondition
from erp.ifs.sandbox_errors import ODATA_HEADERS, bad_content, not_found, refused
from erp.ifs.sandbox_odata import answered, read_value
from erp.ifs.sandbox_schema import Action, EntityType, Row

#: Action on a voucher in the hold table -> its new status.
STATUS_EVENTS = {
    "VoucherEntry_ReadyToUpdate": "Approved",
    "VoucherEntry_ReadyApprove": "AwaitingApproval",
    "VoucherEntry_DelayUpdate": "NotApproved",
}


def call_action(call: Call, action: Action, entity: EntityType | None = None, row: Row | None = None) -> Answer:
    """POST to an action; bound ones come with the record. Raises `Refused`."""
    if call.operation.method != "POST":
        raise refused("ODP_NOT_ALLOWED")
    if action.name in call.settings.denied_actions.split():
        raise refused("DB_INSUFFICIENT_PRIVILEGES")
    body = call.body()
    if set(body) != set(action.parameters):
        raise bad_content("UNKNOWN_CONTENT", f"The parameters of {action.name} are: {', '.join(action.parameters)}")
    for name, kind in action.parameters.items():
        read_value(body[name], name, kind)
    if entity is None or row is None:
        # ValidateVoucherPosting: checks nothing (22R2), and none of the types here balances by itself.
        return Answer(204, None, dict(ODATA_HEADERS))
    (require_precondition if action.needs_precondition else check_precondition)(call, entity, row)
    if action.name == "VoucherEntry_CreateVoucher":
        number = call.assistant.create_voucher(row)
        return answered(200, {"@odata.context": f"{call.service}/$metadata#Edm.Decimal", "value": number})
    if action.name == "VoucherEntry_RemoveTempVoucher":
        call.assistant.remove(row)
    else:
        change_status(call.assistant, row, STATUS_EVENTS[action.name])
    return Answer(204, None, dict(ODATA_HEADERS))


def change_status(assistant: Assistant, row: Row, status: str) -> None:
    """A voucher in the hold table is approved, sent to be approved, or put aside."""
    held = assistant.books.find(*(row[name] for name in VOUCHER_KEY), is_held=True)
    if held is None:
        raise not_found()
    debit, credit = assistant.books.totals(held)
    if status == "Approved":
        if debit != credit:
            raise assistant.errors.refuse("Voucher.VOUCHERMUSTBEBALANCE", voucher=held["VoucherNo"])
        if held["SeparateUserApproval"] == "TRUE" and held["Userid"] == assistant.reference.user()["userid"]:
            raise assistant.errors.refuse("Voucher.SEPUSERAPP")
        if held["AuthorizeLevel"] == "EnterOnly":
            raise assistant.errors.refuse("Voucher.STATUSINVALID", status=status, type=held["VoucherType"])
    if status == "AwaitingApproval" and debit != credit:
        raise assistant.errors.refuse("Voucher.AWAITINGAPPROVALMUSTBEBALANCE")
    is_approved = status == "Approved"
    assistant.books.change(
        held,
        VoucherStatus=status,
        ApprovalDate=assistant.today.isoformat() if is_approved else None,
        ApprovedByUserid=assistant.reference.user()["userid"] if is_approved else None,
    )


def call_function(assistant: Assistant, name: str, arguments: dict[str, Any]) -> Any:
    """The functions of the assistant that tell what a header will get."""
    company = arguments["Company"]
    if company not in assistant.reference.companies_allowed():
        raise assistant.errors.refuse("FND_RECORD_NOT_EXIST", lu="Company")
    if name == "AccYearPeriodInfo":
        place = assistant.year_and_period(company, arguments["VoucherDate"], arguments["UserGroup"])
        return {
            "AccountingYear": place["AccountingYear"],
            "AccountingPeriod": place["AccountingPeriod"],
            "AccPeriodDescription": place["AccountingPeriodDescription"],
        }
    voucher_type = assistant.reference.voucher_type(company, arguments["VoucherType"])
    if voucher_type is None:
        raise assistant.errors.refuse("FND_RECORD_NOT_EXIST", lu="VoucherType")
    if name == "AutomaticVoucherBalance":
        return voucher_type["AutomaticVouBalance"]
    year, letter, group = int(arguments["AccountingYear"]), arguments["VoucherType"], arguments["UserGroup"]
    function_group = voucher_type["VoucherGroup"]
    connected = assistant.reference.type_of_group(company, year, group, letter, function_group)
    return {
        "AuthorizeLevel": connected["AuthorizeLevel"] if connected else None,
        "Automatic": spelled(voucher_type["AutomaticAllotDb"]),
        "FunctionGroup": function_group,
        "SimulationVoucher": spelled(voucher_type["SimulationVoucher"]),
        "UseApporvalWorkflow": spelled(voucher_type["UseApprovalWorkflow"]),
        "SeparateUserApproval": spelled(voucher_type["SeparateUserApproval"]),
    }
