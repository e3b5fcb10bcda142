"""OData v4 as the IFS Cloud sandbox speaks it: addresses with keys, query options, rows out, bodies in."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote

from audit.sandbox import Answer, loads
from erp.ifs.sandbox_errors import (
    JSON_TYPE,
    ODATA_HEADERS,
    bad_content,
    bad_url,
    column,
    not_found,
    not_implemented,
    refused,
)
from erp.ifs.sandbox_filter import Condition, parse_filter, typed, unknown_property
from erp.ifs.sandbox_schema import PLAIN_KINDS, EntityType, Row, enumerations
from erp.ifs.sandbox_settings import Settings
from erp.odata_sandbox import Literal, named_parts, read_literal, tokens

SAFE_IN_LINK = "(),'"
SEGMENT = re.compile(r"(?P<name>[^()/']+)(?:\((?P<inside>(?:[^'()]|'(?:[^']|'')*')*)\))?(?:/|\Z)")


# Addresses


@dataclass(frozen=True, slots=True)
class Segment:
    """`inside`: what stands in parentheses; None where there are none."""

    name: str
    inside: str | None


def segments_of(path: str) -> list[Segment]:
    """`path` is decoded. Raises `Refused` (404) for what has not the form of an address."""
    found: list[Segment] = []
    position = 0
    while position < len(path):
        match = SEGMENT.match(path, position)
        if match is None:
            raise not_found()
        found.append(Segment(match["name"], match["inside"]))
        position = match.end()
    return found


def literal_value(text: str, kind: str, projection: str) -> Any:
    """A literal of an address as it is stored. Raises ValueError where it does not fit the kind."""
    found = tokens(text)
    if len(found) != 1 or found[0].text != text:
        raise ValueError(text)
    literal: Literal = read_literal(found[0].kind, text)
    wanted = PLAIN_KINDS.get(kind) or f"IfsApp.{projection}.{kind}"
    if kind == "Decimal" and literal.edm_type in {"Edm.Int32", "Edm.Decimal"}:
        return literal.value
    if literal.edm_type != wanted or (kind not in PLAIN_KINDS and literal.value not in enumerations()[kind]):
        raise ValueError(text)
    return literal.value.isoformat() if kind == "Date" else literal.value


def parse_key(inside: str, entity: EntityType) -> dict[str, Any]:
    """Raises `Refused` (400) unless all parts of the key are there by name, once, and of their type."""
    try:
        parts = named_parts(inside)
        if set(parts) != set(entity.key):
            raise ValueError(inside)
        return {name: literal_value(parts[name], entity.fields[name], entity.projection) for name in entity.key}
    except ValueError:
        raise bad_url(f"The key '({inside})' does not fit '{entity.name}': {','.join(entity.key)}.") from None


def parse_arguments(inside: str, parameters: Mapping[str, str], projection: str) -> dict[str, Any]:
    """The arguments of a function. Raises `Refused` (400) unless each is there, once, and of its type."""
    try:
        parts = named_parts(inside)
        if set(parts) != set(parameters):
            raise ValueError(inside)
        return {name: literal_value(parts[name], kind, projection) for name, kind in parameters.items()}
    except ValueError:
        raise bad_url(f"The arguments '({inside})' do not fit: {','.join(parameters)}.") from None


def key_text(entity: EntityType, row: Row) -> str:
    """The key as it stands in an address, percent-encoded where needed."""
    parts = []
    for name in entity.key:
        value, kind = row[name], entity.fields[name]
        shown = str(shown_value(value, kind))
        if kind == "String":
            shown = "'" + quote(shown.replace("'", "''"), safe="'") + "'"
        parts.append(f"{name}={shown}")
    return "(" + ",".join(parts) + ")"


# Query options


@dataclass(slots=True)
class Query:
    """The options of one request, parsed and checked against the type."""

    condition: Condition | None = None
    select: list[str] | None = None
    order: list[tuple[str, bool]] = field(default_factory=list)
    """(field, is descending)"""
    top: int | None = None
    skip: int = 0
    counts: bool = False
    options: dict[str, str] = field(default_factory=dict)
    """As sent, for the nextLink."""


def options_of(raw_query: str) -> dict[str, str]:
    """Raises `Refused` (400) for an escaped option name ("%24filter": leave the $ alone) or one given twice."""
    options: dict[str, str] = {}
    for pair in filter(None, raw_query.split("&")):
        name, _, value = pair.partition("=")
        if "%" in name or name in options:
            raise bad_url(f"The query option '{name}' is not valid.")
        options[name] = unquote(value)
    return options


def parse_query(raw_query: str, entity: EntityType, settings: Settings, *, is_keyed: bool = False) -> Query:
    """Option names are case-sensitive; one that begins with $ and is unknown is refused, others are ignored."""
    query = Query(options=options_of(raw_query))
    for name, value in query.options.items():
        if name == "$select":
            query.select = [part.strip() for part in value.split(",")]
            for part in query.select:
                if part not in entity.fields:
                    raise unknown_property(part, entity)
        elif name == "$expand":
            # References could be expanded, one by one; none is served. A collection cannot.
            raise not_implemented(f"$expand of '{value}' is not supported.")
        elif name in {"$apply", "$search", "$compute"}:
            raise not_implemented(f"{name} is not supported.")
        elif name == "$format":
            if value != "json":
                raise not_implemented(f"The format '{value}' is not supported.")
        elif is_keyed and name.startswith("$"):
            raise bad_url(f"The query option '{name}' is not valid on a single record.")
        elif name == "$filter":
            query.condition = parse_filter(value, entity, settings.enum_style)
        elif name == "$orderby":
            query.order = parse_order(value, entity)
        elif name == "$top":
            query.top = whole_number(name, value)
        elif name in {"$skip", "$skiptoken"}:
            query.skip += whole_number(name, value)
        elif name == "$count":
            query.counts = value == "true"
            if query.counts and not settings.count_is_served:
                raise not_implemented("$count is not supported.")
        elif name.startswith("$"):
            raise bad_url(f"The query option '{name}' is not known.")
    return query


def parse_order(text: str, entity: EntityType) -> list[tuple[str, bool]]:
    order = []
    for part in text.split(","):
        words = part.split()
        if not words or len(words) > 2 or (len(words) == 2 and words[1] not in {"asc", "desc"}):
            raise bad_url(f"'$orderby={text}' is not valid.")
        if words[0] not in entity.fields:
            raise unknown_property(words[0], entity)
        order.append((words[0], words[1:] == ["desc"]))
    return order


def whole_number(name: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise bad_url(f"'{name}={text}' is not valid.")
    return int(text)


def in_order(rows: list[Row], entity: EntityType, order: list[tuple[str, bool]]) -> list[Row]:
    """Rows without a value come last, as in Oracle; ties keep the order of their creation."""
    for name, is_descending in reversed(order):
        kind = entity.fields[name]
        filled = [row for row in rows if row.get(name) is not None]
        filled.sort(key=lambda row, name=name, kind=kind: typed(row[name], kind), reverse=is_descending)  # type: ignore[misc]
        empty = [row for row in rows if row.get(name) is None]
        rows = [*empty, *filled] if is_descending else [*filled, *empty]
    return rows


def next_link(address: str, query: Query, skip: int, settings: Settings) -> str:
    """The link to what follows the first `skip` rows of the whole list."""
    options = {name: value for name, value in query.options.items() if name not in {"$skip", "$skiptoken"}}
    if query.top is not None and not settings.top_is_page:
        options["$top"] = str(query.top - (skip - query.skip))
    options["$skiptoken"] = str(skip)
    written = "&".join(f"{name}={quote(value, safe=SAFE_IN_LINK)}" for name, value in options.items())
    if settings.relative_next_link:
        address = address.rpartition("/")[2]
    return f"{address}?{written}"


# Rows out


def etag_of(entity: EntityType, row: Row) -> str:
    """Weak, over base64 of unit, record and version."""
    text = f"{entity.lu[0]}{row['_id']}:{row['_version']}"
    return 'W/"' + base64.b64encode(text.encode()).decode() + '"'


def shown_value(value: Any, kind: str, *, as_text: bool = False) -> Any:
    """`as_text`: decimals as texts, which IEEE754Compatible=true asks for."""
    if kind != "Decimal" or value is None:
        return value
    number = Decimal(value)
    plain = int(number) if number == number.to_integral_value() else number.normalize()
    return format(Decimal(plain), "f") if as_text else plain


def shown_row(entity: EntityType, row: Row, select: list[str] | None = None, *, as_text: bool = False) -> Row:
    """A row as it is sent: what IFS adds to each record, then the fields asked for."""
    shown: Row = {"@odata.etag": etag_of(entity, row)}
    if not entity.is_virtual:
        shown |= {"luname": entity.lu, "keyref": keyref(entity, row), "Objgrants": None}
    for name in select or entity.fields:
        shown[name] = shown_value(row.get(name), entity.fields[name], as_text=as_text)
    return shown


def keyref(entity: EntityType, row: Row) -> str:
    """ACCOUNT=1010^COMPANY=10^ with the columns in the order of the alphabet."""
    parts = sorted(f"{column(name)}={shown_value(row.get(name), entity.fields[name])}^" for name in entity.key)
    return "".join(parts)


def answered(status: int, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, dict(document), {**ODATA_HEADERS, **(headers or {})}, JSON_TYPE)


# Bodies in


def read_object(body: bytes, content_type: str) -> dict[str, Any]:
    """A JSON object. Raises `Refused` (400) for anything else."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise bad_content("UNSUPPORTED_FORMAT", f"Unsupported content type: {content_type}")
    try:
        document = loads(body)
    except ValueError:
        raise bad_content("JSON_SYNTAX_EXCEPTION", "Malformed JSON.") from None
    if not isinstance(document, dict):
        raise bad_content("JSON_SYNTAX_EXCEPTION", "A JSON object is expected.")
    return document


def read_record(document: Mapping[str, Any], entity: EntityType, *, takes_text_numbers: bool = False) -> Row:
    """The fields of a POST or PATCH as they are stored; null is None.

    Raises `Refused` (400) for an unknown field, a value of another type, or a text that is too long. An empty text is
    null to the database.
    """
    record: Row = {}
    for name, value in document.items():
        if name.startswith("@odata.") or name in {"luname", "keyref", "Objgrants"}:
            continue
        if name not in entity.fields:
            raise bad_content("UNKNOWN_CONTENT", f"Unknown content: {name} in {entity.name}")
        read = read_value(value, name, entity.fields[name], takes_text_numbers=takes_text_numbers)
        if isinstance(read, str) and len(read) > entity.lengths.get(name, len(read)):
            raise refused("DB_VALUE_TOO_LARGE", f"{column(name)} holds {entity.lengths[name]} characters.")
        record[name] = None if read == "" else read
    return record


def read_value(value: Any, name: str, kind: str, *, takes_text_numbers: bool = False) -> Any:
    """Raises `Refused` (400). A boolean as text, a number as text and a date with a time are all wrong."""
    wrong = bad_content("INVALID_VALUE_FOR_PROPERTY", f"Invalid value: {value} for property: {name}")
    if value is None:
        return None
    if kind == "Boolean":
        if not isinstance(value, bool):
            raise wrong
        return value
    if kind == "Decimal":
        return read_number(value, wrong, takes_text_numbers=takes_text_numbers)
    if not isinstance(value, str):
        raise wrong
    if kind == "Date":
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            raise wrong
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            raise wrong from None
    if kind == "DateTimeOffset":
        try:
            return datetime.fromisoformat(value).astimezone(UTC).isoformat()
        except ValueError:
            raise wrong from None
    if kind != "String" and value not in enumerations()[kind]:
        raise wrong
    return value


def read_number(value: Any, wrong: Exception, *, takes_text_numbers: bool) -> Decimal | int:
    if isinstance(value, bool) or (isinstance(value, str) != takes_text_numbers):
        raise wrong
    try:
        number = Decimal(value)
    except (ArithmeticError, TypeError, ValueError):
        raise wrong from None
    if not number.is_finite():
        raise wrong
    return int(number) if number == number.to_integral_value() else number
