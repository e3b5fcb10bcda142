"""The console puts its own in place of some of django-unfold's templates. When that package changes one of them, this
says so: compare, carry over what is new, then write the new digest here.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import unfold

OURS = Path(__file__).resolve().parent.parent.parent / "templates"
THEIRS = Path(unfold.__file__).parent / "templates"

DIGESTS = {
    "admin/base.html": "2ce9250b3c649e3a",
    "admin/change_list.html": "5885c39760f6085d",
    "registration/logged_out.html": "cad8c8cf769b9e91",
    "unfold/helpers/app_list.html": "6ab83ac498b2f50f",
    "unfold/helpers/command.html": "ae6ce324d8536613",
    "unfold/helpers/empty_results.html": "5f4727a37a99da76",
    "unfold/helpers/header_title.html": "b126ed2ab9ca1680",
    "unfold/helpers/messages.html": "9e37d808b5122af1",
    "unfold/helpers/navigation_header.html": "35139b9d94580be9",
    "unfold/helpers/navigation_user.html": "4c9ba58b3f215326",
    "unfold/helpers/pagination_default.html": "a6c793aea686e443",
    "unfold/helpers/theme_switch.html": "c8e659df65f5aa78",
    "unfold/helpers/unauthenticated_header.html": "904c823eb0d85052",
    "unfold/helpers/welcomemsg.html": "e8eab02522ba2319",
}


def overridden() -> list[str]:
    return sorted(
        str(path.relative_to(OURS)) for path in OURS.rglob("*.html") if (THEIRS / path.relative_to(OURS)).exists()
    )


def test_every_override_is_watched():
    assert overridden() == sorted(DIGESTS)


@pytest.mark.parametrize("name", sorted(DIGESTS))
def test_upstream_is_as_it_was(name):
    assert hashlib.sha256((THEIRS / name).read_bytes()).hexdigest()[:16] == DIGESTS[name]
