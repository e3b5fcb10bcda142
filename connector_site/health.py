"""Is it alive, may it serve, how is it doing: /health/live, /health/ready and /metrics.

A load balancer asks live, because a notice from Gusto can be stored as long as the process answers; alarms hang on
ready and on the metrics. Nothing here names a tenant or shows an amount.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from audit import canary
from audit.models import WorkItem
from connector_site import checks
from erp.models import Posting
from gusto.models import PayrollRun, WebhookEvent
from tenants.middleware import unscoped
from tenants.models import Tenant
from tenants.scope import tenant_scope

#: Work that should have begun so long ago means that nobody keeps up.
OLDEST_SECONDS_MAX = 300.0
#: Tenants whose secrets are tried at each look; `manage.py doctor` tries all.
TENANTS_TRIED = 3
#: The figures of /metrics are counted at most this often, however many ask.
COUNTED_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of /health/ready."""

    name: str
    is_passed: bool
    sentence: str


def findings() -> list[Finding]:
    """What readiness means, line by line. The first line fails alone if the database cannot be reached."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError):
        connection.close()
        return [Finding("database", False, "The database cannot be reached.")]
    found = [Finding("database", True, "The database answers.")]
    unapplied = _look("migrations", "Every migration is applied.", checks.unapplied_migrations)
    found += [
        unapplied,
        _look("role", "The role stands behind the wall.", lambda: checks.role() + checks.open_tables()),
    ]
    if unapplied.is_passed:
        found.append(_look("keys", "Secrets can be opened.", lambda: checks.unreadable_secrets(TENANTS_TRIED)))
        found.append(_oldest())
        found.append(_look("worker", "A worker does what is due.", checks.worker_not_seen))
    return found


def _look(name: str, sentence: str, check: Callable[[], list[CheckMessage]]) -> Finding:
    try:
        messages = check()
    except DatabaseError as error:
        return Finding(name, False, f"The database refused the question ({type(error).__name__}).")
    if messages:
        return Finding(name, False, " ".join(str(message.msg) for message in messages))
    return Finding(name, True, sentence)


def _oldest() -> Finding:
    seconds = oldest_due_seconds()
    if seconds > OLDEST_SECONDS_MAX:
        return Finding("work", False, f"The oldest due work item has waited for {round(seconds)} seconds.")
    return Finding("work", True, "Work is begun in time.")


def oldest_due_seconds() -> float:
    """How long the oldest due work item has waited, 0 if nothing is due. The canary is due before everything else, so
    it counts from its creation.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COALESCE(extract(epoch FROM clock_timestamp() - min(GREATEST(due_at, created_at))), 0)::float "
            "FROM audit_workitem WHERE state = 'ready' AND due_at <= clock_timestamp()"
        )
        row = cursor.fetchone()
    return max(float(row[0]), 0.0) if row else 0.0


@unscoped
@require_safe
@never_cache
def live(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers; asks nothing."""
    return JsonResponse({"status": "live"})


@unscoped
@require_safe
@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    """200 if everything that serving needs is there, else 503; each line with its sentence."""
    found = findings()
    is_ready = all(finding.is_passed for finding in found)
    return JsonResponse(
        {"status": "ready" if is_ready else "not ready", "checks": [asdict(finding) for finding in found]},
        status=200 if is_ready else 503,
    )


@unscoped
@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """The Prometheus text format. With MLC_METRICS_TOKEN set, only for `Authorization: Bearer <it>`."""
    expected = settings.METRICS_TOKEN
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if expected and not hmac.compare_digest(given.encode(), expected.encode()):
        return HttpResponse("A token is needed.\n", status=401, content_type="text/plain")
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


class DatabaseFigures(Collector):
    """Gauges counted in the database: true for the installation, whichever process is asked.

    Rows of tenants are counted tenant by tenant inside their scopes, because nothing reads past the wall, and only the
    sums leave this class.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._counted_at = float("-inf")
        self._metrics: list[Metric] = []

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not ask the database."""
        return []

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            if time.monotonic() - self._counted_at >= COUNTED_SECONDS:
                self._metrics = _counted()
                self._counted_at = time.monotonic()
            return list(self._metrics)


def _counted() -> list[Metric]:
    up = GaugeMetricFamily("mlc_database_up", "1 if the database answers.")
    try:
        found = _figures()
    except (DatabaseError, InterfaceError):
        connection.close()
        up.add_metric([], 0)
        return [up]
    up.add_metric([], 1)
    return [up, *found]


def _figures() -> list[Metric]:
    work = _by_state("mlc_work_items", "Work items by state.", WorkItem.State.values, _states(WorkItem.objects.all()))
    events = _by_state(
        "mlc_webhook_events",
        "Notices from Gusto by state.",
        WebhookEvent.State.values,
        _states(WebhookEvent.objects.all()),
    )
    runs: dict[str, int] = {}
    postings: dict[str, int] = {}
    tenants = 0
    for tenant in Tenant.objects.filter(is_installation=False).only("id"):
        tenants += 1
        with tenant_scope(tenant.id):
            for total, rows in ((runs, PayrollRun.objects.all()), (postings, Posting.objects.all())):
                for state, count in _states(rows).items():
                    total[state] = total.get(state, 0) + count
    oldest = GaugeMetricFamily("mlc_oldest_due_work_seconds", "How long the oldest due work item has waited.")
    oldest.add_metric([], oldest_due_seconds())
    seen = GaugeMetricFamily("mlc_worker_seen_seconds", "Seconds since a worker did the canary; absent = never.")
    if (seconds := canary.seconds_since_seen()) is not None:
        seen.add_metric([], seconds)
    number = GaugeMetricFamily("mlc_tenants", "Tenants of this installation.")
    number.add_metric([], tenants)
    return [
        work,
        oldest,
        seen,
        events,
        _by_state("mlc_payroll_runs", "Payroll runs by state, over all tenants.", PayrollRun.State.values, runs),
        _by_state("mlc_postings", "Postings by state, over all tenants.", Posting.State.values, postings),
        number,
    ]


def _states(rows: Any) -> dict[str, int]:
    return dict(rows.order_by().values_list("state").annotate(count=Count("pk")))


def _by_state(name: str, words: str, states: Iterable[str], counts: dict[str, int]) -> GaugeMetricFamily:
    """One sample for every known state, so that an alarm on a state works before the first such row."""
    found = GaugeMetricFamily(name, words, labels=["state"])
    for state in states:
        found.add_metric([state], counts.get(state, 0))
    return found


REGISTRY.register(DatabaseFigures())
