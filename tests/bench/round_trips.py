"""HTTP round trips of a journal, counted at the far side: with a warm token and fresh reference data, from the search for
it to the read-back. One line of `ERPS` per way of connecting to a system, on the far ledgers of the posting contract.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from audit.models import WorkItem
from audit.sandbox import Sandbox
from erp.models import Posting
from tenants.models import Tenant
from tests.bench.figures import Figure, at_most
from tests.bench.stage import Stage
from tests.erp.books import Books, books_of
from tests.erp.d365.test_contract_posting import Dynamics
from tests.erp.far_ledger import FarLedger
from tests.erp.ifs.test_contract_posting import IfsWithoutSearch
from tests.erp.infor.fsm.test_contract_posting import Fsm
from tests.erp.infor.m3.test_contract_posting import UpdatingM3

LINES, LINES_QUICK = (20, 1000), (20, 100)
#: Signs in and reads what is older than an hour; not counted.
WARM_UP_LINES = 4


class IfsInOnePage(IfsWithoutSearch):
    """With lists in pages of 1,000 rows, which clients are known to ask for; how long IFS lets a page be is not published.
    In pages of 100, as its sandbox is set, each further 100 rows are one more request of the read-back.
    """

    def start(self, folder: Path) -> Sandbox:
        found = super().start(folder)
        self.books.change_settings(page_size=1000)
        return found


class IfsRowByRow(IfsInOnePage):
    uses_batch = "no"


class ValidatingFsm(Fsm):
    validates_first = "yes"


@dataclass(frozen=True, slots=True)
class Erp:
    """A way of connecting to a system, and the round trips that are wanted at most for a number of lines."""

    name: str
    far: type[FarLedger]
    aim: Callable[[int], int]
    polls: str = "(?!)"
    """Pattern of requests that ask whether a run over there has ended: counted apart, but for the first, which is part of
    the search before it. None by default.
    """


ERPS = (
    Erp("Dynamics 365", Dynamics, lambda lines: 4 if lines <= 20 else 10),
    Erp("IFS Cloud, $batch, pages of 1,000", IfsInOnePage, lambda lines: 4),
    # Opening, its change, the rows, creation; look-up and read-back around them.
    Erp("IFS Cloud, row by row", IfsRowByRow, lambda lines: lines + 3 + 2),
    # Lines go in pieces of the connection's default.
    Erp("Infor M3", UpdatingM3, lambda lines: 6 + -(-lines // 50)),
    Erp("Infor FSM, validated first", ValidatingFsm, lambda lines: 7, polls="GLTransactionInterfaceResult"),
)


def run(stage: Stage, *, is_quick: bool) -> Iterator[str]:
    yield "HTTP round trips of a journal, warm token, read-back included"
    for number, erp in enumerate(ERPS):
        folder = stage.folder / f"books-{number}"
        folder.mkdir()
        yield from (str(figure) for figure in measured(erp, folder, number, LINES_QUICK if is_quick else LINES))


def measured(erp: Erp, folder: Path, number: int, sizes: tuple[int, ...]) -> Iterator[Figure]:
    far = erp.far(folder)
    try:
        books = books_of(Tenant.objects.create(name=erp.name, slug=f"books-{number}"), far, [])
        enter(books, WARM_UP_LINES)
        for lines in sizes:
            asked = enter(books, lines)
            polls = max(0, sum(bool(re.search(erp.polls, each)) for each in asked) - 1)
            trips = len(asked) - polls
            shown = f"{trips:,} and {polls:,} polls" if polls else f"{trips:,}"
            yield at_most(f"{erp.name}, {lines:,} lines", trips, erp.aim(lines), shown)
    finally:
        far.stop()


def enter(books: Books, lines: int) -> list[str]:
    """Bring a journal into the books; returns what every request that it took was about. Raises RuntimeError."""
    # Whether an earlier journal is posted by now would be asked beside it.
    WorkItem.objects.filter(state=WorkItem.State.READY).update(due_at=timezone.now() + timedelta(hours=1))
    server = books.far.server
    with server.log_lock:
        server.log.clear()
    posting = books.send(books.journal(lines=lines))
    if posting.state not in {Posting.State.ENTERED, Posting.State.POSTED}:
        raise RuntimeError(f"{books.far.system}: the journal is {posting.state}: {posting.sentence}")
    with server.log_lock:
        return [f"{entry['method']} {entry['about'] or entry['path']}" for entry in server.log]
