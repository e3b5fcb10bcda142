"""Every call to the outside goes through here: timed, bounded, checked against the address allow-list, and recorded.

Four errors say what happens next, and nothing else leaves this module: `TemporaryFailure` (tried again by itself),
`Rejected` (the far side's words go to finance), `Misconfigured` (a person repairs a setting), `OutcomeUnknown` (a write
whose effect nobody knows: the far side is asked before anything is sent again). Closed by default: what no table
knows is `OutcomeUnknown` for a write and `TemporaryFailure` for a read.
"""

from __future__ import annotations

import contextvars
import hashlib
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
import simplejson
import urllib3.connection
import urllib3.connectionpool
from django.conf import settings
from django.db import connection
from django.utils import timezone
from requests.adapters import HTTPAdapter

from audit.mask import BODY_LENGTH, masked_fields, masked_query
from audit.models import Exchange
from tenants.credentials import AddressRefused, check_address_text, resolve
from tenants.scope import tenant_scope

#: Seconds to wait for a connection: a host that does not accept within this is down.
CONNECT_SECONDS = 5.0
#: Seconds to wait for an answer unless the caller says otherwise: the ION gateway cuts at 60, Dynamics answers slowly.
READ_SECONDS = 75.0
#: The largest answer that is read into memory: a page of 10,000 Dynamics rows is about 20 MB.
ANSWER_BYTES_MAX = 64 * 1024 * 1024
#: Longest wait that a far side may ask for with Retry-After; longer is treated as this.
RETRY_AFTER_SECONDS_MAX = 3600.0

#: The request of the web server or the work item that caused an exchange; joins log lines, exchanges and audit entries.
request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")


class ExchangeError(Exception):
    """Base of the four. `sentence` is for finance staff; it never holds a secret, a person or a pay figure."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class TemporaryFailure(ExchangeError):  # noqa: N818 - named after what happens next
    """Nothing was done; the same call is tried again by itself."""

    def __init__(self, sentence: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after_seconds = retry_after_seconds


class Rejected(ExchangeError):  # noqa: N818
    """The far side understood and refused; its own words are in the sentence."""


class Misconfigured(ExchangeError):  # noqa: N818
    """A retry without a changed setting cannot work. `page` names where to repair it: connection, gusto, mapping, period."""

    def __init__(self, sentence: str, page: str = "connection") -> None:
        super().__init__(sentence)
        self.page = page


class OutcomeUnknown(ExchangeError):  # noqa: N818
    """A write left and nobody knows whether it worked. Ask first, never send again blindly."""


class NetworkInsideTransaction(RuntimeError):  # noqa: N818
    """A programming error: a call was about to leave while a tenant scope, and so a transaction, was open."""


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header, given as seconds or as an HTTP date (RFC 9110, 10.2.3)."""
    text = (headers.get("Retry-After") or "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), RETRY_AFTER_SECONDS_MAX)


def json_of(response: requests.Response) -> Any:
    """The answer's JSON with every fraction as Decimal. Raises ValueError where it is not JSON (a proxy's page)."""
    return simplejson.loads(response.content, use_decimal=True)


def json_body(document: Any) -> bytes:
    """A request body in which a Decimal is a JSON number, digit for digit."""
    return simplejson.dumps(document, use_decimal=True, ensure_ascii=False).encode()


class RecordedSession:
    """One conversation with one outside system, on behalf of one tenant.

    Not shared between threads. `about` is what the exchange was for (a posting key, a payroll uuid, a connection).
    """

    def __init__(
        self,
        *,
        tenant_id: uuid.UUID,
        system: str,
        about: str = "",
        is_on_premises: bool = False,
        is_private: bool = False,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self.tenant_id = tenant_id
        self.system = system
        self.about = about
        # Whatever goes over it is about people or their pay.
        self._is_private = is_private
        self._timeout = (connect_seconds, read_seconds)
        self._session = requests.Session()
        # Proxies, netrc and certificates from the environment would silently change where a secret goes.
        self._session.trust_env = False
        # No cookie is kept or sent: every call signs in by itself, and a session cookie would make IFS ask for more.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        if settings.CA_BUNDLE:
            self._session.verify = settings.CA_BUNDLE
        adapter = _CheckedAdapter(is_on_premises=is_on_premises, sandbox_allowed=settings.SANDBOX_ALLOWED)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def __enter__(self) -> RecordedSession:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._session.close()

    def call(
        self,
        method: str,
        url: str,
        *,
        writes: bool,
        private: bool = False,
        returns: frozenset[int] = frozenset(),
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | str | None = None,
        data: bytes | Mapping[str, str] | None = None,
        json: Any = None,
        read_seconds: float | None = None,
    ) -> requests.Response:
        """Send one request and record it. Redirects are not followed.

        `writes`: the call changes something over there. `private`: bodies carry pay or people, keep only digests.
        `returns`: statuses among 429 and 5xx that the caller classifies itself.

        Returns every other answer below 500, whatever its status. Raises TemporaryFailure (429; 5xx, cut or late
        answers of a read; a connection that never came about), OutcomeUnknown (5xx, cut or late answers of a write),
        Misconfigured (address refused by the allow-list).
        """
        if getattr(connection, "mlc_tenant", None) is not None:
            raise NetworkInsideTransaction(f"{method} {urlsplit(url).path} inside a tenant scope")
        try:
            check_address_text(url, sandbox_allowed=settings.SANDBOX_ALLOWED)
        except AddressRefused as refused:
            raise Misconfigured(str(refused)) from None
        body = json_body(json) if json is not None else data
        sent_headers = dict(headers or {})
        if json is not None:
            sent_headers.setdefault("Content-Type", "application/json")
        request = self._session.prepare_request(
            requests.Request(method, url, headers=sent_headers, params=params, data=body)
        )
        record = _Record(self, request, private=private or self._is_private, writes=writes)
        host = urlsplit(request.url or url).hostname or ""
        timeout = (self._timeout[0], read_seconds or self._timeout[1])
        try:
            response = self._session.send(request, timeout=timeout, allow_redirects=False, stream=True)
            _read_bounded(response)
        except AddressRefused as refused:
            record.failed("refused", str(refused))
            raise Misconfigured(str(refused)) from None
        except requests.exceptions.SSLError as error:
            record.failed("refused", "TLS")
            raise Misconfigured(f"The certificate of {host} cannot be verified, so nothing was sent.") from error
        except requests.exceptions.RequestException as error:
            reason = type(error).__name__
            if _never_connected(error):
                record.failed("temporary", reason)
                raise TemporaryFailure(f"{host} cannot be reached at the moment. Nothing was sent.") from error
            if writes:
                record.failed("unknown", reason)
                raise OutcomeUnknown(f"{host} gave no clear answer to what we sent.") from error
            record.failed("temporary", reason)
            raise TemporaryFailure(f"{host} did not answer completely. Nothing was changed.") from error
        record.answered(response)
        if response.status_code in returns:
            return response
        if response.status_code == 429:
            wait = retry_after_seconds(response.headers)
            raise TemporaryFailure(f"{host} asks us to slow down. We try again by itself.", wait)
        if response.status_code >= 500:
            if writes:
                raise OutcomeUnknown(f"{host} answered with status {response.status_code} to what we sent.")
            raise TemporaryFailure(
                f"{host} has a fault of its own (status {response.status_code}). We try again by itself.",
                retry_after_seconds(response.headers),
            )
        return response


def _read_bounded(response: requests.Response) -> None:
    """Read the body into `response.content`. Raises RequestException for a cut or an oversized body."""
    parts: list[bytes] = []
    size = 0
    for part in response.iter_content(65536):
        size += len(part)
        if size > ANSWER_BYTES_MAX:
            response.close()
            raise requests.exceptions.ContentDecodingError("answer too large")
        parts.append(part)
    response._content = b"".join(parts)
    expected = response.headers.get("Content-Length")
    # requests does not notice a body that ends early; a cut answer must never pass for a whole one.
    if expected and response.raw is not None and not response.headers.get("Content-Encoding") and size < int(expected):
        raise requests.exceptions.ChunkedEncodingError("answer cut short")


def _never_connected(error: requests.exceptions.RequestException) -> bool:
    """True only where no byte of the request can have left: resolving or connecting failed."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    cause: BaseException | None = error
    seen = 0
    while cause is not None and seen < 8:
        if isinstance(cause, urllib3.exceptions.NewConnectionError | urllib3.exceptions.NameResolutionError):
            return True
        reason = getattr(cause, "reason", None)
        if isinstance(reason, BaseException):
            cause = reason
        elif cause.args and isinstance(cause.args[0], BaseException):
            cause = cause.args[0]
        else:
            cause = cause.__cause__
        seen += 1
    return False


class _Record:
    """Writes the Exchange row in a transaction of its own, so that it survives whatever comes after."""

    def __init__(
        self, session: RecordedSession, request: requests.PreparedRequest, *, private: bool, writes: bool
    ) -> None:
        parts = urlsplit(request.url or "")
        body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
        self._tenant_id = session.tenant_id
        self._private = private
        self._row = Exchange(
            tenant_id=session.tenant_id,
            system=session.system,
            about=session.about,
            request_id=request_id.get(),
            method=request.method or "",
            host=parts.netloc,
            path=parts.path[:1000],
            query=masked_query(parts.query)[:2000],
            is_write=writes,
            is_private=private,
            started_at=timezone.now(),
            request_bytes=len(body),
            request_digest=hashlib.sha256(body).hexdigest() if body else "",
            request_body="" if private else _kept(body, str(request.headers.get("Content-Type", ""))),
        )

    def answered(self, response: requests.Response) -> None:
        self._row.status = response.status_code
        self._row.answer_bytes = len(response.content)
        self._row.answer_digest = hashlib.sha256(response.content).hexdigest() if response.content else ""
        if not self._private:
            self._row.answer_body = _kept(response.content, response.headers.get("Content-Type", ""))
        self._finish("answered", "")

    def failed(self, outcome: str, reason: str) -> None:
        self._finish(outcome, reason)

    def _finish(self, outcome: str, reason: str) -> None:
        self._row.outcome = outcome
        self._row.reason = reason[:300]
        self._row.milliseconds = int((timezone.now() - self._row.started_at).total_seconds() * 1000)
        with tenant_scope(self._tenant_id):
            self._row.save(force_insert=True)


def _kept(body: bytes, content_type: str) -> str:
    """The masked text of a body that may be kept, cut at BODY_LENGTH."""
    if not body:
        return ""
    text = body.decode("utf-8", "replace")
    if "json" in content_type:
        try:
            return simplejson.dumps(masked_fields(simplejson.loads(text, use_decimal=True)), use_decimal=True)[
                :BODY_LENGTH
            ]
        except ValueError:
            return text[:BODY_LENGTH]
    if "x-www-form-urlencoded" in content_type:
        return masked_query(text)[:BODY_LENGTH]
    return text[:BODY_LENGTH]


class _CheckedAdapter(HTTPAdapter):
    """Resolves, checks and connects in one step, so that no second look-up can lead elsewhere (DNS rebinding)."""

    def __init__(self, *, is_on_premises: bool, sandbox_allowed: bool) -> None:
        def checked(host: str, port: int) -> str:
            return resolve(host, port, is_on_premises=is_on_premises, sandbox_allowed=sandbox_allowed)

        class PlainConnection(urllib3.connection.HTTPConnection):
            def _new_conn(self) -> Any:
                return _connect_to(self, checked, super()._new_conn)

        class TlsConnection(urllib3.connection.HTTPSConnection):
            def _new_conn(self) -> Any:
                return _connect_to(self, checked, super()._new_conn)

        class PlainPool(urllib3.connectionpool.HTTPConnectionPool):
            ConnectionCls = PlainConnection

        class TlsPool(urllib3.connectionpool.HTTPSConnectionPool):
            ConnectionCls = TlsConnection

        self._pools = {"http": PlainPool, "https": TlsPool}
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools


def _connect_to(conn: Any, checked: Any, connect: Any) -> Any:
    """Connect to the checked number while name, Host header and certificate stay those of the name."""
    name = conn._dns_host
    try:
        conn._dns_host = checked(name, conn.port)
    except OSError as error:
        raise urllib3.exceptions.NameResolutionError(name, conn, error) from error  # type: ignore[arg-type]
    try:
        return connect()
    finally:
        conn._dns_host = name
