"""Brings a journal into the general journal of Dynamics 365 Finance & Operations, and finds it again.

Dynamics knows no idempotency key and gives the journal's number only in the answer to the header. So the number is
saved before anything else is sent, and our posting key stands in the header's Description and in every line's Document,
where it is found again if the answer was lost. Nothing here posts: no OData action does; finance or a batch job posts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar
from urllib.parse import urlencode

from audit.exchange import Misconfigured, OutcomeUnknown, Rejected, TemporaryFailure
from erp.connector import (
    Absent,
    Access,
    CannotTell,
    CheckResult,
    Connector,
    FindResult,
    Found,
    JournalReceipt,
    Progress,
    Reference,
)
from erp.d365.check import check
from erp.d365.client import D365Client, Query
from erp.d365.journal import (
    LINE_FIELDS,
    HeldLine,
    LedgerFormat,
    amount,
    compare,
    header_description,
    held_line,
    line_bodies,
)
from erp.d365.reference import read_reference
from erp.d365.setup import checked_rows, is_yes, read_ledger_format
from erp.odata import Row, literal
from mappings.journal import ZERO, Journal
from tenants.credentials import CredentialField

#: Name under which the journal's number is kept in the progress of a posting.
NUMBER = "number"

HEADERS = "LedgerJournalHeaders"
LINES = "LedgerJournalLines"
LEDGER = "GeneralJournalAccountEntries"
HEADER_FIELDS = ("JournalBatchNumber", "JournalName", "Description", "IsPosted")
#: Signed amount in the journal's currency, positive = debit.
LEDGER_FIELDS = ("Voucher", "DocumentNumber", "TransactionCurrencyAmount")

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class _Holding:
    """What Dynamics holds of one journal, read in one look."""

    result: FindResult
    number: str = ""
    lines: tuple[HeldLine, ...] = ()


class D365Connector(Connector):
    system: ClassVar[str] = "d365"
    label: ClassVar[str] = "Dynamics 365 Finance & Operations"
    settling_seconds: ClassVar[int] = 60
    can_undo: ClassVar[bool] = True
    posts_by_itself: ClassVar[bool] = False
    effect_sentence: ClassVar[str] = (
        "This creates one general journal in Dynamics 365, not posted. Finance, or a scheduled job in Dynamics, posts it."
    )
    to_ask: ClassVar[tuple[str, ...]] = (
        "An app registration in Microsoft Entra, in the environment's own directory, with a client secret. It needs no API "
        "permission. We need the directory id, the client id and the secret's value.",
        "A Dynamics user for it, language English (en-US), with the role Accountant, entered with the client id under System "
        "administration > Setup > Microsoft Entra ID applications.",
        "One active financial dimension configuration for integrating applications, of type Ledger dimension format, with "
        "every dimension that payroll uses.",
        "A journal name of type Daily in each company, with a voucher series, without approval and without an offset account.",
    )
    limits: ClassVar[tuple[str, ...]] = (
        "Dynamics offers no way to post a journal from outside: the journal is entered and waits there until finance or "
        "the Post journals job posts it. This console then shows it as posted.",
        "A journal that is posted can only be reversed, not taken back.",
        "Journals of more than 1,000 lines have to be posted by a batch job in Dynamics.",
        "Whether two number sequences that posting needs (journal batch number and general journal entry) are set up "
        "cannot be seen from outside.",
    )
    credential_fields: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(
            "environment",
            "Environment address",
            hint="As the browser shows it, without a slash at the end and without what follows the host.",
            example="https://contoso.operations.dynamics.com",
            is_address=True,
        ),
        CredentialField(
            "directory_id",
            "Directory (tenant) id",
            hint="From the app registration in Microsoft Entra.",
            pattern=r"[0-9A-Za-z][0-9A-Za-z.-]{2,127}",
            example="11111111-2222-3333-4444-555555555555",
        ),
        CredentialField(
            "client_id",
            "Client id",
            hint="Application (client) id of the app registration; also entered in Dynamics under Microsoft Entra ID "
            "applications.",
            pattern=r"[0-9A-Za-z-]{8,64}",
            example="66666666-7777-8888-9999-000000000000",
        ),
        CredentialField("client_secret", "Client secret", hint="The secret's value, not its id.", is_secret=True),
        CredentialField(
            "authority",
            "Sign-in address",
            hint="Only national clouds have another one.",
            default="https://login.microsoftonline.com",
            example="https://login.microsoftonline.com",
            is_address=True,
        ),
        CredentialField(
            "journal_name",
            "Journal name",
            hint="A journal name of type Daily that every company has which this connection posts to.",
            pattern=r"\S(.{0,8}\S)?",
            example="GenJrn",
        ),
        CredentialField(
            "changeset_size",
            "Lines per changeset",
            hint="How many lines are sent at once, all of them or none. Some environments refuse more than 200.",
            default="150",
            pattern=r"[1-9]\d{0,2}|[1-4]\d{3}|5000",
            example="150",
        ),
        CredentialField(
            "companies",
            "Companies to read",
            hint="Company codes, separated by commas. Empty: every company that the Dynamics user may see.",
            pattern=r"[0-9A-Za-z_-]{1,4}(\s*,\s*[0-9A-Za-z_-]{1,4})*",
            example="usmf, demf",
            is_required=False,
        ),
    )

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self._client = D365Client(access.session, access.credentials, access.connection_id)
        self._journal_name = access.credentials["journal_name"]
        self._changeset_size = int(access.credentials["changeset_size"])
        # What find_journal has just read, so that post_journal need not read it again. Used once.
        self._seen: dict[str, _Holding] = {}

    # ---------------------------------------------------------------------------------------------------- set-up

    @classmethod
    def page(cls, fields: Mapping[str, str], company_code: str) -> str:
        """The client takes the company as parameter cmp."""
        return (
            f"{address.rstrip('/')}/?{urlencode({'cmp': company_code})}"
            if (address := fields.get("environment", ""))
            else ""
        )

    def check(self) -> list[CheckResult]:
        return check(self._client, self.access.credentials, self.access.company_code)

    def read_reference(self) -> Reference:
        companies = (code.strip().casefold() for code in self.access.credentials.get("companies", "").split(","))
        return read_reference(
            self._client, self.access.company_code, self._journal_name, frozenset(code for code in companies if code)
        )

    def _ledger_format(self) -> LedgerFormat:
        """From the reference data at hand, else read. Raises Misconfigured."""
        facts = self.access.reference.facts if self.access.reference else {}
        if facts.get("segments") and facts.get("delimiter"):
            return LedgerFormat(tuple(facts["segments"]), str(facts["delimiter"]))
        found = read_ledger_format(self._client)
        if isinstance(found, str):
            raise Misconfigured(found)
        return found

    # ---------------------------------------------------------------------------------------------------- finding

    def find_journal(self, journal: Journal, progress: Progress) -> FindResult:
        """One round trip where Dynamics holds nothing, or the journal whose number is stored; else two or three."""
        holding = self._look(journal, str(progress.get(NUMBER, "")))
        self._seen = {journal.posting_key: holding}
        return holding.result

    def _look(self, journal: Journal, stored: str) -> _Holding:
        """What Dynamics has under the stored number, or under the posting key. Raises what a read raises.

        Lines are only ever sent to a stored number, so as long as that journal is there, the searches by Document, for
        which Dynamics has no index, are left out.
        """
        if not journal.posting_key:
            raise ValueError("a journal without posting key cannot be found again")
        headers_query = self._headers(
            journal,
            # The documented form of “contains”, and the exact text should an environment not know it.
            _either(
                f"Description eq {literal(f'*{journal.posting_key}*')}",
                f"Description eq {literal(header_description(journal))}",
                *([f"JournalBatchNumber eq {literal(stored)}"] if stored else []),
            ),
        )
        if not stored:
            found, by_key, entries = self._read(headers_query, self._lines_by_key(journal), self._entries(journal))
            return self._combined(journal, stored, _by_number(journal, stored, found), by_key, entries)
        found, lines = self._read(headers_query, self._lines(journal, f"JournalBatchNumber eq {literal(stored)}"))
        headers = _by_number(journal, stored, found)
        if list(headers) != [stored]:
            by_key, entries = self._read(self._lines_by_key(journal), self._entries(journal))
            return self._combined(journal, stored, headers, by_key, entries)
        # A posted journal without lines: its journal name deletes them after posting.
        is_emptied = is_yes(headers[stored]["IsPosted"]) and not lines
        entries = self._read(self._entries(journal))[0] if is_emptied else []
        return _judged(journal, stored, headers[stored], [held_line(row) for row in lines], entries)

    def _combined(
        self, journal: Journal, stored: str, headers: dict[str, Row], by_key: Sequence[Row], entries: Sequence[Row]
    ) -> _Holding:
        """What header, lines and ledger say together where the stored journal is not simply there."""
        numbers = sorted({*headers, *(held_line(row).journal_number for row in by_key)})
        if len(numbers) > 1:
            return _Holding(
                CannotTell(
                    f"Dynamics holds several journals under the posting key {journal.posting_key}: {', '.join(numbers)}. "
                    "Look at them in Dynamics and delete the surplus one, or take the key out of it."
                )
            )
        if not numbers:
            # A posted journal may have been cleaned up: then only the ledger still knows it.
            return _Holding(_in_ledger(journal, stored, entries) if entries else Absent(was_known=bool(stored)))
        header, lines = self._read_journal(journal, numbers[0])
        return _judged(journal, numbers[0], header, lines, entries)

    def _read_journal(self, journal: Journal, number: str) -> tuple[Row | None, list[HeldLine]]:
        """Header and all lines of one journal, by its number. One round trip."""
        where = f"JournalBatchNumber eq {literal(number)}"
        headers, lines = self._read(self._headers(journal, where), self._lines(journal, where))
        return (headers[0] if headers else None), [held_line(row) for row in lines]

    def _read(self, *queries: Query) -> list[list[Row]]:
        return [checked_rows(answer) for answer in self._client.read_many(queries)]

    def _headers(self, journal: Journal, where: str) -> Query:
        return Query(HEADERS, where=_in_company(journal, where), select=HEADER_FIELDS)

    def _lines(self, journal: Journal, where: str) -> Query:
        return Query(LINES, where=_in_company(journal, where), select=LINE_FIELDS, orderby="LineNumber", counted=True)

    def _lines_by_key(self, journal: Journal) -> Query:
        return self._lines(journal, f"Document eq {literal(journal.posting_key)}")

    def _entries(self, journal: Journal) -> Query:
        return Query(
            LEDGER, where=f"DocumentNumber eq {literal(journal.posting_key)}", select=LEDGER_FIELDS, counted=True
        )

    # ---------------------------------------------------------------------------------------------------- entering

    def post_journal(self, journal: Journal, progress: Progress) -> JournalReceipt:
        """Enter the journal, or complete what is there of it. What a person has to decide (several journals, one that was
        posted with other lines, one that was deleted) is OutcomeUnknown: the next look says it, and nothing is sent.

        A journal of n lines costs 1 request for the header, n / changeset size for the lines and 1 to read back, plus
        what find_journal cost; it is looked for here if this connector has not just done so.
        """
        planned = line_bodies(journal, self._ledger_format())
        stored = str(progress.get(NUMBER, ""))
        holding = self._seen.pop(journal.posting_key, None) or self._look(journal, stored)
        missing: Sequence[Row] = planned
        number = ""
        match holding.result:
            case CannotTell(sentence):
                raise OutcomeUnknown(sentence)
            case Absent(was_known=True):
                raise OutcomeUnknown(
                    f"Journal {stored} was entered in Dynamics and is no longer there. Somebody deleted it; it is not "
                    "entered again by itself."
                )
            case Found(is_complete=True) as found:
                if holding.number and holding.number != stored:
                    progress.save(**{NUMBER: holding.number})
                return _receipt(found)
            case Found(is_posted=True) as found:
                raise OutcomeUnknown(
                    f"Journal {found.document_number} is posted in Dynamics with {found.line_count} lines, debit "
                    f"{found.debit}, credit {found.credit}, which is not what was to be entered. Somebody changed it."
                )
            case Found():
                number = holding.number
                if number != stored:
                    progress.save(**{NUMBER: number})
                comparison = compare(planned, holding.lines)
                missing = comparison.missing
                if comparison.surplus:
                    self._undo(journal, holding, progress)
                    number, missing = "", planned
            case Absent():
                pass
        if not number:
            number = self._create_header(journal, progress)
        for bodies in _pieces(missing, self._changeset_size):
            progress.guard()
            self._client.create_all(
                LINES, [{**body, "JournalBatchNumber": number} for body in bodies], f"lines of journal {number}"
            )
        header, lines = self._read_journal(journal, number)
        result = _judged(journal, number, header, lines, ()).result
        if not isinstance(result, Found) or not result.is_complete:
            raise OutcomeUnknown(f"Journal {number} was sent, but what Dynamics shows of it is not what was sent.")
        return _receipt(result)

    def _create_header(self, journal: Journal, progress: Progress) -> str:
        """Create the header and save its number before anything else. Returns the number."""
        progress.guard()
        row = self._client.create(
            HEADERS,
            {
                "dataAreaId": journal.company_code.lower(),
                "JournalName": self._journal_name,
                "Description": header_description(journal),
            },
            "the header of the journal",
        )
        number = str(row.get("JournalBatchNumber") or "")
        if not number:
            raise OutcomeUnknown("Dynamics took the header of the journal and gave no number for it.")
        progress.save(**{NUMBER: number})
        return number

    # ---------------------------------------------------------------------------------------------------- undoing

    def undo_journal(self, journal: Journal, progress: Progress) -> None:
        """Delete lines, then header. Nothing to do where Dynamics holds nothing. Raises Rejected for a posted journal
        and for one that holds lines which are not ours.
        """
        self._seen.clear()
        holding = self._look(journal, str(progress.get(NUMBER, "")))
        match holding.result:
            case CannotTell(sentence):
                raise Rejected(sentence)
            case Found(is_posted=True) as found:
                raise Rejected(
                    f"Journal {found.document_number} is posted in Dynamics and can only be reversed, not taken back."
                )
            case Found():
                self._undo(journal, holding, progress)
            case Absent():
                progress.clear()

    def _undo(self, journal: Journal, holding: _Holding, progress: Progress) -> None:
        """Take an unposted journal out. Raises Rejected where somebody else has a line in it."""
        foreign = [line for line in holding.lines if line.document != journal.posting_key]
        if foreign:
            raise Rejected(
                f"Journal {holding.number} in Dynamics holds {len(foreign)} lines that were not entered from here. Move "
                "them to another journal, or delete them there."
            )
        company = journal.company_code.lower()
        key = {"dataAreaId": company, "JournalBatchNumber": holding.number}
        for lines in _pieces(holding.lines, self._changeset_size):
            progress.guard()
            self._client.delete_all(
                LINES, [{**key, "LineNumber": line.line_number} for line in lines], f"lines of journal {holding.number}"
            )
        progress.guard()
        self._client.delete(HEADERS, key, f"the header of journal {holding.number}")
        progress.clear()


# -------------------------------------------------------------------------------------------------------- judging


def _judged(
    journal: Journal, number: str, header: Row | None, lines: Sequence[HeldLine], entries: Sequence[Row]
) -> _Holding:
    """What one journal in Dynamics, and what the ledger shows under the same key, mean together."""
    held = tuple(lines)
    if header is None:
        return _Holding(
            CannotTell(
                f"Dynamics shows lines of journal {number}, but not the journal itself. Look at it in Dynamics."
            ),
            number,
            held,
        )
    is_posted = is_yes(header["IsPosted"])
    if is_posted and not held:
        # The journal name deletes lines after posting.
        return _Holding(_in_ledger(journal, number, entries), number)
    if entries and not is_posted:
        return _Holding(
            CannotTell(
                f"Journal {number} in Dynamics is not posted, yet its ledger already shows entries under the posting key "
                f"{journal.posting_key}. Look at them in Dynamics before anything is posted a second time."
            ),
            number,
            held,
        )
    debit = sum((line.debit for line in held), ZERO)
    credit = sum((line.credit for line in held), ZERO)
    is_complete = (len(held), debit, credit) == (len(journal.lines), journal.debit, journal.credit)
    key = journal.posting_key
    if not is_complete and key not in str(header["Description"]) and all(line.document != key for line in held):
        # A number series may give the number of a deleted journal to the next one.
        return _Holding(
            CannotTell(
                f"Journal {number} in Dynamics does not carry the posting key {key} any more and is not what was entered. "
                "It may be somebody else's journal under the same number. Look at it in Dynamics."
            ),
            number,
            held,
        )
    return _Holding(Found(number, is_complete, is_posted, len(held), debit, credit), number, held)


def _in_ledger(journal: Journal, number: str, entries: Sequence[Row]) -> FindResult:
    """The journal or its lines are gone, the ledger has the last word: by sums, as a journal may be summarised there."""
    try:
        amounts = [amount(row["TransactionCurrencyAmount"]) for row in entries]
    except (KeyError, TypeError, ArithmeticError) as error:
        raise TemporaryFailure("Dynamics showed a ledger entry that cannot be read.") from error
    debit = sum((each for each in amounts if each > 0), ZERO)
    credit = -sum((each for each in amounts if each < 0), ZERO)
    vouchers = sorted({str(row.get("Voucher") or "") for row in entries})
    document_number = number or ", ".join(vouchers)
    if (debit, credit) != (journal.debit, journal.credit):
        return CannotTell(
            f"The ledger of Dynamics shows {len(entries)} entries under the posting key {journal.posting_key} (debit "
            f"{debit}, credit {credit}), which is not the whole journal (debit {journal.debit}, credit {journal.credit}). "
            "Look at them in Dynamics."
        )
    return Found(
        document_number,
        True,
        True,
        len(entries),
        debit,
        credit,
        f"Read from the ledger (voucher {', '.join(vouchers)}): the journal's lines were removed after posting.",
    )


def _by_number(journal: Journal, stored: str, headers: Sequence[Row]) -> dict[str, Row]:
    """Headers that are ours: the stored number, or the posting key in the description."""
    return {
        number: row
        for row in headers
        if (number := str(row["JournalBatchNumber"])) == stored or journal.posting_key in str(row["Description"])
    }


def _receipt(found: Found) -> JournalReceipt:
    return JournalReceipt(found.document_number, found.is_posted, found.line_count, found.debit, found.credit)


def _in_company(journal: Journal, where: str) -> str:
    return f"dataAreaId eq {literal(journal.company_code.lower())} and {where}"


def _either(*conditions: str) -> str:
    return f"({' or '.join(conditions)})"


def _pieces(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
