"""Heads of the audit chains kept outside the database, one JSON line each: only against them does a chain that was cut
off or rewritten whole show (invariant I8).
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from django.utils import timezone

from audit.trail import Head, Verification, verify
from tenants.models import Tenant
from tenants.scope import tenant_scope


class AnchorUnreadable(Exception):  # noqa: N818 - reads as what happened
    """The sentence names file and line. A damaged anchor proves nothing, so nothing is concluded from the rest."""


def read(path: Path) -> list[Head]:
    """Every head in the file, oldest first. Raises AnchorUnreadable."""
    found = []
    try:
        text = path.read_text()
    except OSError as error:
        raise AnchorUnreadable(f"The anchor file {path} cannot be read: {error.strerror}.") from None
    for number, line in enumerate(text.splitlines(), 1):
        try:
            row = json.loads(line)
            found.append(Head(str(row["tenant_id"]), int(row["number"]), str(row["seal"])))
        except (ValueError, KeyError, TypeError):
            raise AnchorUnreadable(f"Line {number} of the anchor file {path} is not an anchor.") from None
    return found


def append(path: Path, heads: Iterable[Head]) -> None:
    """Add heads to the file and let them reach the disk. Raises OSError."""
    at = timezone.now().isoformat()
    with path.open("a") as file:
        for head in heads:
            file.write(json.dumps({"at": at, **asdict(head)}) + "\n")
        file.flush()
        os.fsync(file.fileno())


def verify_all(anchors: Iterable[Head]) -> list[tuple[str, Verification]]:
    """(tenant's slug, result) for every tenant; one that only the anchors know is broken."""
    by_tenant: defaultdict[str, list[Head]] = defaultdict(list)
    for anchor in anchors:
        by_tenant[anchor.tenant_id].append(anchor)
    found = []
    for tenant in Tenant.objects.order_by("slug"):
        with tenant_scope(tenant.id):
            found.append((tenant.slug, verify(by_tenant.pop(str(tenant.id), []))))
    for tenant_id, heads in by_tenant.items():
        newest = max(heads, key=lambda head: head.number)
        sentence = f"The anchor knows this tenant up to entry {newest.number}; the database does not know it."
        found.append((tenant_id, Verification(Head(tenant_id, 0, ""), 0, 1, sentence)))
    return found
