"""M3's messages: codes, and texts in two languages, in the forms in which they travel.

Generic codes (X..., CPF9898) are M3's. Of others only the pattern is known, W????01 is invalid, 02 must be entered, 03 does
not exist, 04 already exists; here the four letters are the name of the field. Texts are our own, in M3's way.
"""

from __future__ import annotations

#: Characters of a message; shorter ones are padded with blanks.
MESSAGE_LENGTH = 132
#: Where code and field begin in a message that carries them.
CODE_AT = 60

#: Code -> language -> text; &1 is filled in.
TEXTS: dict[str, dict[str, str]] = {
    "XRE0103": {"GB": "Record does not exist", "DE": "Datensatz ist nicht vorhanden"},
    "XRE0104": {"GB": "Record already exists", "DE": "Datensatz ist bereits vorhanden"},
    "XAU0008": {"GB": "Not authorized for company &1", "DE": "Keine Berechtigung für Firma &1"},
    "XNU0000": {"GB": "Numeric error", "DE": "Numerischer Fehler"},
    "XDT0001": {"GB": "Incorrect date", "DE": "Falsches Datum"},
    "XOPC001": {"GB": "Invalid operation code &1", "DE": "Ungültiger Vorgangscode &1"},
    "CPF9898": {"GB": "&1", "DE": "&1"},
    "01": {"GB": "&2 &1 is invalid", "DE": "&2 &1 ist ungültig"},
    "02": {"GB": "&2 must be entered", "DE": "&2 muss eingegeben werden"},
    "03": {"GB": "&2 &1 does not exist", "DE": "&2 &1 ist nicht vorhanden"},
    "04": {"GB": "&2 &1 already exists", "DE": "&2 &1 ist bereits vorhanden"},
}
#: Field -> what it is called in a message.
NAMES: dict[str, dict[str, str]] = {
    **{f"AIT{n}": {"GB": f"Accounting dimension {n}", "DE": f"Kontierungsdimension {n}"} for n in range(1, 8)},
    "INTN": {"GB": "Interface", "DE": "Schnittstelle"},
    "INRI": {"GB": "Input record identity", "DE": "Satzkennung"},
    "DIVI": {"GB": "Division", "DE": "Division"},
    "ACDT": {"GB": "Accounting date", "DE": "Buchungsdatum"},
    "CUCD": {"GB": "Currency", "DE": "Währung"},
    "CUAM": {"GB": "Foreign currency amount", "DE": "Betrag in Fremdwährung"},
    "DBCR": {"GB": "Debit/credit code", "DE": "Soll-/Habenkennzeichen"},
    "VTXT": {"GB": "Voucher text", "DE": "Belegtext"},
    "EXN1": {"GB": "GL information number", "DE": "Nummer der Hauptbuchinformation"},
    "EXN2": {"GB": "GL information number", "DE": "Nummer der Hauptbuchinformation"},
    "ACQT": {"GB": "Quantity", "DE": "Menge"},
    "SHDT": {"GB": "Reversal date", "DE": "Stornodatum"},
    "USID": {"GB": "User", "DE": "Benutzer"},
}


class Nok(Exception):  # noqa: N818 - M3 says NOK
    """M3 refuses one transaction. `value` fills the text in."""

    def __init__(self, code: str, field: str = "", value: str = "") -> None:
        super().__init__(f"{code} {field} {value}".strip())
        self.code = code
        self.field = field
        self.value = value

    def text(self, language: str) -> str:
        pattern = TEXTS[self.code if self.code in TEXTS else self.code[-2:]][language]
        name = NAMES.get(self.field, {}).get(language, self.field)
        return " ".join(pattern.replace("&1", self.value).replace("&2", name).split())

    def message(self, language: str, form: str) -> str:
        """As it travels: padded, with code and field behind the text, or the code alone."""
        if form == "bare_code":
            return self.code
        text = self.text(language)
        if form == "with_code":
            text = f"{text:<{CODE_AT}}{self.code}{self.field}"
        return f"{text:<{MESSAGE_LENGTH}}"


def invalid(field: str, value: str = "") -> Nok:
    return Nok(f"W{field}01", field, value)


def must_be_entered(field: str) -> Nok:
    return Nok(f"W{field}02", field)


def does_not_exist(field: str, value: str) -> Nok:
    return Nok(f"W{field}03", field, value)


def not_found(field: str) -> Nok:
    return Nok("XRE0103", field)


def already_exists(field: str) -> Nok:
    return Nok("XRE0104", field)
