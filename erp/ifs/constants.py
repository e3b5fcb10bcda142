"""What the accounting application of IFS says when it refuses, by constant: the field it concerns and what it means.

A database error carries `ORA-nnnnn: {Lu}.{CONSTANT}: {text}`. Number and constant are those of the public application
model, 21R1 to 22R2; the vendor's texts are translated and not needed here. The meanings are ours, read from the
constants' names and from where the model raises them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Field(enum.StrEnum):
    """What a refusal is about."""

    MAPPING = "mapping"
    PERIOD = "period"
    AUTHORIZATION = "authorization"
    SERIES = "voucher-series"
    CURRENCY = "currency"
    BALANCE = "balance"
    ROW = "row-data"
    REFERENCE = "reference"
    EXTERNAL = "external-interface"
    PERSON = "person"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Constant:
    number: str
    """ORA-…"""
    field: Field
    meaning: str
    """A clause that finance understands, without a full stop."""


def _of(number: int, field: Field, meaning: str) -> Constant:
    return Constant(str(number), field, meaning)


CONSTANTS: dict[str, Constant] = {
    "Account.ACCNT_NOT_VALID": _of(20110, Field.MAPPING, "an account is not valid on the voucher date"),
    "Account.EXISTACPC": _of(20110, Field.MAPPING, "an account is still used elsewhere"),
    "Account.NOACCNTREQ": _of(20110, Field.MAPPING, "an account has no rules for its code parts"),
    "AccountingCodePartValue.NOTEXIST": _of(20111, Field.MAPPING, "a code part value does not exist"),
    "AccountingCodestr.ACTIDNOTPOSTABLE": _of(20110, Field.MAPPING, "the project activity takes no postings"),
    "AccountingCodestr.CODEMISSING": _of(
        20105, Field.MAPPING, "an account or code part value is missing or not valid on the voucher date"
    ),
    "AccountingCodestr.CODEMISSINGBUD": _of(
        20105, Field.MAPPING, "an account or code part value is for budget and planning only"
    ),
    "AccountingCodestr.NOPROJSPECIFIED": _of(20105, Field.MAPPING, "a project activity was given without its project"),
    "AccountingCodestr.WRONGREQ": _of(20105, Field.MAPPING, "a code part is not used in this company"),
    "AccountingCodestr.WRONGREQ1": _of(20105, Field.MAPPING, "an account demands something that its row does not have"),
    "AccountingCodestr.WRONGREQBLOCKED": _of(20105, Field.MAPPING, "a code part is blocked for its account"),
    "AccountingCodestr.WRONGREQMANDATORY": _of(20105, Field.MAPPING, "a code part is mandatory for its account"),
    "AccountingCodestr.WRONGTEXTREQ": _of(20105, Field.MAPPING, "an account demands a text"),
    "AccountingPeriod.NOYEAR2": _of(20110, Field.PERIOD, "there is no accounting year and period for the voucher date"),
    "AccountingPeriod.USERGRPDATEERROR": _of(
        20110, Field.PERIOD, "the user group may not post on the voucher date in this kind of period"
    ),
    "CurrencyCode.NOCURR": _of(20105, Field.CURRENCY, "the company does not use the currency"),
    "CurrencyRate.NOVALID": _of(20105, Field.CURRENCY, "there is no valid rate for the currency on the voucher date"),
    "ExtCheck.EXTLOADNOTEXIST": _of(20110, Field.EXTERNAL, "the load of external vouchers does not exist"),
    "ExtCheck.EXTPARNOTEXIST": _of(20110, Field.EXTERNAL, "the load type of external vouchers does not exist"),
    "ExtCheck.NOUSRGRP": _of(20110, Field.AUTHORIZATION, "the user belongs to no user group in the company"),
    "ExtCheck.NO_PER": _of(20110, Field.PERIOD, "there is no period for the transaction date"),
    "ExtLoadInfo.LOAD_INFO_NOT_EXIST": _of(20110, Field.EXTERNAL, "the load of external vouchers is not there"),
    "ExtTransactions.CANNTINSR": _of(20110, Field.EXTERNAL, "the load takes no more transactions"),
    "ExtTransactions.CURRENCYCODENULL": _of(20105, Field.CURRENCY, "a transaction has no currency"),
    "ExtTransactions.TRANSACDATENULL": _of(20105, Field.EXTERNAL, "a transaction has no date"),
    "PersonInfo.CAPCHECK": _of(20110, Field.PERSON, "the id of a person may hold capital letters only"),
    "UserGroupMemberFinance.NOTAUTHORIZEDUSER": _of(
        20105, Field.AUTHORIZATION, "the service user does not belong to the user group"
    ),
    "UserGroupMemberFinance.NOUSERGR": _of(
        20105, Field.AUTHORIZATION, "the service user belongs to no user group in the company"
    ),
    "UserGroupPeriod.NOGROUP": _of(20110, Field.PERIOD, "the user group is not connected to the period"),
    "UserGroupPeriod.NOTOPENPERIODGROUP": _of(20110, Field.PERIOD, "the period is not open for the user group"),
    "UserGroupPeriod.ORDINARYONLY": _of(20110, Field.PERIOD, "the user group may post in ordinary periods only"),
    "UserGroupPeriod.USRGRPNOTCON": _of(20110, Field.PERIOD, "the user group is not connected to the period"),
    "UserGroupPeriod.USRGRPPER": _of(20110, Field.PERIOD, "the period is closed for the user group"),
    "UserGroupPeriod.YEARENDONLY": _of(20110, Field.PERIOD, "the user group may post in year-end periods only"),
    "Voucher.ACCRULDOUBLEENTRY1": _of(20110, Field.ROW, "the rows of the voucher do not belong together"),
    "Voucher.ACCRULDOUBLEENTRY2": _of(20110, Field.ROW, "the rows of the voucher do not belong together"),
    "Voucher.ACCRULDOUBLEENTRY3": _of(20110, Field.BALANCE, "the voucher does not balance"),
    "Voucher.ACCRULDOUBLEENTRY4": _of(20110, Field.ROW, "the rows of the voucher do not belong together"),
    "Voucher.ACCRULDOUBLEENTRY5": _of(20110, Field.BALANCE, "the voucher does not balance"),
    "Voucher.ACCRULDOUBLEENTRYCURR": _of(20110, Field.BALANCE, "the voucher does not balance in its currency"),
    "Voucher.APPROVEONLYVOUENTRY": _of(
        20105, Field.AUTHORIZATION, "the user group may approve vouchers of this type, not enter them"
    ),
    "Voucher.AWAITINGAPPROVALMUSTBEBALANCE": _of(20105, Field.BALANCE, "a voucher that awaits approval has to balance"),
    "Voucher.NOTMANUAL": _of(20110, Field.SERIES, "the voucher type is not for vouchers that are entered by hand"),
    "Voucher.NOVOU": _of(20110, Field.OTHER, "the voucher is not there"),
    "Voucher.NOVOUCHERROW": _of(20110, Field.ROW, "the voucher has no rows"),
    "Voucher.NULLREFROWEXISTS": _of(20110, Field.REFERENCE, "a row has no reference"),
    "Voucher.PERCLOSED": _of(20110, Field.PERIOD, "the period is closed"),
    "Voucher.REFSERNUMNOTNULL": _of(20110, Field.REFERENCE, "reference series and reference number are mandatory"),
    "Voucher.SEPUSERAPP": _of(20105, Field.AUTHORIZATION, "another user has to approve vouchers of this type"),
    "Voucher.STATUSINVALID": _of(
        20110, Field.AUTHORIZATION, "the user group may not give vouchers of this type that status"
    ),
    "Voucher.USRGRPPER": _of(20110, Field.PERIOD, "the period is closed for the user group"),
    "Voucher.VOUCHERISEXIST": _of(20110, Field.OTHER, "a voucher with this number exists already"),
    "Voucher.VOUCHERMUSTBEAWAITING": _of(20110, Field.OTHER, "the voucher has to await approval"),
    "Voucher.VOUCHERMUSTBEBALANCE": _of(20105, Field.BALANCE, "an approved voucher has to balance"),
    "Voucher.VOUNOTBALANCED": _of(20110, Field.BALANCE, "the voucher does not balance"),
    "Voucher.VOUUPD": _of(20110, Field.OTHER, "the voucher is in the ledger already"),
    "VoucherEntryAssistantHandling.APPONLYUSERGRP": _of(
        20110, Field.AUTHORIZATION, "the user group may only approve vouchers of this type"
    ),
    "VoucherNoSerial.HIGH_NO": _of(20110, Field.SERIES, "the number series of the voucher type is used up"),
    "VoucherNoSerial.INVALID_NO": _of(20110, Field.SERIES, "the voucher number is outside its number series"),
    "VoucherNoSerial.NO_SER": _of(20110, Field.SERIES, "the voucher type has no number series in this year"),
    "VoucherRow.BASECURRSAME": _of(20110, Field.CURRENCY, "the rate of the company's own currency has to be 1"),
    "VoucherRow.BUDACCONLY": _of(20110, Field.MAPPING, "an account is for budgets only"),
    "VoucherRow.CANTMODIFYAPPROVED": _of(20105, Field.ROW, "the rows of an approved voucher cannot be changed"),
    "VoucherRow.CURCODENULL": _of(20110, Field.ROW, "a row has no currency"),
    "VoucherRow.DBLENTRYVALSTATAC": _of(
        20110, Field.MAPPING, "a statistical account does not go together with this kind of entry"
    ),
    "VoucherRow.INCORRECTAMOUNTS": _of(20110, Field.ROW, "the amounts of a row do not agree"),
    "VoucherRow.NEGATIVECURRRATE": _of(20110, Field.CURRENCY, "a currency rate is not greater than zero"),
    "VoucherRow.NOAMOUNT": _of(20110, Field.ROW, "a row has no amount"),
    "VoucherRow.NOPARALLELFORCURR": _of(20110, Field.CURRENCY, "there is no rate for the parallel currency"),
    "VoucherRow.NOTAXDIRECTION": _of(20110, Field.ROW, "a tax code was given without its direction"),
    "VoucherRow.PARALLELRATETYPENULL": _of(20110, Field.CURRENCY, "the rate type of the parallel currency is missing"),
    "VoucherRow.PROJACTIMANDATORY": _of(20110, Field.MAPPING, "the project demands an activity"),
    "VoucherRow.RATETYPENULL": _of(20110, Field.CURRENCY, "the currency rate type is missing"),
    "VoucherRow.VOUISLEDGER": _of(
        20110, Field.MAPPING, "an account belongs to a sub-ledger and takes no manual vouchers"
    ),
    "VoucherRow.VOUROWDEBDITAMTERR": _of(20110, Field.ROW, "a row has a debit and a credit amount"),
    "VoucherTypeUserGroup.INVVOUTYPE2": _of(
        20110,
        Field.AUTHORIZATION,
        "the voucher type is not connected to the user group for this function group and year",
    ),
    "VoucherTypeUserGroup.NO_DEF_TYPE": _of(
        20110, Field.AUTHORIZATION, "the user group has no default voucher type for manual vouchers in this year"
    ),
}
