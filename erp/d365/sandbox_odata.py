"""OData v4 as the Dynamics 365 sandbox speaks it: addresses with keys, query options, rows out, bodies in."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote

from audit.sandbox import loads
from erp.d365.sandbox_errors import bad_body, bad_query, forbidden_field
from erp.d365.sandbox_filter import Condition, literal_of, parse_filter, unknown_property
from erp.d365.sandbox_schema import NAMESPACE, PLAIN_TYPES, EntitySet, Row, enumerations
from erp.odata_sandbox import named_parts

RESOURCE = re.compile(r"(?P<name>[^()/]+)(?:\((?P<key>.*)\))?(?:/(?P<action>[\w.]+))?", re.DOTALL)


# Addresses


@dataclass(frozen=True, slots=True)
class Resource:
    """What stands behind /data/: a collection, perhaps one row of it by key, perhaps an action."""

    name: str
    key_text: str | None
    action: str = ""


def parse_resource(text: str) -> Resource | None:
    """`text` is decoded. None for what has not the form of an address."""
    match = RESOURCE.fullmatch(text)
    if match is None:
        return None
    return Resource(match["name"], match["key"], match["action"] or "")


def parse_key(text: str, entity: EntitySet) -> tuple[Any, ...]:
    """The key values in the order of the entity's key. Raises `Refused` (400) unless all of them are there, once."""
    try:
        parts = named_parts(text)
    except ValueError:
        raise bad_query(f"The key '({text})' is not valid for '{entity.name}'.") from None
    values = {name: key_value(value, name, entity) for name, value in parts.items()}
    if set(values) != set(entity.key):
        names = ",".join(entity.key)
        raise bad_query(f"The key '({text})' does not name exactly the key properties {names} of '{entity.name}'.")
    return tuple(values[name] for name in entity.key)


def key_value(text: str, name: str, entity: EntitySet) -> Any:
    kind = entity.fields.get(name, "")
    if kind == "String" and text.startswith("'"):
        return text[1:-1].replace("''", "'")
    if kind in {"Decimal", "Int32", "Int64"} and re.fullmatch(r"-?\d+(\.0*)?", text):
        return int(Decimal(text))
    if kind == "Date" and re.match(r"\d{4}-\d\d-\d\dT", text):
        moment: datetime = literal_of("moment", text).value
        return moment.date().isoformat()
    if text.startswith(f"{NAMESPACE}.{kind}'") and text[len(NAMESPACE) + len(kind) + 2 : -1] in enumerations()[kind]:
        return text[len(NAMESPACE) + len(kind) + 2 : -1]
    raise bad_query(f"The value {text} is not valid for key property '{name}' of '{entity.name}'.")


def key_text(entity: EntitySet, row: Row) -> str:
    """The key as it stands in an address, percent-encoded where needed."""
    parts = []
    for name in entity.key:
        value = row.get(name, entity.default(name))
        kind = entity.fields[name]
        if kind == "String":
            shown = "'" + quote(str(value).replace("'", "''"), safe="'") + "'"
        elif kind == "Date":
            shown = f"{value}T12:00:00Z"
        elif kind in PLAIN_TYPES:
            shown = str(value)
        else:
            shown = f"{NAMESPACE}.{kind}'{value}'"
        parts.append(f"{name}={shown}")
    return "(" + ",".join(parts) + ")"


# Query options


@dataclass(slots=True)
class Query:
    """The options of one request, parsed and checked against the entity."""

    condition: Condition | None = None
    select: list[str] | None = None
    order: list[tuple[str, bool]] = field(default_factory=list)
    """(field, is descending)"""
    top: int | None = None
    skip: int = 0
    count: bool = False
    is_cross_company: bool = False
    options: dict[str, str] = field(default_factory=dict)
    """As sent, for the nextLink."""


def options_of(raw_query: str) -> dict[str, str]:
    """Raises `Refused` (400) for "+" (rule read-4: spaces are %20) and for an option given twice."""
    if "+" in raw_query:
        raise bad_query("The character '+' is not allowed in the query; a space is written as %20.")
    options: dict[str, str] = {}
    for pair in filter(None, raw_query.split("&")):
        name, _, value = pair.partition("=")
        name = unquote(name)
        if name in options:
            raise bad_query(f"Query option '{name}' was specified more than once.")
        options[name] = unquote(value)
    return options


def parse_query(raw_query: str, entity: EntitySet, *, is_keyed: bool) -> Query:
    """Option names are case-sensitive; one that begins with $ and is unknown is refused, others are ignored."""
    query = Query(options=options_of(raw_query))
    for name, value in query.options.items():
        if name == "cross-company":
            query.is_cross_company = value.lower() == "true"
        elif name == "$select":
            query.select = [part.strip() for part in value.split(",")]
            for part in query.select:
                if part not in entity.fields:
                    raise unknown_property(part, entity)
        elif name == "$expand":
            # One level would be allowed; no navigation property is served. Journal lines are none of the header's.
            raise unknown_property(value.partition("(")[0], entity)
        elif is_keyed and name.startswith("$"):
            raise bad_query(f"Query option '{name}' is not allowed on a single resource.")
        elif name == "$filter":
            query.condition = parse_filter(value, entity)
        elif name == "$orderby":
            query.order = [parse_order(part, entity) for part in value.split(",")]
        elif name in {"$top", "$skip"}:
            if not re.fullmatch(r"\d+", value):
                raise bad_query(f"Invalid value '{value}' for {name} query option found.")
            if name == "$top":
                query.top = int(value)
            else:
                query.skip = int(value)
        elif name == "$count":
            if value not in {"true", "false"}:
                raise bad_query(f"Invalid value '{value}' for $count query option found.")
            query.count = value == "true"
        elif name.startswith("$"):
            raise bad_query(f"The query parameter '{name}' is not supported.")
    return query


def parse_order(text: str, entity: EntitySet) -> tuple[str, bool]:
    words = text.split()
    if len(words) not in {1, 2} or (len(words) == 2 and words[1] not in {"asc", "desc"}):
        raise bad_query(f"Syntax error in '$orderby' near '{text.strip()}'.")
    if words[0] not in entity.fields:
        raise unknown_property(words[0], entity)
    return words[0], words[1:] == ["desc"]


def next_link(address: str, query: Query, page_size: int) -> str:
    """Absolute, with the options as they were and $skip moved on; a client has to follow it as it is."""
    options = dict(query.options)
    options["$skip"] = str(query.skip + page_size)
    if query.top is not None:
        options["$top"] = str(query.top - page_size)
    return (
        address + "?" + "&".join(f"{quote(name, safe='$')}={quote(value, safe='')}" for name, value in options.items())
    )


# Rows out


def etag_of(row: Row) -> str:
    """W/"..." over base64 of 'recversion,recid' (decoded from recorded answers)."""
    pair = f"'{row['_version']},{row['_id']}'"
    return 'W/"' + base64.b64encode(pair.encode()).decode() + '"'


def shown_value(value: Any, kind: str) -> Any:
    if kind == "Date":
        return f"{value}T12:00:00Z"
    if isinstance(value, Decimal):
        # The service writes 750 and 1568.29, never 750.00.
        return int(value) if value == value.to_integral_value() else value.normalize()
    return value


def shown_row(entity: EntitySet, row: Row, select: list[str] | None = None) -> dict[str, Any]:
    """A row as it is sent: ETag, then the fields asked for, empty columns with their default."""
    shown: dict[str, Any] = {"@odata.etag": etag_of(row)}
    for name in select or entity.fields:
        value = row.get(name)
        shown[name] = shown_value(entity.default(name) if value is None else value, entity.fields[name])
    return shown


def context_of(service: str, entity: EntitySet, query: Query | None, *, is_single: bool) -> str:
    fields = f"({','.join(query.select)})" if query and query.select else ""
    return f"{service}/$metadata#{entity.name}{fields}{'/$entity' if is_single else ''}"


# Bodies in


def read_body(body: bytes, entity: EntitySet, *, is_insert: bool) -> Row:
    """The fields of a POST or PATCH as they are stored.

    Raises `Refused`: 400 for malformed JSON, an unknown property (names are case-sensitive) or a value of another
    type; 403 for a field that may not be written. A null text is an empty text.
    """
    try:
        document = loads(body)
    except ValueError:
        raise bad_body("The request body is not valid JSON.") from None
    if not isinstance(document, dict):
        raise bad_body("The request body must be a JSON object.")
    stored: Row = {}
    for name, value in document.items():
        if name.startswith("@odata."):
            if name == "@odata.type" and value != f"#{entity.edm_type}":
                raise bad_body(f"The type '{value}' is not the type '{entity.edm_type}' of the resource.")
            continue
        if name not in entity.fields:
            raise bad_body(
                f"The property '{name}' does not exist on type '{entity.edm_type}'. "
                "Make sure to only use property names that are defined by the type."
            )
        stored[name] = read_value(value, name, entity)
    for name in stored:
        if is_insert and name in entity.no_insert:
            raise forbidden_field(name, "insert")
        if not is_insert and (name in entity.no_update or name in entity.key):
            raise forbidden_field(name, "update")
    return stored


def read_value(value: Any, name: str, entity: EntitySet) -> Any:
    kind = entity.fields[name]
    edm_type = entity.edm_type_of(name)
    if value is None and kind == "String":
        return ""
    if value is None:
        raise bad_body(f"A null value was found for the property named '{name}', which has the type '{edm_type}'.")
    wrong = bad_body(f"Cannot convert the value '{value}' of property '{name}' to the expected type '{edm_type}'.")
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if kind == "Decimal":
        if not is_number or not Decimal(value).is_finite():
            raise wrong
        return Decimal(value)
    if kind in {"Int32", "Int64"}:
        if not is_number or Decimal(value) != int(value):
            raise wrong
        return int(value)
    if not isinstance(value, str):
        raise wrong
    if kind == "String":
        return value.rstrip()
    if kind == "Date":
        return read_day(value, wrong)
    if value not in enumerations()[kind]:
        raise wrong
    return value


def read_day(text: str, wrong: Exception) -> str:
    """A moment with its zone becomes its day in UTC: the column holds a day only (rule line-3)."""
    if not re.match(r"\d{4}-\d\d-\d\dT", text):
        raise wrong
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise wrong from None
    if moment.tzinfo is None:
        raise wrong
    return moment.astimezone(UTC).date().isoformat()


def day_of(stored: str) -> date:
    return date.fromisoformat(stored)
