"""How the IFS Cloud sandbox refuses: error bodies in the vendor's shape, ORA numbers and constants, texts by language.

Codes, messages and statuses are those of the facts (`sandbox_data/codes.json`). A database error carries its cause in the
details: `ORA-nnnnn: Lu.CONST: text`; number and constant are the vendor's, the texts are invented but for those that the
facts give. Which constant stands for which mistake is the facts' where they say it, and otherwise read from its name.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from audit.sandbox import Answer, Refused
from erp.ifs.sandbox_schema import read_data

JSON_TYPE = "application/json;odata.metadata=minimal"
ODATA_HEADERS = {"OData-Version": "4.0"}
LANGUAGES = {"en": 1, "de": 2}
#: Constants whose text comes without "Lu.CONST: ", as seen in the field.
BARE = frozenset({"NULLVALUE", "INSERT", "UPDATE"})
#: Of a unit, because the same mistake is reported by many.
GENERIC = frozenset({"FND_RECORD_NOT_EXIST", "FND_LOCKED"})


@cache
def codes() -> dict[str, tuple[int, str]]:
    return {code: (int(status), str(message)) for code, (status, message) in read_data("codes.json").items()}


@cache
def errors() -> dict[str, tuple[str, str, str]]:
    """Constant -> (ORA number, text, text in German)."""
    return {name: (ora, text, german) for name, (ora, text, german) in read_data("errors.json").items()}


def error_answer(
    code: str, *details: dict[str, str], status: int = 0, headers: dict[str, str] | None = None, **values: object
) -> Answer:
    """The body of one of the vendor's codes. Raises KeyError for a code that is in no table."""
    usual, message = codes()[code]
    error: dict[str, Any] = {"code": code, "message": message.format(*values.values())}
    if details:
        error["details"] = list(details)
    return Answer(status or usual, {"error": error}, {**ODATA_HEADERS, **(headers or {})}, JSON_TYPE)


def refused(code: str, detail: str = "", *, status: int = 0) -> Refused:
    """`detail`: what only a person reads."""
    return Refused(error_answer(code, *([{"message": detail}] if detail else []), status=status))


class DatabaseErrors:
    """Errors that the application raises, in the language of the service user."""

    def __init__(self, language: str, status: int, *, has_marks: bool = False) -> None:
        self.place = LANGUAGES[language]
        self.status = status
        self.has_marks = has_marks

    def text(self, constant: str, /, *, lu: str = "", **values: object) -> str:
        """`ORA-20105: AccountingCodestr.CODEMISSING: Account 5010 is missing …`"""
        known = errors()[constant]
        said = known[self.place].format(lu=spaced(lu), **values)
        if self.has_marks:
            said = f"\x1e{said}\x1f"
        name = f"{lu}.{constant}" if constant in GENERIC else constant
        return f"{known[0]}: {said}" if constant in BARE else f"{known[0]}: {name}: {said}"

    def refuse(self, constant: str, /, *, lu: str = "", **values: object) -> Refused:
        """`lu`: for the generic texts only. Raises KeyError for a constant that is in no table."""
        detail = {"message": self.text(constant, lu=lu, **values)}
        return Refused(error_answer("DATABASE_ERROR", detail, status=self.status))

    def mandatory(self, field: str, lu: str) -> Refused:
        return self.refuse("NULLVALUE", name=column(field), lu=lu)


def column(field: str) -> str:
    """CurrencyType as the database names it: CURRENCY_TYPE."""
    return "".join(("_" if place and letter.isupper() else "") + letter for place, letter in enumerate(field)).upper()


def spaced(lu: str) -> str:
    """VoucherRow as a text names it: Voucher Row."""
    return column(lu).replace("_", " ").title()


def bad_url(detail: str) -> Refused:
    return refused("ODP_UNSUPPORTED_URL", detail)


def not_implemented(detail: str, status: int = 0) -> Refused:
    return refused("ODP_NOT_IMPLEMENTED", detail, status=status)


def not_found() -> Refused:
    return refused("ODP_RESOURCE_NOTFOUND")


def bad_content(code: str, message: str) -> Refused:
    """A body that does not fit the type: INVALID_VALUE_FOR_PROPERTY, UNKNOWN_CONTENT."""
    return Refused(error_answer("ODP_DESERIALIZATION_ERROR", {"code": code, "message": message}))


def unauthorized() -> Refused:
    """Missing, expired or foreign token. The body is assumed empty."""
    return Refused(Answer(401, None, {"WWW-Authenticate": "Bearer"}))
