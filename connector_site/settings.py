"""Every setting of an installation, from the environment. A wrong or missing value stops the start with a sentence.

`docs/reference/settings.md` explains each; a test keeps the two equal. Secrets may come from a file: NAME_FILE.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from connector_site.logs import configuration as log_configuration

BASE_DIR = Path(__file__).resolve().parent.parent

#: Names of the environment variables that are read here, for the docs test.
KNOWN: set[str] = set()

if (BASE_DIR / ".env").exists() and "MLC_EMBEDDED" not in os.environ:
    environ.Env.read_env(BASE_DIR / ".env")


def text(name: str, default: str | None = None, missing: str = "") -> str:
    """A text setting; NAME_FILE names a file that holds it."""
    KNOWN.add(name)
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE names {path}, which cannot be read: {error.strerror}.") from None
    value = os.environ.get(name, "").strip()
    if value:
        return value
    if default is None:
        raise ImproperlyConfigured(f"{name} is not set. {missing}".strip())
    return default


def flag(name: str, default: bool = False) -> bool:
    value = text(name, "1" if default else "0").lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} is “{value}”; it must be 1 or 0.")


def number(name: str, default: int, least: int, most: int) -> int:
    value = text(name, str(default))
    if not value.isdigit() or not least <= int(value) <= most:
        raise ImproperlyConfigured(f"{name} is “{value}”; it must be a whole number from {least} to {most}.")
    return int(value)


def words(name: str, default: str = "") -> list[str]:
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


DEBUG = False
IS_EMBEDDED = os.environ.get("MLC_EMBEDDED") == "1"
IS_DEMO = os.environ.get("MLC_DEMO") == "1"
#: Where an installation on the embedded server keeps its files; empty in production.
DATA_FOLDER = os.environ.get("MLC_DATA_FOLDER", "")

SECRET_KEY = text("SECRET_KEY", missing="Make one with: python -c 'import secrets; print(secrets.token_urlsafe(50))'")
if len(SECRET_KEY) < 32:
    raise ImproperlyConfigured("SECRET_KEY is shorter than 32 characters.")
SECRET_KEY_FALLBACKS = words("SECRET_KEY_FALLBACKS")

FIELD_ENCRYPTION_KEYS = [
    key.strip()
    for key in text(
        "FIELD_ENCRYPTION_KEYS",
        missing="Make one with: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'",
    ).split(",")
    if key.strip()
]
for _key in FIELD_ENCRYPTION_KEYS:
    try:
        Fernet(_key)
    except ValueError:
        raise ImproperlyConfigured("FIELD_ENCRYPTION_KEYS holds a key that is not a Fernet key.") from None

#: Opens the sandbox: plain http to loopback, and addresses inside this machine.
SANDBOX_ALLOWED = flag("MLC_SANDBOX")
if SANDBOX_ALLOWED:
    # oauthlib refuses plain http by itself; our own allow-list lets it reach loopback only.
    os.environ.setdefault("OAUTHLIB_INSECURE_TRANSPORT", "1")
#: A file of certificates to trust instead of certifi's, for an ERP behind a company's own authority.
CA_BUNDLE = text("MLC_CA_BUNDLE", "")
if CA_BUNDLE and not Path(CA_BUNDLE).is_file():
    raise ImproperlyConfigured(f"MLC_CA_BUNDLE names {CA_BUNDLE}, which is not a file.")

PUBLIC_URL = text(
    "MLC_PUBLIC_URL", "http://127.0.0.1:8000" if IS_EMBEDDED else None, "Example: https://payroll.example.com"
).rstrip("/")
_public = urlsplit(PUBLIC_URL)
if _public.scheme not in {"http", "https"} or not _public.hostname or _public.path:
    raise ImproperlyConfigured(f"MLC_PUBLIC_URL is “{PUBLIC_URL}”; it must be like https://payroll.example.com.")
IS_HTTPS = _public.scheme == "https"
if not IS_HTTPS and not IS_EMBEDDED and not SANDBOX_ALLOWED:
    raise ImproperlyConfigured(
        "MLC_PUBLIC_URL must start with https:// (http only with MLC_SANDBOX=1 or the embedded database)."
    )
# A probe on the same machine asks by number.
ALLOWED_HOSTS = [_public.hostname, "127.0.0.1", "localhost", *words("MLC_ALLOWED_HOSTS")]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
#: Addresses of reverse proxies whose X-Forwarded-* headers are believed.
TRUSTED_PROXIES = words("MLC_TRUSTED_PROXIES")

INSTALLED_APPS = [
    "connector_site.apps.ConnectorSiteConfig",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
    "connector_site.apps.ConsoleConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "import_export",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "csp",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "django_q",
    "tenants.apps.TenantsConfig",
    "audit.apps.AuditConfig",
    "mappings.apps.MappingsConfig",
    "gusto.apps.GustoConfig",
    "erp.apps.ErpConfig",
]

MIDDLEWARE = [
    "connector_site.logs.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "connector_site.content_policy.ContentPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "connector_site.session_life.SessionLifeMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "tenants.middleware.TenantMiddleware",
    "connector_site.second_factor.SecondFactorMiddleware",
]

ROOT_URLCONF = "connector_site.urls"
WSGI_APPLICATION = "connector_site.wsgi.application"
AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "admin:index"
CSRF_FAILURE_VIEW = "connector_site.error_pages.csrf_failure"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


def _database(name: str, url: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = environ.Env.db_url_config(url)
    except Exception:  # noqa: BLE001 - whatever the parser stumbles on, the value must not be shown: it holds a password
        raise ImproperlyConfigured(
            f"{name} cannot be read. It must be like postgresql://user:password@host:5432/name."
        ) from None
    if found.get("ENGINE") != "django.db.backends.postgresql":
        raise ImproperlyConfigured(
            f"{name} must name a PostgreSQL database (postgresql://...). No other database works."
        )
    options = found.setdefault("OPTIONS", {})
    options["options"] = "-c search_path=mlc -c timezone=UTC"
    options.setdefault("connect_timeout", 5)
    found["CONN_MAX_AGE"] = 60
    # A new connection is the cure for one that the server closed; checking each costs a round trip.
    found["CONN_HEALTH_CHECKS"] = False
    return found


DATABASE_URL = text("DATABASE_URL", missing="Set it, or start through manage.py, which runs an embedded PostgreSQL.")
DATABASES = {"default": _database("DATABASE_URL", DATABASE_URL)}
#: The login that owns the tables, used by `migrate` alone; on the embedded server the application's role may become owner.
MIGRATE_DATABASE_URL = text("MIGRATE_DATABASE_URL", "")
if MIGRATE_DATABASE_URL:
    _database("MIGRATE_DATABASE_URL", MIGRATE_DATABASE_URL)

#: Processes of the worker; each does one work item at a time.
WORKERS = number("MLC_WORKERS", 2, 1, 64)
Q_CLUSTER = {
    "name": "ml-connector",
    "orm": "default",
    "workers": WORKERS,
    "poll": 0.2,
    "timeout": 600,
    "retry": 900,
    "max_attempts": 3,
    "ack_failures": True,
    "queue_limit": 4,
    "bulk": 1,
    "save_limit": -1,
    "catch_up": False,
    "recycle": 500,
    "max_rss": 600_000,
    "guard_cycle": 0.5,
    "label": "Queue",
    "cache": "queue",
}
#: Threads and processes of the web server under `manage.py run`.
WEB_THREADS = number("MLC_WEB_THREADS", 4, 1, 64)
WEB_PROCESSES = number("MLC_WEB_PROCESSES", 1, 1, 32)
#: What a scraper of /metrics has to show as bearer token; empty = the figures are open (they name no tenant).
METRICS_TOKEN = text("MLC_METRICS_TOKEN", "")

#: Seconds until an ERP is asked about an unknown outcome; empty = each connector's own figure (60 for Dynamics).
_settling = text("MLC_SETTLING_SECONDS", "")
SETTLING_SECONDS = number("MLC_SETTLING_SECONDS", 60, 0, 86_400) if _settling else None

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
#: 13 Nov 2026 everywhere, never 11/13.
FORMAT_MODULE_PATH = ["connector_site.formats"]

#: Wrong passwords and used codes are counted in the database, so that the count holds for every web process; there is room
#: for more of them than somebody can make up in the minutes that they count. The queue's status lines are nobody else's
#: business and stay in its process.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "mlc_cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
    "queue": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}

#: Where mail leaves; empty = this installation sends none, and its pages say so.
EMAIL_URL = text("EMAIL_URL", "consolemail://" if IS_DEMO else "")
HAS_MAIL = bool(EMAIL_URL)
if HAS_MAIL:
    if EMAIL_URL.partition("://")[0] not in environ.Env.EMAIL_SCHEMES:
        raise ImproperlyConfigured("EMAIL_URL cannot be read. It must be like smtp+tls://user:password@host:587.")
    vars().update(environ.Env.email_url_config(EMAIL_URL))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = text("MLC_MAIL_FROM", f"ml-connector <no-reply@{_public.hostname}>")
EMAIL_SUBJECT_PREFIX = ""

STATIC_URL = "/static/"
STATIC_ROOT = Path(DATA_FOLDER or BASE_DIR) / "staticfiles"
STATICFILES_DIRS: list[Path] = [BASE_DIR / "templates" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": os.environ.get("MLC_STATIC_STORAGE", "whitenoise.storage.CompressedManifestStaticFilesStorage")
    },
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

ACCOUNT_ADAPTER = "connector_site.sign_in.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_EMAIL_VERIFICATION = "none"  # a mail address comes from an invitation, which proves it, or from the operator
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_SESSION_REMEMBER = True  # how long a session lives is said below, not by a box at the door
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
#: Five wrong passwords of one person, or thirty wrong ones from one address in a minute: many people may share an address.
ACCOUNT_RATE_LIMITS = {"login_failed": "30/m/ip,5/5m/key", "login": "60/m/ip"}
ACCOUNT_DEFAULT_HTTP_PROTOCOL = _public.scheme
MFA_ADAPTER = "connector_site.sign_in.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "ml-connector"
MFA_TOTP_TOLERANCE = 1
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_FORMS = {"add_webauthn": "connector_site.sign_in.AddKeyForm"}
#: A browser lets a page without TLS use passkeys on this machine alone.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not IS_HTTPS
USERSESSIONS_TRACK_ACTIVITY = False
#: Whether somebody who is not invited may found a tenant, by a link sent to their mail address.
SIGN_UP_ALLOWED = flag("MLC_SIGN_UP")
if SIGN_UP_ALLOWED and not HAS_MAIL:
    raise ImproperlyConfigured("MLC_SIGN_UP=1 needs EMAIL_URL: whoever signs up proves a mail address.")

#: The prefix keeps another site of the same domain from setting these cookies.
SESSION_COOKIE_NAME = "__Host-mlc_session" if IS_HTTPS else "mlc_session"
CSRF_COOKIE_NAME = "__Host-mlc_csrf" if IS_HTTPS else "mlc_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
#: A session ends so many hours after the sign-in, and so many minutes after the last thing its person did.
SESSION_COOKIE_AGE = number("MLC_SESSION_HOURS", 12, 1, 168) * 3600
SESSION_IDLE_SECONDS = number("MLC_SESSION_IDLE_MINUTES", 60, 5, 1440) * 60
#: unfold's Alpine evaluates its attributes, and its colours stand in style attributes; nothing else is let in.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'", "'unsafe-eval'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
    }
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_PROXY_SSL_HEADER = None
X_FRAME_OPTIONS = "DENY"
#: A CSV of 5,000 mapping rows is about 1 MB; a payroll file of 10,000 people about 12 MB.
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 1024 * 1024

#: Requests to the API that each member may make: 600/min, 10/second.
API_RATE = text("MLC_API_RATE", "600/min")
if not re.fullmatch(r"[1-9]\d{0,6}/(second|min|hour|day)", API_RATE):
    raise ImproperlyConfigured(f"MLC_API_RATE is “{API_RATE}”; it must be like 600/min or 10/second.")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "tenants.api.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.api.IsMember"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "tenants.api.Pages",
    "DEFAULT_FILTER_BACKENDS": ["tenants.api.KnownParameters"],
    "DEFAULT_THROTTLE_CLASSES": ["tenants.api.MemberRate"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "connector_site.api.problem_json",
    "COERCE_DECIMAL_TO_STRING": True,
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "ml-connector",
    "DESCRIPTION": "Payroll runs, journals, mapping tables, reference data and the audit trail of one tenant. A member's token "
    "(`Authorization: Bearer ...`, made in Settings) says whose.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "connector_site.api.with_problems",
    ],
    "ENUM_NAME_OVERRIDES": {
        "PayrollRunState": "gusto.models.PayrollRun.State",
        "PostingState": "erp.models.Posting.State",
        "MappingTableState": "mappings.models.MappingTable.State",
    },
}

IMPORT_EXPORT_USE_TRANSACTIONS = True
IMPORT_EXPORT_SKIP_ADMIN_LOG = True

LOGGING_CONFIG = None
LOG_LEVEL = text("MLC_LOG_LEVEL", "INFO").upper()
if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
    raise ImproperlyConfigured(f"MLC_LOG_LEVEL is “{LOG_LEVEL}”; it must be DEBUG, INFO, WARNING or ERROR.")
log_configuration(LOG_LEVEL, is_readable=sys.stderr.isatty() and IS_EMBEDDED)

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "ml-connector",
    "SITE_HEADER": "ml-connector",
    "SITE_SYMBOL": "account_balance",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "connector_site.console.environment",
    "DASHBOARD_CALLBACK": "connector_site.home.dashboard",
    "STYLES": ["connector_site.console.stylesheet"],
    "SCRIPTS": ["connector_site.console.script"],
    "COMMAND": {"search_models": False, "show_history": False},
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 263)",
            "100": "oklch(93% .032 263)",
            "200": "oklch(88% .059 263)",
            "300": "oklch(81% .105 263)",
            "400": "oklch(71% .165 263)",
            "500": "oklch(60% .18 263)",
            "600": "oklch(50% .18 263)",
            "700": "oklch(44% .17 263)",
            "800": "oklch(38% .14 263)",
            "900": "oklch(33% .11 263)",
            "950": "oklch(25% .08 263)",
        }
    },
    "SIDEBAR": {"show_search": False, "command_search": False, "navigation": "connector_site.console.navigation"},
}

#: Another colour, so that nobody takes the operator's pages for a tenant's.
_OPERATOR_SHADES = {
    "50": "97% .014", "100": "93% .032", "200": "88% .059", "300": "81% .1", "400": "72% .13", "500": "60% .15",
    "600": "48% .14", "700": "42% .13", "800": "36% .11", "900": "31% .09", "950": "24% .07",
}  # fmt: skip
UNFOLD_OPERATOR: dict[str, Any] = {
    **UNFOLD,
    "DASHBOARD_CALLBACK": None,
    "SITE_SYMBOL": "build",
    "COLORS": {"primary": {weight: f"oklch({shade} 330)" for weight, shade in _OPERATOR_SHADES.items()}},
    "SIDEBAR": {"show_search": False, "command_search": False, "navigation": "connector_site.operator.navigation"},
}
