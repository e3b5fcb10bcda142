"""Every address of the product."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from connector_site import health
from connector_site.api import router
from tenants.middleware import unscoped

urlpatterns = [
    path("", unscoped(RedirectView.as_view(pattern_name="admin:index"))),
    path("console/", admin.site.urls),
    path("gusto/", include("gusto.urls")),
    path("api/v1/", include(router.urls)),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", health.metrics),
]
