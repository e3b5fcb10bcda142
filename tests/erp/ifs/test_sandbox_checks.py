"""What CreateVoucher of the IFS Cloud sandbox refuses: nothing earlier, one error at a time, and nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.erp.ifs.cloud import PAY_DAY, Cloud, begun_anew, constant_of, database_error, running

CENTS = Decimal("10.00")


@pytest.fixture(scope="module")
def served() -> Iterator[Cloud]:
    with running() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def still() -> Iterator[Cloud]:
    """For tests that change no set-up and no settings."""
    with running() as cloud:
        yield cloud


@pytest.fixture
def ifs(served: Cloud) -> Cloud:
    return begun_anew(served)


# Rows


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        # Accounts
        ({"account": "9999"}, "ORA-20105: AccountingCodestr.CODEMISSING: Account 9999 is missing or has invalid time interval"),
        ({"account": "6095"}, "ORA-20105: AccountingCodestr.CODEMISSING: Account 6095"),
        ({"account": "6096"}, "ORA-20105: AccountingCodestr.CODEMISSING: Account 6096"),
        ({"account": "1010"}, "ORA-20110: VoucherRow.VOUISLEDGER: Account 1010"),
        ({"account": "6999"}, "ORA-20110: VoucherRow.BUDACCONLY: Account 6999"),
        ({"Account": ...}, "ORA-20124: Field [ACCOUNT] is mandatory for Voucher Row and requires a value."),
        # Code parts
        ({"account": "6000", "CodeB": "999"}, "ORA-20105: AccountingCodestr.CODEMISSING: CostCenter 999 is missing"),
        ({"account": "6000", "CodeB": "101"}, "ORA-20105: AccountingCodestr.CODEMISSING: CostCenter 101"),
        ({"account": "6000", "CodeB": "102"}, "ORA-20105: AccountingCodestr.CODEMISSING: CostCenter 102"),
        ({"account": "6000", "CodeB": "103"}, "ORA-20105: AccountingCodestr.CODEMISSINGBUD: CostCenter 103"),
        ({"account": "6000", "CodeC": "100"}, "ORA-20105: AccountingCodestr.CODEMISSING: Department 100"),
        ({"account": "2110", "CodeB": "100"}, "ORA-20105: AccountingCodestr.WRONGREQBLOCKED: CostCenter is blocked"),
        ({"account": "5000"}, "ORA-20105: AccountingCodestr.WRONGREQMANDATORY: CostCenter is mandatory for account 5000"),
        ({"account": "6001"}, "ORA-20105: AccountingCodestr.WRONGREQMANDATORY: Department is mandatory"),
        ({"account": "6500"}, "ORA-20105: AccountingCodestr.WRONGREQMANDATORY: Project is mandatory"),
        ({"account": "6000", "CodeG": "1"}, "ORA-20105: AccountingCodestr.WRONGREQ: G is not used in company US10"),
        # Other demands of the account
        ({"account": "6300", "Text": ...}, "ORA-20105: AccountingCodestr.WRONGTEXTREQ"),
        ({"account": "6300", "Text": ""}, "ORA-20105: AccountingCodestr.WRONGTEXTREQ"),
        ({"account": "6400"}, "ORA-20105: AccountingCodestr.WRONGREQ1: Account 6400 demands a quantity"),
        ({"account": "6310"}, "ORA-20124: Field [OPTIONAL_CODE] is mandatory for Voucher Row"),
        ({"account": "6310", "OptionalCode": "V1"}, "ORA-20110: VoucherRow.NOTAXDIRECTION: Tax code V1"),
        # Amounts: the good row is 10.00 to the debit
        ({"credit": Decimal("9.99")}, "ORA-20110: Voucher.VOUNOTBALANCED: The Voucher 0 is Not Balanced"),
        ({"credit": Decimal("10.01")}, "ORA-20110: Voucher.VOUNOTBALANCED"),
        ({"debit": CENTS}, "ORA-20110: VoucherRow.VOUROWDEBDITAMTERR"),
        ({"debit": 0}, "ORA-20110: VoucherRow.VOUROWDEBDITAMTERR"),
        ({"credit": 0}, "ORA-20110: VoucherRow.NOAMOUNT"),
        ({"credit": None}, "ORA-20110: VoucherRow.NOAMOUNT"),
        ({"CreditAmount": ...}, "ORA-20110: VoucherRow.INCORRECTAMOUNTS"),
        ({"CurrencyCreditAmount": ...}, "ORA-20110: VoucherRow.INCORRECTAMOUNTS"),
        ({"CurrencyCreditAmount": 9}, "ORA-20110: VoucherRow.INCORRECTAMOUNTS"),
        ({"credit": Decimal("-10.00")}, "ORA-20110: VoucherRow.INCORRECTAMOUNTS"),
        ({"credit": Decimal("10.001")}, "ORA-20110: VoucherRow.INCORRECTAMOUNTS"),
        # Currency
        ({"CurrencyCode": ...}, "ORA-20110: VoucherRow.CURCODENULL"),
        ({"CurrencyType": ...}, "ORA-20124: Field [CURRENCY_TYPE] is mandatory for Voucher Row and requires a value."),
        ({"CurrencyRate": ...}, "ORA-20124: Field [CURRENCY_RATE] is mandatory"),
        ({"ConversionFactor": ...}, "ORA-20124: Field [CONVERSION_FACTOR] is mandatory"),
        ({"CurrencyCode": "EUR"}, "ORA-20105: CurrencyCode.NOCURR: Currency code EUR"),
        ({"CurrencyCode": "CHF"}, "ORA-20105: CurrencyRate.NOVALID: No valid rate for currency CHF and rate type 1"),
        ({"CurrencyType": "7"}, "ORA-20105: CurrencyRate.NOVALID"),
        ({"CurrencyRate": Decimal("1.1")}, "ORA-20110: VoucherRow.BASECURRSAME"),
        ({"CurrencyCode": "CAD", "CurrencyRate": 0}, "ORA-20110: VoucherRow.NEGATIVECURRRATE"),
        ({"CurrencyCode": "CAD", "CurrencyRate": Decimal("0.74")}, "ORA-20110: VoucherRow.INCORRECTAMOUNTS"),
        # Company
        ({"Company": "US20"}, "ORA-20110: Voucher.ACCRULDOUBLEENTRY1: Row 2: company US20"),
        ({"Company": ...}, "ORA-20124: Field [COMPANY] is mandatory for Voucher Row"),
    ],
)  # fmt: skip
def test_a_row_that_is_refused(still, fields, message):
    assert still.refusal(None, **fields).startswith(message)


@pytest.mark.parametrize(
    "fields",
    [
        {"account": "6000", "CodeB": "100", "CodeC": "D-12", "CodeD": "P1", "CodeE": "001"},
        {"account": "5000", "CodeB": "O'Neil"},
        {"account": "1350", "CodeF": "US20"},
        {"account": "6300", "Text": "Taxi"},
        {"account": "6400", "Quantity": 1},
        {"account": "6310", "OptionalCode": "V1", "TaxDirection": "NoTax", "TaxAmount": 0},
        {"Text": ...},
        {"ReferenceSerie": ..., "ReferenceNumber": ...},
        {"CurrencyCode": "CAD", "CurrencyRate": Decimal("0.74"), "CurrencyCreditAmount": Decimal("13.51")},
        {"CurrencyCode": "JPY", "CurrencyRate": Decimal("0.68"), "ConversionFactor": 100, "CurrencyCreditAmount": 1471},
    ],
)
def test_a_row_that_is_taken(still, fields):
    objkey = still.header()["Objkey"]
    still.add_row(objkey, "6000", CENTS)
    still.add_row(objkey, **{"account": "2110", "credit": CENTS, **fields})
    answer = still.create(objkey)
    assert answer.status_code == 200, answer.text


def test_the_first_error_only(still):
    header = still.header()
    message = still.refusal(
        header,
        {"account": "6000", "debit": 5, "CodeB": "999"},
        {"account": "9999", "debit": 5},
        {"account": "1010", "credit": 11},
    )
    assert "CostCenter 999" in message
    rows = f"VoucherEntryAssistantHandling/VoucherSet(Objkey='{header['Objkey']}')/VoucherPostingArray"
    for row, fields, expected in ((0, {"CodeB": "100"}, "Account 9999"), (1, {"Account": "6000"}, "Account 1010"),
                                  (2, {"Account": "2110"}, "Not Balanced")):  # fmt: skip
        objkey = still.rows(rows)[row]["Objkey"]
        assert still.call("PATCH", f"{rows}(Objkey='{objkey}')", fields, If_Match="*").status_code == 200
        assert expected in database_error(still.create(header["Objkey"]))


def test_no_rows(still):
    header = still.header()
    assert constant_of(database_error(still.create(header["Objkey"]))) == "Voucher.NOVOUCHERROW"


def test_statistical_accounts_do_not_count(still):
    objkey = still.header()["Objkey"]
    still.add_row(objkey, "9000", 3)
    still.add_row(objkey, "6000", CENTS)
    still.add_row(objkey, "2110", None, CENTS)
    assert still.create(objkey).status_code == 200


def test_a_ledger_account_in_another_function_group(still):
    header = still.header(FunctionGroup="K")
    still.patch(header, {"VoucherType": "K"})
    still.add_row(header["Objkey"], "6000", CENTS)
    still.add_row(header["Objkey"], "1010", None, CENTS)
    assert still.create(header["Objkey"]).status_code == 200


def test_correction_rows_may_be_negative(still):
    objkey = still.header()["Objkey"]
    still.add_row(objkey, "6000", Decimal("-10.00"), Correction=True)
    still.add_row(objkey, "2110", None, Decimal("-10.00"), Correction=True)
    assert still.create(objkey).status_code == 200


def test_code_parts_mean_something_else_in_another_company(still):
    own = {"Company": "MX40", "CurrencyCode": "MXN"}
    parallel = {"ParallelCurrRateType": "P1", "ParallelCurrencyRate": Decimal("0.055"), "ParallelConversionFactor": 1}
    debit = {**own, **parallel, "ThirdCurrencyDebitAmount": Decimal("0.55")}
    credit = {**own, **parallel, "ThirdCurrencyCreditAmount": Decimal("0.55")}

    def refused(**fields):
        header = still.header("MX40")
        row = {"account": "6000", "debit": CENTS, **debit, **fields}
        return still.refusal(header, {name: value for name, value in row.items() if value is not ...})

    assert "Department 100" in refused(CodeB="100")
    objkey = still.header("MX40")["Objkey"]
    still.add_row(objkey, "6000", CENTS, **debit, CodeC="100", CodeB="020")
    still.add_row(objkey, "2110", None, CENTS, **credit)
    assert still.create(objkey).status_code == 200
    # And it counts in a second currency.
    assert "VoucherRow.PARALLELRATETYPENULL" in refused(ParallelCurrRateType=...)
    assert "VoucherRow.NOPARALLELFORCURR" in refused(ParallelCurrRateType="7")
    assert "[PARALLEL_CURRENCY_RATE]" in refused(ParallelCurrencyRate=...)
    assert "[PARALLEL_CONVERSION_FACTOR]" in refused(ParallelConversionFactor=...)
    assert "[THIRD_CURRENCY_DEBIT_AMOUNT]" in refused(ThirdCurrencyDebitAmount=...)
    assert "VoucherRow.INCORRECTAMOUNTS" in refused(ThirdCurrencyDebitAmount=Decimal("0.60"))


# Headers


def test_periods(ifs):
    def set_period(status, group=""):
        body = {"company": "US10", "date": PAY_DAY, "status": status, "user_group": group}
        ifs.control("POST", "periods", body)

    header = ifs.header()
    set_period("Closed", "PR")
    assert "Not Balanced" in ifs.refusal(header, {"debit": 1}), "another group's period"
    set_period("Closed", "AC")
    assert ifs.refusal() == "ORA-20110: UserGroupPeriod.NOTOPENPERIODGROUP: Period not open for user group AC"
    set_period("FinallyClosed", "AC")
    assert constant_of(ifs.refusal()) == "Voucher.PERCLOSED"
    header = ifs.header()
    set_period("", "AC")
    assert constant_of(ifs.refusal(header)) == "UserGroupPeriod.NOGROUP"


def test_old_periods_are_closed(still):
    assert constant_of(still.refusal(still.header(VoucherDate="2025-08-15"))) == "UserGroupPeriod.NOTOPENPERIODGROUP"
    assert constant_of(still.refusal(still.header(VoucherDate="2024-08-15"))) == "Voucher.PERCLOSED"


def test_rights_are_looked_at_again(ifs):
    header = ifs.header()
    ifs.control("POST", "user-groups", {"company": "US10", "user_group": "AC", "member": False})
    assert constant_of(ifs.refusal(header)) == "UserGroupMemberFinance.NOTAUTHORIZEDUSER"


def test_voucher_types(ifs):
    of_group = {"company": "US10", "voucher_type": "P", "user_group": "AC"}

    def typed(letter, **changed):
        header = ifs.header()
        assert ifs.patch(header, {"VoucherType": letter}).status_code == 200
        if "UseManual" in changed:
            ifs.control("POST", "voucher-types", {"company": "US10", "voucher_type": letter, **changed})
        elif changed:
            ifs.control("POST", "voucher-type-user-groups", {**of_group, **changed})
        return header

    assert constant_of(ifs.refusal(typed("X"))) == "VoucherNoSerial.NO_SER"
    objkey = typed("Y")["Objkey"]
    ifs.add_row(objkey, "6000", 1)
    ifs.add_row(objkey, "2110", None, 1)
    assert ifs.create(objkey).json()["value"] == 2026000001
    assert constant_of(database_error(ifs.create(objkey))) == "VoucherNoSerial.HIGH_NO"
    assert constant_of(ifs.refusal(typed("P", AuthorizeLevel="ApproveOnly"))) == "Voucher.APPROVEONLYVOUENTRY"
    ifs.control("POST", "voucher-type-user-groups", {**of_group, "AuthorizeLevel": "EnterAndApprove"})
    header = typed("P")
    ifs.control("POST", "voucher-type-user-groups", of_group)
    assert constant_of(ifs.refusal(header)) == "VoucherTypeUserGroup.INVVOUTYPE2"
    assert constant_of(ifs.refusal(typed("W", UseManual=False))) == "Voucher.NOTMANUAL"
    assert constant_of(ifs.refusal(ifs.header(FunctionGroup="I"))) == "Voucher.NOTMANUAL"


def test_statuses(still):
    def with_status(letter, status):
        header = still.header()
        if letter != "M":
            still.patch(header, {"VoucherType": letter})
        assert still.patch(header, {"VoucherStatus": status}).status_code == 200
        return header

    assert constant_of(still.refusal(with_status("M", "Cancelled"))) == "Voucher.STATUSINVALID"
    assert constant_of(still.refusal(with_status("E", "Approved"))) == "Voucher.STATUSINVALID"
    assert constant_of(still.refusal(with_status("W", "Approved"))) == "Voucher.STATUSINVALID"
    assert constant_of(still.refusal(with_status("U", "Approved"))) == "Voucher.SEPUSERAPP"
    alone = {"account": "6000", "debit": 1}
    assert (
        constant_of(still.refusal(with_status("M", "AwaitingApproval"), alone))
        == "Voucher.AWAITINGAPPROVALMUSTBEBALANCE"
    )
    header = with_status("M", "NotApproved")
    still.add_row(header["Objkey"], **alone)
    assert still.create(header["Objkey"]).status_code == 200, "it may wait for its other side"


def test_a_header_that_demands_references(still):
    good = [{"account": "6000", "debit": 1}, {"account": "2110", "credit": 1}]
    header = still.header(ReferenceMandatory="Y")
    assert constant_of(still.refusal(header, *good)) == "Voucher.REFSERNUMNOTNULL", "although they are filled"
    still.patch(header, {"VoucherStatus": "AwaitingApproval"})
    still.add_row(header["Objkey"], "6000", 1, ReferenceNumber=...)
    assert constant_of(database_error(still.create(header["Objkey"]))) == "Voucher.NULLREFROWEXISTS"


# What is told


def test_texts_are_in_the_language_of_the_service_user(ifs):
    ifs.control("POST", "settings", {"language": "de", "database_error_status": 500})
    objkey = ifs.header()["Objkey"]
    ifs.add_row(objkey, "6000", 1)
    message = database_error(ifs.create(objkey), 500)
    assert message == "ORA-20110: Voucher.VOUNOTBALANCED: Beleg 0 ist nicht ausgeglichen"
    ifs.control("POST", "settings", {"text_marks": True})
    assert database_error(ifs.create(objkey), 500).endswith(": \x1eBeleg 0 ist nicht ausgeglichen\x1f")
