"""The form of a provision file: which tables and keys it may have, and every mistake in one, named by table and key.

Only the file is looked at here; what its values mean for this installation is judged in `connector_site.provision`.
`docs/reference/provision.md` explains the same tables, and a test holds the two together.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from mappings.policy_values import CHOICES, FLAGS, LISTS, NAMES, TEXTS, stored_value
from mappings.table_csv import CROSSWALK_COLUMNS, MAPPING_COLUMNS, MAPPING_COLUMNS_OPTIONAL
from tenants.models import LegalEntity, Role, Tenant


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something that cannot be right. `number` counts the tables of one name from 1; 0 = the file as a whole."""

    table: str
    number: int
    key: str
    sentence: str

    def __str__(self) -> str:
        where = "" if not self.table else f"[[{self.table}]] {self.number}" if self.number else f"[{self.table}]"
        return (
            ", ".join(part for part in (where, self.key) if part) + (": " if where or self.key else "") + self.sentence
        )


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table. A key that ends with _env names an environment variable and never holds the secret itself."""

    name: str
    kind: type = str
    is_required: bool = False
    choices: tuple[str, ...] = ()


def _choices(model: type[Any], name: str) -> tuple[str, ...]:
    return tuple(str(value) for value, _ in model._meta.get_field(name).choices)


GUSTO_APPLICATION = "gusto_application"
#: Table -> its keys, in the order in which they are applied.
TABLES: dict[str, tuple[Key, ...]] = {
    GUSTO_APPLICATION: (
        Key("client_id", is_required=True),
        Key("client_secret_env", is_required=True),
        Key("api_url"),
        Key("authorize_url"),
        Key("token_url"),
        Key("api_version"),
    ),
    "tenant": (
        Key("slug", is_required=True),
        Key("name", is_required=True),
        Key("requires_second_factor", bool),
        Key("time_zone"),
        Key("date_style", choices=_choices(Tenant, "date_style")),
    ),
    "member": (
        Key("tenant", is_required=True),
        Key("user", is_required=True),
        Key("email"),
        Key("roles", list, is_required=True, choices=tuple(role.value for role in Role)),
        Key("may_see_pay", bool),
        Key("password_env"),
    ),
    "connection": (
        Key("tenant", is_required=True),
        Key("name", is_required=True),
        Key("system", is_required=True),
        Key("on_premises", bool),
        Key("fields", dict, is_required=True),
    ),
    "legal_entity": (
        Key("tenant", is_required=True),
        Key("name", is_required=True),
        Key("company_code"),
        Key("currency"),
        Key("approval", choices=_choices(LegalEntity, "approval")),
        Key("approval_limit"),
        Key("posts_from_date", date),
        Key("sweep_hours", int),
        Key("erp_connection"),
        Key("gusto_refresh_token_env"),
    ),
    "mapping_table": (
        Key("tenant", is_required=True),
        Key("legal_entity", is_required=True),
        Key("valid_from", date),
        Key("rule", list),
        Key("crosswalk", list),
        Key("mapping_csv"),
        Key("crosswalks_csv"),
        *(Key(name, choices=tuple(choices)) for name, choices in CHOICES.items()),
        *(Key(name) for name in TEXTS),
        *(Key(name, bool) for name in FLAGS),
        *(Key(name, list) for name in LISTS),
        Key("approved", bool),
    ),
}
#: The keys of a table that say which one it is; two tables with the same are a mistake.
IDENTITY = {
    "tenant": ("slug",),
    "member": ("tenant", "user"),
    "connection": ("tenant", "name"),
    "legal_entity": ("tenant", "name"),
    "mapping_table": ("tenant", "legal_entity", "valid_from"),
}
RULE_KEYS = tuple(name for name in (*MAPPING_COLUMNS, *MAPPING_COLUMNS_OPTIONAL) if name != "valid_from")
CROSSWALK_KEYS = tuple(name for name in CROSSWALK_COLUMNS if name != "valid_from")

_KIND_WORDS = {
    str: "text in quotes",
    bool: "true or false",
    int: "a whole number",
    list: "a list",
    dict: "a table",
    date: "a day like 2026-01-31, without quotes",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One table of the file whose keys have the right form."""

    table: str
    number: int
    values: Mapping[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    def mistake(self, key: str, sentence: str) -> Mistake:
        return Mistake(self.table, 0 if self.table == GUSTO_APPLICATION else self.number, key, sentence)


@dataclass(slots=True)
class ProvisionFile:
    """The entries that can be used, the names of all (also of those that cannot), and every mistake."""

    folder: Path
    entries: dict[str, list[Entry]] = field(default_factory=lambda: {name: [] for name in TABLES})
    mentioned: set[tuple[Any, ...]] = field(default_factory=set)
    """(table, *identity): whoever refers to one of these is not told that it does not exist."""
    mistakes: list[Mistake] = field(default_factory=list)


def read(path: Path) -> ProvisionFile:
    """Read and judge the form of a file; mistakes are values, nothing is raised."""
    found = ProvisionFile(path.absolute().parent)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        found.mistakes.append(Mistake("", 0, "", f"{path} cannot be read: {error.strerror}."))
        return found
    except UnicodeDecodeError:
        found.mistakes.append(Mistake("", 0, "", f"{path} is not UTF-8 text."))
        return found
    except tomllib.TOMLDecodeError as error:
        found.mistakes.append(Mistake("", 0, "", f"{path} is not TOML: {error}."))
        return found
    for name in document:
        if name not in TABLES:
            found.mistakes.append(Mistake("", 0, name, f"There is no such table.{_nearest(name, TABLES)}"))
    for table in TABLES:
        _read_table(found, table, document.get(table, {} if table == GUSTO_APPLICATION else []))
    return found


def _read_table(found: ProvisionFile, table: str, given: Any) -> None:
    if table == GUSTO_APPLICATION:
        if not isinstance(given, dict):
            found.mistakes.append(Mistake(table, 0, "", "There is one Gusto application: write [gusto_application]."))
            return
        rows = [given] if given else []
    elif isinstance(given, list) and all(isinstance(row, dict) for row in given):
        rows = given
    else:
        found.mistakes.append(Mistake("", 0, table, f"Write [[{table}]] with two brackets."))
        return
    seen: dict[tuple[Any, ...], int] = {}
    for number, row in enumerate(rows, 1):
        entry = Entry(table, number, row)
        mistakes = _form_mistakes(entry)
        identity = tuple(row.get(key) for key in IDENTITY.get(table, ()))
        if identity and all(isinstance(part, str | date | None) for part in identity):
            found.mentioned.add((table, *identity))
            if identity in seen and not mistakes and table != "mapping_table":
                mistakes.append(entry.mistake(IDENTITY[table][-1], f"The same stands in number {seen[identity]}."))
            seen.setdefault(identity, number)
        found.mistakes += mistakes
        if not mistakes:
            found.entries[table].append(entry)


def _form_mistakes(entry: Entry) -> list[Mistake]:
    keys = {key.name: key for key in TABLES[entry.table]}
    mistakes = []
    for name, value in entry.values.items():
        key = keys.get(name)
        if key is None:
            mistakes.append(entry.mistake(name, f"There is no such key.{_nearest(name, keys)}"))
        elif not _has_kind(value, key.kind):
            mistakes.append(entry.mistake(name, f"It must be {_KIND_WORDS[key.kind]}."))
        elif key.choices:
            wrong = [str(part) for part in (value if key.kind is list else [value]) if part not in key.choices]
            if wrong:
                mistakes.append(entry.mistake(name, f"“{', '.join(wrong)}” is not one of {', '.join(key.choices)}."))
    wrong_keys = {mistake.key for mistake in mistakes}
    for key in keys.values():
        if key.is_required and key.name not in wrong_keys and entry.get(key.name) in (None, "", [], {}):
            mistakes.append(entry.mistake(key.name, "It is missing."))
    if entry.table == "mapping_table" and not mistakes:
        mistakes += _mapping_mistakes(entry)
    return mistakes


def _has_kind(value: Any, kind: type) -> bool:
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is date:
        return isinstance(value, date) and not isinstance(value, datetime)
    return isinstance(value, kind)


def _mapping_mistakes(entry: Entry) -> list[Mistake]:
    """Rules stand in the file or in a CSV, never both; a CSV brings its dates with it."""
    mistakes = []
    for name in (name for name in NAMES if name in entry.values):
        try:
            stored_value(name, entry[name])
        except ValueError as error:
            mistakes.append(entry.mistake(name, str(error)))
    if "mapping_csv" in entry.values:
        for name in ("valid_from", "rule", "crosswalk"):
            if name in entry.values:
                mistakes.append(entry.mistake(name, "It does not go with mapping_csv, whose rows bring their own."))
        return mistakes
    if "crosswalks_csv" in entry.values:
        mistakes.append(entry.mistake("crosswalks_csv", "It goes with mapping_csv only."))
    for name in ("valid_from", "rule"):
        if not entry.get(name):
            mistakes.append(entry.mistake(name, "It is missing. Name a mapping_csv, or write valid_from and rules."))
    for name, known in (("rule", RULE_KEYS), ("crosswalk", CROSSWALK_KEYS)):
        for number, row in enumerate(entry.get(name, []), 1):
            if not isinstance(row, dict):
                mistakes.append(entry.mistake(f"{name} {number}", f"Write [[mapping_table.{name}]]."))
                continue
            for key, value in row.items():
                where = f"{name} {number}, {key}"
                if key not in known:
                    mistakes.append(entry.mistake(where, f"There is no such key.{_nearest(key, known)}"))
                elif not isinstance(value, str) and not _has_kind(value, int):
                    # A fraction would be read as a binary float, and 33.33 percent would not be 33.33 any more.
                    mistakes.append(entry.mistake(where, "It must be text in quotes."))
    return mistakes


def _nearest(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f" Did you mean {near[0]}?" if near else f" Known are: {', '.join(known)}."
