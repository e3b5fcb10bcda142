"""POST /data/$batch of the Dynamics 365 sandbox: the shared multipart, refused in the vendor's words."""

from __future__ import annotations

from audit.sandbox import Refused
from erp.d365.sandbox_errors import error_answer
from erp.odata_sandbox import BatchReader, Changeset, Operation


def malformed(message: str) -> Refused:
    return Refused(error_answer(400, f"The batch request is not valid. {message}"))


def read_batch(body: bytes, content_type: str, service: str) -> list[Operation | Changeset]:
    """`service` is the address of /data. Raises `Refused` (400) for the whole batch; nothing of it was done then."""
    return BatchReader(service, malformed).read(body, content_type)
