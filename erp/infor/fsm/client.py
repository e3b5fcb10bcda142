"""The HTTP part of the FSM connector: lists of business classes, the batch that stages rows, and form operations.

Form operations are GETs with effects; each is sent once. Lists show five rows unless asked for more, so every list is
asked for with its size and compared with the count that FSM gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit.exchange import ExchangeError, Misconfigured, OutcomeUnknown, RecordedSession, Rejected, TemporaryFailure
from erp.infor.fsm.answers import BatchAnswer, Row, batch_of, error_words, operation_exception, page_of
from erp.infor.fsm.fields import Fields
from erp.infor.fsm.journal import SEQUENCE, STAGING
from erp.infor.fsm.refusals import read_refused, refused
from erp.infor.ion import IonClient

INTERFACE = f"ldrest/{STAGING}/InterfaceTransactions_InterfaceTransactionsForm_FormOperation"
DELETE = f"ldrest/{STAGING}/DeleteAllTransactionsForRunGroup_DeleteAllTransactionsForRunGroupForm_FormOperation"

#: Pages that one list may have before something is wrong with its links.
PAGES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Listing:
    """What to read of a business class. `where` is LPL; `words` names it for people."""

    business_class: str
    fields: tuple[str, ...]
    words: str
    where: str = ""
    set_name: str = ""
    list_name: str = "_generic"
    limit: int = 0
    """Rows that are wanted at most; 0 = all."""


class FsmClient:
    """One FSM, for one piece of work. Not shared between threads."""

    def __init__(
        self, session: RecordedSession, credentials: Mapping[str, str], fields: Fields, connection_id: int
    ) -> None:
        self._ion = IonClient(session, credentials, connection_id)
        self.fields = fields

    @property
    def tenant(self) -> str:
        return self._ion.tenant

    def sign_in(self) -> None:
        """Get a new token, whatever is known. Raises Misconfigured with the words of Infor OS, TemporaryFailure."""
        self._ion.sign_in()

    def _path(self, rest: str) -> str:
        return f"{self.fields.suite_path}/{rest}"

    # ---------------------------------------------------------------------------------------------------- reading

    def rows(self, listing: Listing) -> list[Row]:
        """Every row, over all pages. Raises TemporaryFailure, Misconfigured."""
        path = self._path(f"classes/{listing.business_class}/lists/{listing.list_name}")
        limit = listing.limit or self.fields.list_rows
        query = {
            "_fields": ",".join(listing.fields),
            "_limit": str(limit),
            **({"_lplFilter": listing.where} if listing.where else {}),
            **({"_setName": listing.set_name} if listing.set_name else {}),
            "_links": "false",
            "_pageNav": "true",
            "_out": "JSON",
            "_flatten": "false",
            "_omitCountValue": "false",
        }
        found: list[Row] = []
        for _ in range(PAGES_MAX):
            page = page_of(self._read(path, query, listing.words), listing.words)
            found += page.rows
            if listing.limit or (len(page.rows) < limit and page.count is None):
                return found
            if page.count is not None and len(found) >= page.count:
                return found
            if page.count is None and not page.next_query:
                raise TemporaryFailure(f"FSM showed a full page of {listing.words} and no way to the next one.")
            if not page.rows or not page.next_query:
                raise TemporaryFailure(f"FSM showed {len(found)} of {page.count} rows of {listing.words}.")
            query = dict(page.next_query)
        raise TemporaryFailure(f"FSM does not come to an end of {listing.words}.")

    def _read(self, path: str, query: Mapping[str, str], words: str) -> Any:
        answer = self._ion.get(path, query, what=words)
        if answer.status != 200:
            raise read_refused(error_words(answer.document), words)
        return answer.document

    # ---------------------------------------------------------------------------------------------------- writing

    def stage(self, bodies: Sequence[Row], words: str) -> BatchAnswer:
        """Create staged rows. Nothing of this is in the books; but rows that were created once too often would get there.

        Raises OutcomeUnknown where nobody knows which rows were created.
        """
        document = {"_records": [{"message": "BatchImport", "_fields": body} for body in bodies]}
        answer = self._ion.send(
            self._path(f"classes/{STAGING}/actions/CreateUnreleased/batch"),
            document,
            has_effect=True,
            what=words,
            params={"_maxFailures": "-1"},
        )
        if answer.status != 200:
            raise refused(error_words(answer.document), words)
        found = batch_of(answer.document, SEQUENCE, len(bodies))
        if found is None or not found.is_complete:
            raise OutcomeUnknown(f"FSM did not say of every row of {words} whether it was created.")
        return found

    def interface(self, run_group: str, *, edit_only: bool) -> None:
        """Submit the run group; what becomes of it shows later. `edit_only`: nothing but a validation.

        Raises OutcomeUnknown where nobody knows whether it was submitted; after any other error it was not.
        """
        fields = self.fields
        query = {
            "PrmRunGroup": run_group,
            "PrmEnterpriseGroup": fields.enterprise_group,
            "PrmEditOnly": _text(edit_only),
            "PrmEditAndInterface": _text(not edit_only),
            # All rows of an entity or none of them (docs.infor.com, interfacing transactions in a single run group).
            "PrmPartialUpdate": "false",
            "PrmJournalizeByEntity": _text(fields.journalizes_by_entity),
            "PrmJournalByJournalCode": _text(not fields.journalizes_by_entity),
            "PrmByPassOrganizationCode": _text(fields.bypasses_translation),
            "PrmByPassAccountCode": _text(fields.bypasses_translation),
            "PrmBypassStructureRelationEdit": "false",
            # Line by line, so that the ledger can be compared with what was sent.
            "PrmInterfaceInDetail": "true",
            "PrmBypassNegativeRateEdit": "false",
            "PrmMoveErrorsToNewRunGroup": "false",
            "_cmAll": "true",
        }
        self._operate(INTERFACE, query, f"the {'validation' if edit_only else 'interfacing'} of run group {run_group}")

    def delete(self, run_group: str) -> None:
        """Take all rows of the run group out of the staging. Raises as `interface`."""
        self._operate(DELETE, {"PrmRunGroup": run_group, "_cmAll": "true"}, f"the removal of run group {run_group}")

    def _operate(self, operation: str, query: Mapping[str, str], words: str) -> None:
        """What the answer holds is assumed, so it counts as submitted unless it says that it is not."""
        answer = self._ion.get_with_effect(self._path(operation), query, what=words, may_be_empty=True)
        if answer.status != 200:
            raise refused(error_words(answer.document), words)
        if (exception := operation_exception(answer.document)) is not None:
            raise refused(exception, words)


def _text(value: bool) -> str:
    return "true" if value else "false"


def rows_or_error(client: FsmClient, listing: Listing) -> list[Row] | ExchangeError:
    """For a class that is good to have: its rows, or why there are none."""
    try:
        return client.rows(listing)
    except (Misconfigured, Rejected) as error:
        return error


def lpl(**values: str) -> str:
    """An LPL condition: every field has exactly this value. `__` in a name stands for the dot.

    Raises Misconfigured for a value with a quotation mark in it, which LPL has no agreed way to write.
    """
    for value in values.values():
        if '"' in value or "\\" in value:
            raise Misconfigured(f"“{value}” cannot be looked for in FSM, because of the quotation mark in it.")
    return " and ".join(f'{name.replace("__", ".")} = "{value}"' for name, value in values.items())
