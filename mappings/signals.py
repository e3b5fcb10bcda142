"""What mappings tells the floors above. Sent inside the tenant's scope and transaction; receivers only enqueue work."""

from __future__ import annotations

from django.dispatch import Signal

#: sender = MappingTable, table = the version that was just approved.
version_approved = Signal()
