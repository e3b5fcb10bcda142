"""M3 REST (m3api-rest v2) of the M3 sandbox: one transaction by GET, many of one program by POST, and all forms of an error.

A bulk runs its transactions one after the other without taking anything back. What does not fit a definition is refused
before anything runs (setting definition_errors); what M3 itself refuses is in its result, or at the top with status 400
(setting error_transport), with what ran before still done. Values are texts both ways. The server reads a body as it comes,
so nothing may stand behind `transactions`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from audit.sandbox import Answer, Refused, Request
from erp.infor.m3.sandbox_call import Context, MiCall, Program, Row
from erp.infor.m3.sandbox_messages import Nok, not_found
from erp.infor.m3.sandbox_settings import M3Settings
from erp.infor.m3.sandbox_transactions import (
    DefinitionError,
    Transaction,
    check_definition,
    check_values,
    find,
)

ROOT = "/m3api-rest/v2/execute"
#: Names of the query that are not fields -> name of the body for the same.
QUERY_NAMES = {
    "cono": "cono",
    "divi": "divi",
    "lanc": "lanc",
    "locale": "locale",
    "timeZone": "timeZone",
    "maxrecs": "maxReturnedRecords",
    "dateformat": "dateFormat",
    "excludeempty": "excludeEmptyValues",
    "righttrim": "rightTrim",
    "returncols": "returncols",
    "format": "format",
    "extendedresult": "extendedresult",
    "metadata": "metadata",
    # As one public client spells it.
    "excludempty": "excludeEmptyValues",
}
BULK_QUERY_NAMES = frozenset(
    ("cono", "divi", "maxrecs", "dateformat", "excludeempty", "righttrim", "format", "extendedresult")
)
#: Names of the body of a bulk -> type.
BODY_TYPES: dict[str, type] = {
    "program": str,
    "cono": int,
    "divi": str,
    "lanc": str,
    "locale": str,
    "timeZone": str,
    "dateFormat": str,
    "excludeEmptyValues": bool,
    "rightTrim": bool,
    "maxReturnedRecords": int,
    "transactions": list,
}
LANGUAGES = ("GB", "DE")
DATE_FORMAT = "YMD8"
#: Programs that look into the ledger.
LEDGER_PROGRAMS = frozenset({"EXPORTMI", "GLS200MI", "GLS250MI"})


@dataclass(slots=True)
class Asked:
    """A request, taken apart. `options` have the names of the body."""

    program: str
    transactions: list[tuple[str, dict[str, str], list[str]]]
    """(name, record, columns wanted)."""
    options: dict[str, Any] = field(default_factory=dict)
    is_bulk: bool = False

    def option(self, name: str, default: Any) -> Any:
        return self.options.get(name, default)

    def is_on(self, name: str, *, default: bool) -> bool:
        value = self.options.get(name, default)
        return value if isinstance(value, bool) else str(value).lower() == "true"


@dataclass(slots=True)
class Outcome:
    """What became of one transaction."""

    name: str
    record: Mapping[str, str]
    records: list[Row] = field(default_factory=list)
    error: dict[str, str] = field(default_factory=dict)
    is_processed: bool = True


def bad_request(reason: str, kind: str = "BadRequest") -> Refused:
    """A request that is not M3 REST at all; how this is said is assumed."""
    return Refused(Answer(400, terminated(reason, kind, 0)))


def terminated(reason: str, kind: str, not_processed: int) -> dict[str, Any]:
    return {
        "results": [],
        "wasTerminated": True,
        "terminationReason": reason,
        "terminationErrorType": kind,
        "nrOfSuccessfullTransactions": 0,
        "nrOfFailedTransactions": 0,
        "nrOfNotProcessedTransactions": not_processed,
    }


def asked_of(request: Request) -> Asked:
    """Raises `Refused`."""
    path, *matrix = request.path.split(";")
    rest = [unquote(part) for part in path.removeprefix(ROOT).split("/") if part]
    if not rest:
        if request.method != "POST":
            raise Refused(Answer(405))
        return bulk_of(request)
    if len(rest) != 2:
        raise Refused(Answer(404))
    if request.method != "GET":
        raise Refused(Answer(405))
    return single_of(request, rest[0], rest[1], matrix)


def single_of(request: Request, program: str, name: str, matrix: list[str]) -> Asked:
    """One transaction: fields in the query beside what is said about the call, also as matrix parameters (H5 does so)."""
    record: dict[str, str] = {}
    options: dict[str, Any] = {}
    pairs = parse_qsl(request.raw_query, keep_blank_values=True)
    for part in matrix:
        key, _, value = part.partition("=")
        if key not in QUERY_NAMES:
            raise bad_request(f"Unknown parameter {key}")
        options[QUERY_NAMES[key]] = unquote(value)
    for key, value in pairs:
        if key in QUERY_NAMES:
            options[QUERY_NAMES[key]] = value
        elif key.upper() == key:
            record[key] = value
        else:
            raise bad_request(f"Unknown parameter {key}")
    columns = [each for each in str(options.pop("returncols", "")).split(",") if each]
    return Asked(program, [(name, record, columns)], options)


def bulk_of(request: Request) -> Asked:
    if not request.header("content-type").startswith("application/json"):
        raise Refused(Answer(415))
    try:
        body = request.json()
    except ValueError:
        raise bad_request("The body is not JSON") from None
    if not isinstance(body, dict) or not set(body) <= set(BODY_TYPES) or not {"program", "transactions"} <= set(body):
        raise bad_request("The body must name program and transactions, and nothing that is unknown")
    if list(body)[-1] != "transactions":
        raise bad_request("The transactions must come last")
    for name, value in body.items():
        if type(value) is not BODY_TYPES[name]:
            raise bad_request(f"{name} is of another type")
    query = dict(parse_qsl(request.raw_query, keep_blank_values=True))
    if not set(query) <= BULK_QUERY_NAMES:
        raise bad_request(f"Unknown parameter {', '.join(sorted(set(query) - BULK_QUERY_NAMES))}")
    options: dict[str, Any] = {QUERY_NAMES[name]: value for name, value in query.items() if name != "maxrecs"}
    if "maxrecs" in query:
        options["maxrecs"] = query["maxrecs"]
    options |= {name: value for name, value in body.items() if name not in {"program", "transactions"}}
    return Asked(body["program"], [transaction_of(each) for each in body["transactions"]], options, is_bulk=True)


def transaction_of(each: Any) -> tuple[str, dict[str, str], list[str]]:
    if not isinstance(each, dict) or not set(each) <= {"transaction", "record", "selectedColumns"}:
        raise bad_request("A transaction has transaction, record and selectedColumns")
    record, columns = each.get("record", {}), each.get("selectedColumns", [])
    is_text = isinstance(record, dict) and all(isinstance(value, str) for value in record.values())
    if not isinstance(each.get("transaction"), str) or not is_text or not isinstance(columns, list):
        raise bad_request("A record holds texts")
    return each["transaction"], record, columns


def about(request: Request) -> str:
    """What faults see: the program and its transactions, for EXPORTMI the tables too."""
    try:
        asked = asked_of(request)
    except Refused:
        return request.path
    names = list(dict.fromkeys(name for name, _, _ in asked.transactions))
    tables = [
        record["QERY"].lower().partition(" from ")[2].split(" ")[0].upper()
        for _, record, _ in asked.transactions
        if " from " in record.get("QERY", "").lower()
    ]
    return "/".join([ROOT, asked.program, ",".join(names), *filter(None, [",".join(dict.fromkeys(tables))])])


class Rest:
    """`programs`: what runs a transaction. `before_ledger`: called once before a request that looks into the ledger."""

    def __init__(
        self, programs: Mapping[tuple[str, str], Program], before_ledger: Callable[[], None], companies: list[str]
    ) -> None:
        self.programs = programs
        self.before_ledger = before_ledger
        self.companies = companies

    def answer(self, request: Request, settings: M3Settings) -> Answer:
        """Raises `Refused` only where nothing was done."""
        asked = asked_of(request)
        context = self._context(asked, settings)
        if settings.bulk_max and len(asked.transactions) > settings.bulk_max:
            raise bad_request(f"More than {settings.bulk_max} transactions")
        try:
            definitions = [find(asked.program, name, settings.absent_transactions) for name, _, _ in asked.transactions]
            if settings.definition_errors == "terminate":
                for definition, (_, record, columns) in zip(definitions, asked.transactions, strict=True):
                    check_definition(definition, record)
                    check_columns(definition, columns)
        except DefinitionError as error:
            return Answer(400, self._shaped(terminated(error.reason, error.kind, len(asked.transactions)), settings))
        if asked.program in LEDGER_PROGRAMS:
            self.before_ledger()
        half = request.fault("half_done")
        count = len(definitions) // 2 if half else len(definitions)
        outcomes = self._run(request, asked, definitions[:count], context)
        late = self._take_time(len(outcomes), settings)
        if half or late:
            # The gateway gave up; what ran stays done.
            return Answer(504)
        return self._answer(request, asked, outcomes, settings)

    def _context(self, asked: Asked, settings: M3Settings) -> Context:
        company = str(asked.option("cono", "") or settings.user_company)
        language = str(asked.option("lanc", "") or settings.language)
        if str(asked.option("dateFormat", DATE_FORMAT)) != DATE_FORMAT:
            raise bad_request(f"Dates are served as {DATE_FORMAT} only")
        division = str(asked.option("divi", settings.user_division))
        return Context(company, division, language if language in LANGUAGES else "GB", settings)

    # Running

    def _run(self, request: Request, asked: Asked, definitions: list[Transaction], context: Context) -> list[Outcome]:
        outcomes: list[Outcome] = []
        is_stopped = False
        given = request.fault("refused_transaction")
        for place, (definition, (name, record, columns)) in enumerate(
            zip(definitions, asked.transactions, strict=False), start=1
        ):
            outcome = Outcome(name, record, is_processed=not is_stopped)
            outcomes.append(outcome)
            if is_stopped:
                continue
            try:
                if given and given.body["place"] == place:
                    raise Nok(given.body.get("code", "CPF9898"), given.body.get("field", ""), "Not now")
                self._run_one(request, MiCall(definition, record, context), columns, asked, outcome)
            except DefinitionError as error:
                outcome.error = {"errorMessage": error.reason, "errorType": error.kind, "errorField": error.field}
            except Nok as nok:
                outcome.error = {
                    "errorMessage": nok.message(context.language, context.settings.message_form),
                    "errorType": "ServerReturnedNOK",
                    "errorCode": nok.code,
                    "errorCfg": "",
                    "errorField": nok.field,
                }
            is_stopped = bool(outcome.error) and (
                context.settings.bulk_stops_on_error or context.settings.error_transport == "top"
            )
        return outcomes

    def _run_one(self, request: Request, call: MiCall, columns: list[str], asked: Asked, outcome: Outcome) -> None:
        """Records are kept as they come, so that some may stand before an error. Raises Nok, DefinitionError."""
        settings = call.context.settings
        check_definition(call.transaction, call.record)
        check_columns(call.transaction, columns)
        check_values(call.transaction, call.record)
        if {call.company, call.context.company} & set(settings.denied_companies.split()):
            raise Nok("XAU0008", "CONO", call.company)
        if not {call.company, call.context.company} <= set(self.companies):
            raise Nok("XAU0008", "CONO", call.company)
        if call.transaction.program in settings.denied_programs.split():
            raise Nok("CPF9898", "", f"User is not authorized to program {call.transaction.program}")
        most = maximum(asked, settings)
        breaks = request.fault("list_breaks")
        for number, row in enumerate(self.programs[call.transaction.program, call.transaction.name](call), start=1):
            if breaks and number > breaks.status:
                raise Nok("CPF9898", "RETT", "The list broke off")
            if most and number > most:
                break
            outcome.records.append(shaped_row(call, row, columns, asked))
        if not outcome.records and settings.empty_list == "error" and call.transaction.name.startswith("Lst"):
            raise not_found(next(iter(call.record), ""))

    def _take_time(self, count: int, settings: M3Settings) -> bool:
        """Whether it took longer than the gateway waits."""
        seconds = count * settings.transaction_milliseconds / 1000
        time.sleep(min(seconds, settings.gateway_seconds))
        return seconds > settings.gateway_seconds

    # Answering

    def _answer(self, request: Request, asked: Asked, outcomes: list[Outcome], settings: M3Settings) -> Answer:
        failed = [outcome for outcome in outcomes if outcome.error]
        if failed and settings.error_transport == "top":
            return Answer(400, {name: value for name, value in failed[0].error.items() if name != "errorCfg"})
        results = []
        for outcome in outcomes:
            result: dict[str, Any] = {"transaction": outcome.name}
            if asked.is_on("extendedresult", default=False):
                result["parameters"] = dict(outcome.record)
            result |= outcome.error
            if not outcome.is_processed:
                result["notProcessed"] = True
            results.append({**result, "records": outcome.records})
        if missing := request.fault("results_missing"):
            results = results[: -missing.status] if missing.status < len(results) else []
        not_processed = sum(1 for outcome in outcomes if not outcome.is_processed)
        body: dict[str, Any] = {
            "results": results,
            "wasTerminated": bool(not_processed),
            "nrOfSuccessfullTransactions": len(outcomes) - len(failed) - not_processed,
            "nrOfFailedTransactions": len(failed),
        }
        if not_processed:
            body["terminationReason"] = failed[0].error["errorMessage"].strip()
            body["terminationErrorType"] = failed[0].error["errorType"]
        if asked.is_bulk:
            body["nrOfNotProcessedTransactions"] = not_processed
        return Answer(200, self._shaped(body, settings))

    def _shaped(self, body: dict[str, Any], settings: M3Settings) -> dict[str, Any]:
        if settings.booleans_as_text:
            body["wasTerminated"] = str(body["wasTerminated"]).lower()
        return body


def check_columns(transaction: Transaction, columns: list[str]) -> None:
    for name in columns:
        if name not in transaction.outputs:
            raise DefinitionError("OutputFieldNotFound", f"Output field {name} not found in {transaction.name}", name)


def maximum(asked: Asked, settings: M3Settings) -> int:
    """Records of a list; 0 = all. A GET says it in its query; a POST in query or body, as the site heeds them."""
    said = ""
    if not asked.is_bulk:
        said = str(asked.option("maxReturnedRecords", "")) if settings.maxrecs_from in {"both", "query"} else ""
    else:
        if settings.maxrecs_from in {"both", "query"}:
            said = str(asked.option("maxrecs", ""))
        if not said and settings.maxrecs_from in {"both", "body"}:
            said = str(asked.option("maxReturnedRecords", ""))
    most = int(said) if said.isdigit() else settings.maxrecs_default
    ceiling = settings.maxrecs_ceiling
    return min(most or ceiling, ceiling) if ceiling else most


def shaped_row(call: MiCall, row: Row, columns: list[str], asked: Asked) -> Row:
    """As it travels: all outputs or those wanted, blanks as M3 shows them, padded where nobody asked for trimming."""
    excludes_empty = asked.is_on("excludeEmptyValues", default=False)
    trims = asked.is_on("rightTrim", default=True)
    found = {}
    for name in columns or call.transaction.outputs:
        output = call.transaction.outputs[name]
        value = row.get(name) or ("" if output.kind == "A" else call.context.settings.numeric_blank)
        if excludes_empty and not value:
            continue
        found[name] = value if trims or output.kind != "A" else f"{value:<{output.length}}"
    return found
