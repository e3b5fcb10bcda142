"""What can be set on the M3 sandbox, while it runs too: everything that no public page says of M3, or that a customer sets up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from erp.infor.sandbox_settings import CheckedSettings


@dataclass(frozen=True, slots=True)
class M3Settings(CheckedSettings):
    CHOICES: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "language": ("GB", "DE"),
        "decimal_mark": (".", ","),
        "maxrecs_from": ("both", "query", "body", "nowhere"),
        "empty_list": ("records", "error"),
        "numeric_blank": ("0", ""),
        "error_transport": ("result", "top"),
        "definition_errors": ("terminate", "result"),
        "message_form": ("padded", "with_code", "bare_code"),
        "duplicate_head": ("refuse", "accept"),
        "duplicate_line": ("refuse", "replace", "append"),
        "second_update": ("posts_again", "refuse"),
        "export_empty": ("none", "header"),
        "division_filter": ("refused", "taken"),
    }

    # The service user
    user_company: str = "100"
    user_division: str = "MIL"
    """Blank: the user belongs to no division."""
    language: str = "GB"
    decimal_mark: str = "."
    """Only where a line is cut by position; a field always has a point."""
    denied_companies: str = ""
    """Companies, separated by blanks, that the user is not authorized for."""
    denied_programs: str = ""
    """MI programs, separated by blanks, that the user may not run."""

    # The release
    absent_transactions: str = ""
    """Such as GLS840MI.AddBatchLineFld, separated by blanks."""

    # Lists
    maxrecs_default: int = 100
    """Records of a list for which nobody said how many; seen at one site."""
    maxrecs_ceiling: int = 0
    """More are never given, whatever is asked for (1,000 at one site); 0 = no such limit, and 0 records asked are all."""
    maxrecs_from: str = "both"
    """Where the number is read: in the query (maxrecs), in the body (maxReturnedRecords), in both or nowhere."""
    lists_start_at_key: bool = True
    """A key given to a list is where it begins; else what it must equal."""

    empty_list: str = "records"
    """A list (Lst...) of nothing: no records, or XRE0103; both are seen."""
    numeric_blank: str = "0"
    """A number or a date without a value; both are seen."""

    # Errors
    error_transport: str = "result"
    """Of what M3 refuses: status 200 and inside the result, or status 400 at the top, without results."""
    definition_errors: str = "terminate"
    """A field that is missing or too long, an unknown transaction: status 400 before anything runs, or inside the result."""
    message_form: str = "padded"
    """Blanks behind the text; code and field behind it too; or the code without a text."""
    booleans_as_text: bool = False
    """wasTerminated is "false", as seen once."""

    # A bulk
    bulk_stops_on_error: bool = False
    bulk_max: int = 0
    """Transactions of one request; more are refused with status 400. No limit is published; 0 = none."""
    transaction_milliseconds: int = 0
    """How long one transaction takes; a request that takes longer than the gateway waits answers 504, and is done."""
    gateway_seconds: float = 60.0

    # The interface
    duplicate_head: str = "refuse"
    duplicate_line: str = "refuse"
    """Same KEY1 and LINE: refused, replaced, or two rows."""
    line_needs_head: bool = True
    control_answers: bool = True
    """Whether CtrlBatch says what is wrong; else it answers well whatever it finds."""
    second_update: str = "posts_again"
    """UpdBatch on a batch that was updated already."""
    keeps_batch: bool = True
    """Whether a batch stays in GLS840 after it was updated."""

    # The jobs behind UpdBatch
    updates_by_itself: bool = True
    """False: the ledger shows nothing until the control address says so."""
    update_seconds: float = 0.0
    """From UpdBatch to the rows in the ledger."""
    update_polls: int = 0
    """Requests to the ledger that see nothing yet."""
    update_fails: bool = False
    """The job ends in FCR040 with status 8, and nobody is told."""

    # Reading tables
    division_filter: str = "refused"
    """What becomes of a condition on the division while the session has one itself."""
    export_empty: str = "none"
    """No row: no record at all, or the header line alone."""
    field_lines_prefix: str = "FE"
    """Of FGLINF; not published."""
    work_table_prefix: str = "CR"
    """Of FCR040; not published."""
    head_status: bool = False
    """Whether FGLINH has a column of status (STAT); not published."""
