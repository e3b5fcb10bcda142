"""What the far ledgers of the demo hold, each read by its sandbox's own control addresses, compared with what they should.

Each ERP has a `FarLedger` here: how its books are read, and what its people do so that an entered journal is posted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from connector_site import columns
from erp.models import Posting


@dataclass(frozen=True, slots=True)
class HeldLine:
    """One line as it stands over there; `dimensions` as a person reads them. One of the amounts is zero."""

    main_account: str
    dimensions: str
    debit: Decimal
    credit: Decimal


@dataclass(frozen=True, slots=True)
class HeldJournal:
    """One journal as it stands over there, entered or posted."""

    posting_key: str
    is_posted: bool
    lines: tuple[HeldLine, ...]

    @property
    def figures(self) -> tuple[int, Decimal, Decimal]:
        """Count of lines, debits, credits."""
        zero = Decimal(0)
        return (
            len(self.lines),
            sum((line.debit for line in self.lines), zero),
            sum((line.credit for line in self.lines), zero),
        )


class FarLedger(ABC):
    """One ERP's books. `facts` are those of its reference data: how its account strings are to be read."""

    name: ClassVar[str]
    sandbox: ClassVar[str]
    """What its sandbox is called among the facts that are printed at the start."""
    control: ClassVar[str]
    """Control address of its sandbox, below the server's."""
    page: ClassVar[str]
    """A page that shows its books to people, below the server's."""
    post_address: ClassVar[str] = ""
    """Below `control`: what posts everything that was entered. Empty = the ERP posts by itself."""
    post_sentence: ClassVar[str]
    timer: ClassVar[str] = ""
    """The sandbox's setting after how many seconds that happens by itself."""
    settings: ClassVar[Mapping[str, Any]] = {}
    """How the sandbox is set up before the story begins."""

    @abstractmethod
    def journals(self, state: Mapping[str, Any], facts: Mapping[str, Any]) -> list[HeldJournal]:
        """Everything that the books hold under a posting key. `state`: what the sandbox shows, amounts as Decimal."""


class DynamicsLedger(FarLedger):
    name = "Dynamics 365"
    sandbox, control, page = "d365", "d365/_sandbox", "d365/"
    post_address = "post-journals"
    post_sentence = "The accountant posted the entered journals in Dynamics 365."
    timer = "post_every_seconds"

    def journals(self, state: Mapping[str, Any], facts: Mapping[str, Any]) -> list[HeldJournal]:
        found = []
        for journal in state["journals"]:
            by_key: dict[str, list[HeldLine]] = defaultdict(list)
            for line in journal["lines"]:
                account, *values = str(line["AccountDisplayValue"]).split(facts["delimiter"])
                dimensions = zip(facts["segments"][1:], values, strict=False)
                by_key[line.get("Document", "")].append(
                    HeldLine(
                        account, _shown(dimensions), _amount(line.get("DebitAmount")), _amount(line.get("CreditAmount"))
                    )
                )
            found += [
                HeldJournal(key, journal["IsPosted"] == "Yes", tuple(lines)) for key, lines in by_key.items() if key
            ]
        return found


class IfsLedger(FarLedger):
    name = "IFS Cloud"
    sandbox, control, page = "ifs", "ifs/_sandbox", "ifs/"
    post_address = "gl-update"
    post_sentence = "The update of the general ledger took the approved vouchers of IFS Cloud."
    timer = "gl_update_every_seconds"
    settings = {"ledger_source": "projection"}

    def journals(self, state: Mapping[str, Any], facts: Mapping[str, Any]) -> list[HeldJournal]:
        found = []
        for voucher in state["vouchers"]:
            code_parts: Mapping[str, str] = facts["code_parts"][voucher["Company"]]
            by_key: dict[str, list[HeldLine]] = defaultdict(list)
            for row in voucher["rows"]:
                dimensions = ((name, row.get(f"Code{letter}") or "") for name, letter in code_parts.items())
                by_key[row["ReferenceNumber"] or ""].append(
                    HeldLine(
                        row["Account"], _shown(dimensions), _amount(row["DebetAmount"]), _amount(row["CreditAmount"])
                    )
                )
            found += [HeldJournal(key, voucher["is_updated"], tuple(rows)) for key, rows in by_key.items() if key]
        return found


class M3Ledger(FarLedger):
    name = "Infor M3"
    sandbox, control, page = "infor", "infor/_sandbox/M3", "infor/_sandbox/M3/"
    post_sentence = "Infor M3 took the batch into its ledger by itself."

    def journals(self, state: Mapping[str, Any], facts: Mapping[str, Any]) -> list[HeldJournal]:
        return [
            HeldJournal(
                voucher["KEY1"],
                True,
                tuple(
                    HeldLine(
                        row["AIT1"],
                        _shown((name, row.get(field) or "") for name, field in facts["dimensions"].items()),
                        max(row["CUAM"], Decimal(0)),
                        max(-row["CUAM"], Decimal(0)),
                    )
                    for row in voucher["rows"]
                ),
            )
            for voucher in state["vouchers"]
        ] + [
            # What waits in the interface is not in the ledger yet.
            HeldJournal(batch["head"]["KEY1"], False, ())
            for batch in state["batches"]
            if batch["head"]["KEY1"] not in {voucher["KEY1"] for voucher in state["vouchers"]}
        ]


class FsmLedger(FarLedger):
    name = "Infor FSM"
    sandbox, control, page = "infor", "infor/_sandbox/FSM", "infor/_sandbox/FSM/"
    post_address = "post-journals"
    post_sentence = "Finance released and posted the journals in Infor FSM."
    timer = "post_after_seconds"

    def journals(self, state: Mapping[str, Any], facts: Mapping[str, Any]) -> list[HeldJournal]:
        return [
            HeldJournal(
                journal["run_group"],
                journal["is_posted"],
                tuple(
                    HeldLine(
                        row["AccountCode"],
                        _shown((name, row.get(field) or "") for name, field in facts["dimension_fields"].items()),
                        max(_amount(row["TransactionAmount"]), Decimal(0)),
                        max(-_amount(row["TransactionAmount"]), Decimal(0)),
                    )
                    for row in journal["rows"]
                ),
            )
            for journal in state["journals"]
        ]


#: system -> its ledger. One line per ERP of the demo.
LEDGERS: dict[str, FarLedger] = {
    "d365": DynamicsLedger(),
    "ifs": IfsLedger(),
    "infor_m3": M3Ledger(),
    "infor_fsm": FsmLedger(),
}


def faults(held: Iterable[HeldJournal], postings: Iterable[Posting]) -> list[str]:
    """Every way in which a ledger is not exactly these postings, each once and whole. Empty = it is."""
    found = []
    wanted = {posting.posting_key: posting for posting in postings if posting.state != Posting.State.VOIDED}
    by_key: dict[str, list[HeldJournal]] = defaultdict(list)
    for journal in held:
        by_key[journal.posting_key].append(journal)
    for key in sorted(by_key.keys() - wanted.keys()):
        found.append(f"The ledger holds {key}, which nobody here knows.")
    for key, posting in wanted.items():
        journals = by_key.get(key, [])
        if posting.state != Posting.State.POSTED:
            if journals:
                found.append(f"The ledger holds {key} although it is {posting.state}.")
        elif not journals:
            found.append(f"The ledger does not hold {key}.")
        elif len(journals) > 1:
            found.append(f"The ledger holds {key} in {len(journals)} journals instead of one.")
        elif not journals[0].is_posted:
            found.append(f"The ledger holds {key}, but not posted.")
        elif journals[0].figures != (posting.line_count, posting.debit, posting.credit):
            actual, expected = journals[0].figures, (posting.line_count, posting.debit, posting.credit)
            found.append(
                f"The ledger holds {key} with other figures: {', '.join(map(str, actual))} instead of "
                f"{', '.join(map(str, expected))}."
            )
    return found


def journal_table(journal: HeldJournal, names: Mapping[str, str]) -> list[str]:
    """A journal as the ledger has it, line by line. `names`: main account -> its name."""
    rows: list[list[Any]] = [
        [
            line.main_account,
            names.get(line.main_account, ""),
            line.dimensions,
            line.debit or None,
            line.credit or None,
        ]
        for line in journal.lines
    ]
    _, debit, credit = journal.figures
    rows.append(["", "Total", "", debit, credit])
    return columns.lines(["Account", "Name", "Dimensions", "Debit", "Credit"], rows)


def _shown(dimensions: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {value}" for name, value in dimensions if value)


def _amount(value: Any) -> Decimal:
    return Decimal(value or 0)
