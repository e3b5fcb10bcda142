"""What no public page says of M3 is a switch of its sandbox: whichever way it stands, reference data come whole and a journal
is in the ledger once.
"""

from __future__ import annotations

import pytest

from erp.connector import Found
from tests.erp.infor.m3.conftest import Kept, payroll
from tests.erp.infor.m3.test_connector import enter, look

SWITCHES = [
    {"bulk_stops_on_error": True},
    {"error_transport": "top", "message_form": "with_code"},
    {"definition_errors": "result", "message_form": "bare_code"},
    {"numeric_blank": "", "empty_list": "error"},
    {"maxrecs_from": "nowhere"},
    {"maxrecs_ceiling": 150, "booleans_as_text": True},
    {"language": "DE", "export_empty": "header"},
    {"duplicate_line": "append"},
    {"duplicate_line": "replace", "duplicate_head": "accept"},
    {"keeps_batch": False},
    {"line_needs_head": False, "second_update": "refuse"},
    {"user_division": "", "division_filter": "taken"},
    {"field_lines_prefix": "QX", "head_status": True},
    {"update_polls": 2},
]


@pytest.mark.parametrize("switches", SWITCHES, ids=lambda switches: ",".join(switches))
def test_reference_data_and_a_journal_with_a_switch(m3, switches):
    whole = m3.reference
    m3.set(**switches)
    m3.reference = m3.connector(is_warm=False).read_reference()
    assert (m3.reference.accounts, m3.reference.dimension_values) == (whole.accounts, whole.dimension_values)
    assert (m3.reference.periods, m3.reference.setup_problems) == (whole.periods, ())
    # More lines than a list shows that is cut.
    journal, kept = payroll(120), Kept()
    enter(m3, journal, kept)
    looks = [look(m3, journal, kept) for _ in range(4)]
    assert isinstance(looks[-1], Found)
    assert looks[-1].is_posted
    m3.holds(journal)
