"""The settings as mypy's Django plugin reads them: their names count, nothing is started with these values."""

import os

from connector_site.local import FOR_HELP

for _name, _value in FOR_HELP.items():
    os.environ.setdefault(_name, _value)

from connector_site.settings import *  # noqa: E402, F403
