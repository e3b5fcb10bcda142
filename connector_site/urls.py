"""Every address of the product."""

from django.contrib import admin
from django.urls import path

from connector_site import health

urlpatterns = [
    path("console/", admin.site.urls),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", health.metrics),
]
