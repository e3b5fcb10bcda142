"""What stands behind the ION gateway of the Infor sandbox: one suite per product.

How a product is added: write a class that inherits `Suite`, say its name (the first part of its addresses), fill its
routes in `__init__`, and add one line to `SUITES`. The gateway signs in, throttles and plays faults; a suite sees only
requests that came through, with paths below its own:

    {iu}/{ti}/M3/m3api-rest/v2/execute   ->  suite “M3”, path /m3api-rest/v2/execute
    /infor/_sandbox/M3/ledger            ->  suite “M3”, path /_sandbox/ledger (no sign-in: loopback only)

The store is shared by all suites: the kinds of a suite's documents begin with its name. A request is one transaction of
the store, unless the suite overrides `answer`. A fault with a name of the suite's own is taken by `request.fault(name)`;
where one address serves everything, `fault_path` says what a request is about, so that faults can tell.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from datetime import date
from typing import Any

from audit.sandbox import SandboxSystem, Store

#: Name -> dotted path of its class. One line per product.
SUITES: dict[str, str] = {
    "M3": "erp.infor.m3.sandbox.M3Sandbox",
    "FSM": "erp.infor.fsm.sandbox.FsmSuite",
}


class Suite(SandboxSystem):
    """`today` places fiscal periods. Raises ValueError for an unknown setting; a store that is not empty is kept."""

    def __init__(self, store: Store, *, seed: int, today: date, settings: Mapping[str, Any]) -> None:
        super().__init__(store)
        self.seed = seed
        self.today = today

    def facts(self) -> dict[str, Any]:
        """What a connection to this product needs to know besides the `.ionapi` file. Values are text or lists of it."""
        return {}

    def reset_ledger(self) -> None:
        """Forget every journal; set-up and settings stay."""

    def reset(self) -> None:
        """As it was at the beginning, with the settings of the beginning."""
        self.reset_ledger()


def suite_class(name: str) -> type[Suite]:
    """Raises KeyError for a suite that is not in SUITES."""
    module_name, _, class_name = SUITES[name].rpartition(".")
    found: type[Suite] = getattr(importlib.import_module(module_name), class_name)
    return found
