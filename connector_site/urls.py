"""Every address of the product."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from connector_site import health
from connector_site.operator import operator_site
from tenants.middleware import unscoped

urlpatterns = [
    path("", unscoped(RedirectView.as_view(pattern_name="admin:index"))),
    path("console/", admin.site.urls),
    path("operator/", operator_site.urls),
    path("account/", include("connector_site.account_urls")),
    path("gusto/", include("gusto.urls")),
    path("api/v1/", include("connector_site.api")),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", health.metrics),
]

handler400 = "connector_site.error_pages.bad_request"
handler403 = "connector_site.error_pages.forbidden"
handler404 = "connector_site.error_pages.not_found"
handler500 = "connector_site.error_pages.server_error"
