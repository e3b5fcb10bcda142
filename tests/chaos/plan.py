"""What a seed stands for: companies, payrolls and what happens to them, and everything that goes wrong meanwhile.

A plan is data and says the same for the same seed. When exactly a process is killed is up to the machine, so a failure may
need several repeats of its seed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from audit.sandbox import Fault

#: Seconds over which a storm is spread.
STORM_SECONDS = 5.0
#: Faults delay a request by less than this; unknown outcomes settle for as long (settings.SETTLING_SECONDS), as the
#: product counts on a settling time that outlasts the slowest request.
SLOW_SECONDS_MAX = 0.5
SETTLING_SECONDS = 1

REASONS = ("Bonus", "Correction", "Dismissed employee", "Hired employee")
#: What may happen to one payroll in Gusto, with weights.
COURSES: dict[tuple[str, ...], int] = {
    ("process",): 6,
    ("process", "pay"): 1,
    ("process", "cancel"): 2,
    ("process", "cancel", "process"): 3,
    ("process", "cancel", "process", "cancel"): 1,
    ("process", "delete"): 1,
    ("process", "reverse"): 1,
}

GUSTO_PATHS = ("", "/payrolls/", "/employees", "/oauth/token", "/events", "/reports", "/webhook_subscriptions")
D365_PATHS = ("", r"/data/\$batch", "/data/LedgerJournalHeaders", "/entra/")
#: Frame faults with the details that they need.
FRAME_FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("lost_answer", {}),
    ("refuse", {}),
    ("cut_body", {}),
    ("slow", {}),
    ("slow_answer", {}),
    ("status", {"status": 500}),
    ("status", {"status": 503, "headers": {"Retry-After": "1"}}),
    ("status", {"status": 429, "headers": {"Retry-After": "1"}}),
    ("status", {"status": 429}),
    ("status", {"status": 401}),
    ("status_after", {"status": 502}),
    ("html", {"status": 502}),
)
D365_FAULTS = ("batch_truncated", "batch_part_429", "changeset_fails", "update_conflict")
WEBHOOK_FAULTS = ("webhook_lost", "webhook_late", "webhook_duplicate", "webhook_wrong_signature")
#: Requests at which workers are caught and killed: (system, method, path). Twice what has an effect on the ledger.
AMBUSHES = (
    ("gusto", "GET", "/payrolls/"),
    ("gusto", "GET", "/employees"),
    ("gusto", "POST", "/oauth/token"),
    ("gusto", "GET", "/events"),
    ("d365", "POST", "/entra/"),
    ("d365", "POST", r"/data/\$batch"),
    ("d365", "POST", r"/data/\$batch"),
    ("d365", "POST", "/data/LedgerJournalHeaders"),
    ("d365", "POST", "/data/LedgerJournalHeaders"),
    ("d365", "DELETE", "/data/LedgerJournalHeaders"),
)


@dataclass(frozen=True, slots=True)
class Company:
    """One Gusto company with its legal entity. `is_split`: its departments belong to two company codes."""

    employees: int
    approval: str
    company_code: str
    is_split: bool


@dataclass(frozen=True, slots=True)
class Payroll:
    """One payroll and its course. `reason` empty = regular; `people` 0 = everybody."""

    company: int
    reason: str
    people: int
    course: tuple[str, ...]

    @property
    def is_plain(self) -> bool:
        """Nobody takes it back: every run has to end with exactly the same journals."""
        return not {"cancel", "delete", "reverse"} & set(self.course)


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happens `at` seconds after the storm began."""

    at: float
    what: str
    """process, cancel, delete, reverse or pay (a payroll); process_unheard (no notice of it ever exists); kill_worker,
    pause_worker, kill_web; ambush (a fault that catches a worker, which is then killed); fault; expire_gusto_tokens,
    expire_d365_tokens; close_period; post_journals; approve; look_now."""
    payroll: int = -1
    company: int = -1
    seconds: float = 0.0
    fault: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [f"{self.at:5.2f} s  {self.what}"]
        if self.payroll >= 0:
            parts.append(f"payroll {self.payroll}")
        if self.company >= 0:
            parts.append(f"company {self.company}")
        if self.seconds:
            parts.append(f"{self.seconds:.2f} s")
        parts += [f"{name}={value}" for name, value in self.fault.items()]
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a seed decides."""

    seed: int
    companies: tuple[Company, ...]
    payrolls: tuple[Payroll, ...]
    acts: tuple[Act, ...]
    changeset_size: str

    def __str__(self) -> str:
        lines = [f"seed {self.seed}, changeset size {self.changeset_size}"]
        lines += [f"company {number}: {company}" for number, company in enumerate(self.companies)]
        lines += [f"payroll {number}: {payroll}" for number, payroll in enumerate(self.payrolls)]
        return "\n".join([*lines, *map(str, self.acts)])


def plan_of(seed: int) -> Plan:
    """The plan of a seed."""
    chance = random.Random(seed)
    companies = tuple(
        Company(
            employees=chance.randint(1, 30),
            approval=chance.choice(["automatic", "person"]),
            company_code=code,
            is_split=chance.random() < 0.4,
        )
        for code in ("us01", "us02")
    )
    payrolls = tuple(_payroll(chance, companies) for _ in range(chance.randint(3, 5)))
    acts = [*_courses(chance, payrolls), *_kills(chance), *_faults(chance), *_others(chance)]
    return Plan(seed, companies, payrolls, tuple(sorted(acts, key=_moment)), chance.choice(["2", "7", "150"]))


def _moment(act: Act) -> float:
    return act.at


def _payroll(chance: random.Random, companies: tuple[Company, ...]) -> Payroll:
    company = chance.randrange(len(companies))
    reason = chance.choice(["", "", *REASONS])
    people = chance.randint(1, companies[company].employees) if reason and chance.random() < 0.5 else 0
    (course,) = chance.choices(list(COURSES), list(COURSES.values()))
    return Payroll(company, reason, people, course)


def _courses(chance: random.Random, payrolls: tuple[Payroll, ...]) -> list[Act]:
    acts = []
    for number, payroll in enumerate(payrolls):
        at = chance.uniform(0.2, STORM_SECONDS / 2)
        for position, command in enumerate(payroll.course):
            is_secret = payroll.is_plain and position == 0 and chance.random() < 0.2
            acts.append(Act(at, "process_unheard" if is_secret else command, payroll=number))
            # Sometimes before anybody can have looked, sometimes long after the journal was entered.
            at += chance.choice([0.0, 0.1, 0.5, 1.0, 2.0]) * chance.random()
    return acts


def _kills(chance: random.Random) -> list[Act]:
    acts = [Act(_at(chance), "kill_worker", seconds=chance.uniform(0, 0.5)) for _ in range(chance.randint(0, 3))]
    acts += [Act(_at(chance), "pause_worker", seconds=chance.uniform(0.1, 0.8)) for _ in range(chance.randint(0, 1))]
    acts += [Act(_at(chance), "kill_web", seconds=chance.uniform(0, 1.0)) for _ in range(chance.randint(0, 1))]
    for _ in range(chance.randint(1, 4)):
        system, method, path = chance.choice(AMBUSHES)
        fault = {
            "fault": chance.choice(["slow", "slow_answer", "lost_answer"]), "system": system, "method": method,
            "path": path, "skip": chance.randint(0, 2), "seconds": SLOW_SECONDS_MAX * chance.uniform(0.4, 1.0),
        }  # fmt: skip
        acts.append(Act(_at(chance) * 0.5, "ambush", seconds=chance.uniform(0, 0.2), fault=fault))
    return acts


def _faults(chance: random.Random) -> list[Act]:
    faults: list[dict[str, Any]] = []
    for _ in range(chance.randint(5, 12)):
        system, paths = chance.choice([("gusto", GUSTO_PATHS), ("d365", D365_PATHS)])
        name, details = chance.choice(FRAME_FAULTS)
        faults.append(
            {
                "fault": name, "system": system, "path": chance.choice(paths), "skip": chance.choice([0, 0, 1, 2, 3]),
                "times": chance.choice([1, 1, 1, 2, 4]), **details,
            }
            | ({"seconds": SLOW_SECONDS_MAX * chance.random()} if name.startswith("slow") else {})
        )  # fmt: skip
    faults += [
        {"fault": chance.choice(D365_FAULTS), "system": "d365", "skip": chance.randint(0, 2)}
        for _ in range(chance.randint(0, 2))
    ]
    faults += [
        {
            "fault": chance.choice(WEBHOOK_FAULTS), "system": "gusto", "path": chance.choice(["", "payroll", "processed"]),
            "times": chance.randint(1, 4), "seconds": chance.uniform(0.2, 2.0),
        }
        for _ in range(chance.randint(0, 4))
    ]  # fmt: skip
    # Early, so that work meets them: a payroll is in the ledger a second after it was processed.
    return [Act(_at(chance) * chance.choice([0.1, 0.3, 0.8]), "fault", fault=fault) for fault in faults]


def _others(chance: random.Random) -> list[Act]:
    menu = ["expire_gusto_tokens", "expire_d365_tokens", "post_journals", "approve", "approve", "look_now", "look_now"]
    acts = [Act(_at(chance), chance.choice(menu)) for _ in range(chance.randint(3, 9))]
    for company in range(2):
        if chance.random() < 0.25:
            acts.append(Act(_at(chance) * 0.6, "close_period", company=company, seconds=chance.uniform(0.5, 3.0)))
    return acts


def _at(chance: random.Random) -> float:
    return chance.uniform(0, STORM_SECONDS)


def fault_of(details: dict[str, Any]) -> Fault:
    """A fault of its own each time it is asked for: playing one uses it up."""
    return Fault(**details)
