"""The whole way for tests of posting: both sandboxes, a receiving web server, a connected legal entity."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.world import World, make_world

# What they hold for true is shown with its values when it is not, as in the tests themselves.
pytest.register_assert_rewrite("tests.erp.contract", "tests.erp.books")


@pytest.fixture
def world(transactional_db, tenant, live_server, settings, tmp_path) -> Iterator[World]:
    settings.PUBLIC_URL = live_server.url
    # Unknown outcomes settle at once; how long they settle in production is each connector's own figure.
    settings.SETTLING_SECONDS = 0
    made = make_world(tmp_path, tenant, live_server.url)
    yield made
    made.server.stop()
