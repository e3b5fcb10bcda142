"""What can be set on the gateway of the Infor sandbox, while it runs too; a suite declares its own the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from decimal import Decimal
from typing import Any, ClassVar, Self


@dataclass(frozen=True, slots=True)
class CheckedSettings:
    """Settings by name, of the type of their default. `CHOICES`: name -> the values it may have."""

    CHOICES: ClassVar[Mapping[str, tuple[Any, ...]]] = {}

    def changed(self, values: Mapping[str, Any]) -> Self:
        """Raises ValueError for an unknown name, another type, or a value that is not one of the choices."""
        known = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"there is no setting {name}; there are {', '.join(known)}")
            kind = known[name]
            if kind is float and isinstance(value, int | Decimal) and not isinstance(value, bool):
                value = float(value)
            if type(value) is not kind:
                raise ValueError(f"setting {name} must be {kind.__name__}")
            if name in self.CHOICES and value not in self.CHOICES[name]:
                raise ValueError(f"setting {name} must be one of {', '.join(str(each) for each in self.CHOICES[name])}")
            if isinstance(value, int | float) and value < 0:
                raise ValueError(f"setting {name} must not be negative")
            checked[name] = value
        return replace(self, **checked)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class GatewaySettings(CheckedSettings):
    CHOICES: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "expires_in": ("number", "text", "missing"),
        "client_authentication": ("both", "basic", "body"),
    }

    token_seconds: float = 7200.0
    """Life of a token; a tenant chooses between 1 and 24 hours, a test also less."""
    expires_in: str = "number"
    """How the life is said in the answer; a public client casts it from text."""
    issues_refresh_token: bool = False
    client_authentication: str = "both"
    """Which way to name the client is taken: HTTP Basic, in the form, or both."""
    app_enabled: bool = True
    account_enabled: bool = True
    """Of the service account; false: it was deleted or its user disabled."""
    grants_password: bool = True
    """False: the app is not a backend service."""
    scope: str = ""
    """One that the app has: it stands in the file (`sc`), and a token without it is refused (assumed)."""
    denied_suites: str = ""
    """Suites, separated by blanks, that answer 403."""
    absent_suites: str = ""
    """Suites, separated by blanks, that this tenant does not have: 404."""
    period_milliseconds: int = 1000
    """timePeriodInMilliseconds of the throttling policy."""
    requests_max: int = 0
    """spikeArrest.maxRequestsPerPeriod: more answer 429; 0 = no limit."""
    delay_after_count: int = 0
    """rateSmoothing.delayAfterCount: requests of a period beyond it wait; 0 = none do."""
    delay_milliseconds: int = 100
    """rateSmoothing.delayFactorInMilliseconds for each request beyond."""
    quota_allow: int = 0
    """Requests per `quota_seconds`, then 429; 0 = no quota."""
    quota_seconds: int = 60
    sends_retry_after: bool = False
    """Whether 429 says when to come back; undocumented."""
