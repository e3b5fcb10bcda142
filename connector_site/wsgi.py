"""The web application for granian. What is wrong stops the start with a sentence instead of a traceback."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connector_site.settings")
try:
    application = get_wsgi_application()
except ImproperlyConfigured as error:
    sys.exit(f"ml-connector does not start: {error}")

from django.conf import settings

from connector_site import checks

# Here too and not only in `run`: a server that is started by other means must not serve past the wall either.
if reasons := checks.refusals():
    sys.exit("ml-connector does not start:\n" + "\n".join(f"- {reason}" for reason in reasons))

if settings.TRUSTED_PROXIES:
    from granian.utils.proxies import wrap_wsgi_with_proxy_headers

    application = wrap_wsgi_with_proxy_headers(application, trusted_hosts=settings.TRUSTED_PROXIES)
