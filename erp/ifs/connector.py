"""Brings a journal into IFS Cloud as a voucher of the hold table, and finds it again.

IFS knows no idempotency key and would make a second voucher of a repeated CreateVoucher. So three things are saved on the
way, each before the next request: the key of the temporary voucher, that CreateVoucher leaves, and the number that came
back. Our posting key is the reference number of every row. Once CreateVoucher has left and nobody said what became of
it, the answer is Found or CannotTell; Absent only where the ledger can be searched too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from audit.exchange import ExchangeError, Misconfigured, OutcomeUnknown, Rejected, TemporaryFailure
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
from erp.ifs.check import check
from erp.ifs.client import IfsClient
from erp.ifs.fields import CREDENTIAL_FIELDS, fields_of
from erp.ifs.journal import VoucherKey, header_changes, row_bodies
from erp.ifs.ledger import Known, Look, look
from erp.ifs.reference import code_parts_of, read_reference
from erp.ifs.voucher import create_voucher, open_voucher, remove_voucher
from erp.odata import Row
from mappings.journal import Journal
from tenants.credentials import CredentialField

#: Names under which the progress of a posting is kept.
OBJKEY = "objkey"
"""The temporary voucher that is ours; empty once it is gone."""
DISPATCHED = "dispatched"
"""The temporary voucher whose CreateVoucher left; emptied only where IFS said that nothing was done."""
VOUCHER = "voucher"
"""[year, type, number] that IFS answered with."""
NUMBER = "number"
"""The same for people."""
CANCELLED = "cancelled"
"""[[year, type, number], ...] of vouchers that were cancelled in IFS before this round."""


class IfsConnector(Connector):
    system: ClassVar[str] = "ifs"
    label: ClassVar[str] = "IFS Cloud"
    #: IFS is told to give up CreateVoucher after 120 s; by then its answer is surely out.
    settling_seconds: ClassVar[int] = 150
    can_undo: ClassVar[bool] = False
    posts_by_itself: ClassVar[bool] = False
    effect_sentence: ClassVar[str] = (
        "This creates one voucher in the hold table of IFS Cloud. The ledger update, usually a scheduled job in IFS, posts it."
    )
    to_ask: ClassVar[tuple[str, ...]] = (
        "An IAM client with service account, not public, with an id of at most 20 characters. We need its id, its secret and "
        "the name of the realm.",
        "The service user as a finance user of every company that payroll is posted to, with the permission sets for "
        "vouchers and the chart of accounts.",
        "A user group with that user, and the accounting periods open for it.",
        "A voucher type for manual vouchers that the user group may enter.",
    )
    limits: ClassVar[tuple[str, ...]] = (
        "IFS Cloud offers no way to update the ledger for one voucher from outside: the voucher waits in the hold table for the "
        "ledger update. This console then shows it as posted.",
        "A voucher that is created can only be reversed, or cancelled by a person in IFS; it cannot be taken back from here.",
        "After the ledger update a voucher can be looked for only by its number. If the answer to a voucher is lost, a person "
        "has to look, unless a search in the general ledger is set up for this connection.",
        "Journals are written in the currency of the company; companies with a parallel currency cannot be posted to.",
        "Tax codes, quantities and project activities are not written.",
    )
    credential_fields: ClassVar[tuple[CredentialField, ...]] = CREDENTIAL_FIELDS

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self._fields = fields_of(access.credentials)
        self._client = IfsClient(access.session, access.credentials, self._fields, access.connection_id)
        # What find_journal has just seen, so that post_journal need not look again. Used once.
        self._seen: dict[str, Look] = {}

    # ---------------------------------------------------------------------------------------------------- set-up

    @classmethod
    def page(cls, fields: Mapping[str, str], company_code: str) -> str:
        """IFS Cloud Web starts at the host."""
        return fields.get("address", "")

    def check(self) -> list[CheckResult]:
        return check(self._client, self.access.company_code)

    def read_reference(self) -> Reference:
        return read_reference(self._client, self.access.company_code)

    def _code_parts(self, company: str) -> Mapping[str, str]:
        """Dimension -> letter: from the reference data at hand, else read."""
        facts = self.access.reference.facts if self.access.reference else {}
        found: Mapping[str, str] | None = facts.get("code_parts", {}).get(company)
        return found if found is not None else code_parts_of(self._client, company)

    # ---------------------------------------------------------------------------------------------------- finding

    def find_journal(self, journal: Journal, progress: Progress) -> FindResult:
        """One round trip where nothing was sent and IFS holds nothing; with a search in the ledger, two."""
        seen = look(self._client, journal, _known(progress))
        self._seen = {journal.posting_key: seen}
        return seen.result

    # ---------------------------------------------------------------------------------------------------- entering

    def post_journal(self, journal: Journal, progress: Progress) -> JournalReceipt:
        """Make one voucher of the journal, unless IFS holds it already.

        Costs 3 requests with changesets (open, changeset, read back), or n + 3 without, besides what find_journal cost;
        the journal is looked for here if this connector has not just done so. After an error other than OutcomeUnknown
        nothing is in the books.
        """
        seen = self._seen.pop(journal.posting_key, None) or look(self._client, journal, _known(progress))
        match seen.result:
            case CannotTell(sentence):
                raise OutcomeUnknown(sentence)
            case Absent(was_known=True):
                raise OutcomeUnknown(
                    f"Voucher {progress.get(NUMBER, '')} was entered in IFS and is no longer there. Somebody removed it; it "
                    "is not entered again by itself."
                )
            case Found(is_complete=True) as found:
                _save_voucher(progress, seen.key)
                return _receipt(found)
            case Found() as found:
                raise Rejected(
                    f"Voucher {found.document_number} is in IFS with {found.line_count} rows, debit {found.debit}, credit "
                    f"{found.credit}, which is not what was sent. Somebody changed it; nothing more was sent."
                )
            case Absent():
                pass
        self._discard(progress)
        header = self._open(journal, progress, seen)
        try:
            number = self._create(journal, header, progress)
        except OutcomeUnknown:
            raise
        except (Rejected, Misconfigured, TemporaryFailure):
            # Whatever it was, no voucher came of it: IFS refused as a whole, or CreateVoucher never left.
            progress.guard()
            progress.save(**{DISPATCHED: ""})
            self._try_to_discard(progress)
            raise
        return self._read_back(journal, header, number, progress)

    def _open(self, journal: Journal, progress: Progress, seen: Look) -> Row:
        """A temporary voucher, its key saved before anything else."""
        progress.guard()
        header = open_voucher(self._client, journal)
        progress.save(
            **{
                OBJKEY: str(header["Objkey"]),
                DISPATCHED: "",
                CANCELLED: [[key.year, key.type, key.number] for key in sorted(seen.cancelled)],
            }
        )
        return header

    def _create(self, journal: Journal, header: Row, progress: Progress) -> int | None:
        company, fields = journal.company_code, self._fields
        voucher_type = fields.voucher_type(company)
        if header.get("ParallelCurrencyCode"):
            raise Misconfigured(
                f"Company {company} keeps its books in {header['ParallelCurrencyCode']} as well, as its parallel currency. "
                "Vouchers of such companies cannot be written from here yet.",
                "mapping",
            )
        rows = row_bodies(
            journal,
            header,
            self._code_parts(company),
            voucher_type=voucher_type,
            rate_type=fields.rate_type,
            reference_series=fields.reference_series,
        )
        changes = header_changes(header, fields.user_group(company), voucher_type, fields.voucher_status)
        return create_voucher(
            self._client,
            header,
            changes,
            rows,
            guard=progress.guard,
            dispatch=lambda: progress.save(**{DISPATCHED: str(header["Objkey"])}),
        )

    def _read_back(self, journal: Journal, header: Row, number: int | None, progress: Progress) -> JournalReceipt:
        key = None
        if number is not None:
            key = VoucherKey(int(header["AccountingYear"]), self._fields.voucher_type(journal.company_code), number)
            _save_voucher(progress, key)
        seen = look(self._client, journal, _known(progress), is_read_back=True)
        if not isinstance(seen.result, Found) or not seen.result.is_complete:
            raise OutcomeUnknown("The voucher was sent to IFS, but what IFS shows of it is not what was sent.")
        _save_voucher(progress, seen.key)
        return _receipt(seen.result)

    # ---------------------------------------------------------------------------------------------------- clearing

    def _discard(self, progress: Progress) -> None:
        """Throw the temporary voucher of an earlier round away. Raises TemporaryFailure."""
        objkey = str(progress.get(OBJKEY, ""))
        if objkey:
            progress.guard()
            remove_voucher(self._client, objkey)

    def _try_to_discard(self, progress: Progress) -> bool:
        """The same after a failure, which is what has to be told; what stays behind is thrown away next time."""
        try:
            self._discard(progress)
        except ExchangeError:
            return False
        progress.save(**{OBJKEY: ""})
        return True


def _known(progress: Progress) -> Known:
    voucher: Any = progress.get(VOUCHER)
    return Known(
        is_dispatched=bool(progress.get(DISPATCHED)),
        key=VoucherKey(*voucher) if voucher else None,
        cancelled=frozenset(VoucherKey(*each) for each in progress.get(CANCELLED, [])),
    )


def _save_voucher(progress: Progress, key: VoucherKey | None) -> None:
    if key is not None and _known(progress).key != key:
        progress.save(**{VOUCHER: [key.year, key.type, key.number], NUMBER: key.document_number})


def _receipt(found: Found) -> JournalReceipt:
    return JournalReceipt(found.document_number, found.is_posted, found.line_count, found.debit, found.credit)
