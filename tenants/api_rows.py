"""What all addresses of the API that give a tenant's rows have in common.

Apart from `tenants.api`, whose classes the framework's settings name and which it loads before its own views.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import QuerySet
from rest_framework import viewsets


class TenantRows(viewsets.GenericViewSet):
    """Rows of the member's tenant, each found by its number. A view says which `model`, and gives them by `rows`."""

    model: ClassVar[type[models.Model]]
    lookup_value_converter = "int"

    def rows(self) -> QuerySet[Any]:
        raise NotImplementedError

    def get_queryset(self) -> QuerySet[Any]:
        # The description of the API is made outside any scope, where the rows of a tenant refuse to be asked for.
        if getattr(self, "swagger_fake_view", False):
            return self.model._default_manager.none()
        return self.rows()
