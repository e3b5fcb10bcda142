"""What every part of the bench plays on: sandboxes, a connected tenant, and the product's own web server and worker."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import requests
from django.conf import settings

from connector_site import supervisor
from tenants.models import Tenant
from tests.world import World, make_world, own_process


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stage:
    """The web server runs from the start; a worker runs where a part asks for one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Stage:
        settings.PUBLIC_URL, settings.SETTLING_SECONDS = self.address, 0
        self._web = own_process(list(supervisor.web("127.0.0.1", self.port).argv), self.address)
        self._web.__enter__()
        wait_for(f"{self.address}/health/live")
        return self

    def __exit__(self, *exc: object) -> None:
        if "world" in self.__dict__:
            self.world.server.stop()
        self._web.__exit__(None, None, None)

    @cached_property
    def world(self) -> World:
        tenant = Tenant.objects.create(name="Bench", slug="bench")
        return make_world(self.folder, tenant, self.address, employees=50, history=0)

    @contextmanager
    def worker(self) -> Iterator[None]:
        """The real cluster, as `manage.py run` starts it, with a pulse that sweeps."""
        pulse = [sys.executable, "-c", PULSE]
        with (
            own_process(list(supervisor.worker().argv), self.address),
            own_process(pulse, self.address),
        ):
            time.sleep(2.0)
            yield


PULSE = """
import time, django
django.setup()
from audit import work
while True:
    work.sweep()
    time.sleep(1)
"""


def wait_for(address: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            requests.get(address, timeout=2)
        except requests.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
