"""Lists of the FSM sandbox: `/classes/{Class}/lists/{list}` with the query that the classes' OpenAPI describes.

Five rows unless `_limit` says more; element 0 is the header of the page, with `_count` -1 unless `_omitCountValue=false`.
A page that was asked for by hand with `_paging` loses its `_lplFilter`; the link `next` keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from audit.sandbox import Answer, Refused, Request
from erp.infor.fsm.sandbox_books import RUN_GROUP, Books
from erp.infor.fsm.sandbox_lpl import Condition, LplError, parse
from erp.infor.fsm.sandbox_schema import BusinessClass, Row, classes
from erp.infor.fsm.sandbox_settings import FsmSettings

DEFAULT_LIMIT = 5
KNOWN = frozenset(
    {
        "_fields", "_limit", "_paging", "_fts", "_tts", "_recordCountOnly", "_nonHistReplOptimization", "_rrs", "_syncWait",
        "_filter", "_lplFilter", "_returnFieldState", "_setName", "_links", "_pageNav", "_out", "_flatten",
        "_omitCountValue", "_position", "_rkn",
    }
)  # fmt: skip


def error(message: str, status: int = 400, code: str = "") -> Refused:
    """The error body of every class: `{code, message}`."""
    return Refused(Answer(status, {"code": code, "message": message}))


class Lists:
    """Answers one list with the settings of the moment."""

    def __init__(self, books: Books, settings: FsmSettings) -> None:
        self.books = books
        self.settings = settings

    def answer(self, request: Request, name: str, list_name: str) -> Answer:
        """Raises Refused."""
        query = {key: values[0] for key, values in request.query.items()}
        of = classes().get(name)
        if of is None or list_name not in of.lists:
            raise Refused(Answer(404, {"code": "", "message": f"{name} {list_name} is not a list"}))
        is_denied = name in self.settings.denied_classes.split()
        if is_denied and self.settings.denied_style == "error":
            raise error(f"Actor is not authorized to access {name}")
        if unknown := sorted(set(query) - KNOWN):
            raise error(f"{unknown[0]} is not a parameter")
        fields = self._fields(of, query.get("_fields", ""))
        set_name = query.get("_setName", "")
        if set_name and set_name not in of.sets:
            raise error(f"{set_name} is not a set of {name}")
        limit = self._number(query.get("_limit", str(DEFAULT_LIMIT)))
        limit = min(limit, self.settings.limit_max or limit)
        if query.get("_out", "JSON") != "JSON":
            raise error("this sandbox answers in JSON")
        rows = [] if is_denied else self._rows(of, query)
        after = int(query.get("_rkn", "0").strip() or 0)
        count = len(rows)
        page = rows[after : after + limit]
        says_count = query.get("_omitCountValue", "false" if self.settings.counts_by_default else "true") == "false"
        header: dict[str, Any] = {"_count": count if says_count or not count else -1}
        if page and query.get("_pageNav", "true") == "true" and self.settings.paging_links:
            header["_links"] = self._links(query, after, limit)
        if query.get("_recordCountOnly") == "true":
            return Answer(200, [{"_count": count}])
        # A field without a value is left out of a row in places; here it is an empty text.
        return Answer(200, [header, *({"_fields": {each: row.get(each, "") for each in fields}} for row in page)])

    def _fields(self, of: BusinessClass, wanted: str) -> list[str]:
        known = of.fields
        if of.name == "AccountingUnit" and self.settings.units_are_active_only:
            known = known - {"Active"}
        if not wanted:
            raise error("_fields is required")
        if wanted == "_all":
            return sorted(known)
        found = wanted.split(",")
        for name in found:
            if name not in known:
                raise error(f"{name} is not a field of {of.name}")
        return found

    def _number(self, text: str) -> int:
        if not text.isdigit() or not int(text):
            raise error(f"_limit {text} is not a valid number")
        return int(text)

    def _rows(self, of: BusinessClass, query: Mapping[str, str]) -> list[Row]:
        condition = Condition(lambda row: True)
        is_by_hand = query.get("_paging") and query.get("_position") != "true" and query.get("_rkn")
        if query.get("_lplFilter") and not is_by_hand:
            try:
                condition = parse(query["_lplFilter"], of.fields)
            except LplError as wrong:
                raise error(str(wrong)) from None
        wanted: dict[str, str] = {}
        for part in filter(None, query.get("_filter", "").split("|")):
            name, separator, value = part.partition("::")
            if not separator or name not in of.fields:
                raise error(f"{part} is not a filter")
            wanted[name] = value
        rows = self._all(of, {**condition.equal, **wanted})
        if query.get("_setName") == "LeafRecords":
            rows = [row for row in rows if row.get("_isSummary") != "true"]
        return [
            row
            for row in rows
            if condition.test(row) and all(row.get(name, "") == value for name, value in wanted.items())
        ]

    def _all(self, of: BusinessClass, equal: Mapping[str, str]) -> list[Row]:
        books = self.books
        if of.name == "GLTransactionInterface":
            groups = [equal[RUN_GROUP]] if RUN_GROUP in equal else books.run_groups()
            return [row for group in groups for row in books.staged(group)]
        if of.name == "GLTransactionInterfaceResult":
            return books.results()
        if of.name == "GLTransactionDetail":
            journals = books.journals_with(equal["Reference"]) if "Reference" in equal else books.journals()
            return list(books.details(journals, with_unposted=self.settings.shows_unposted))
        rows = books.set_up(of.name)
        return rows[::-1] if of.name == "GeneralLedgerClosePeriod" else rows

    def _links(self, query: Mapping[str, str], after: int, limit: int) -> list[dict[str, str]]:
        """`next` stands there also behind the last page, as it was seen."""

        def link(rel: str, **changed: str) -> dict[str, str]:
            parts = [f"{name}={quote(value, safe='')}" for name, value in {**query, **changed}.items()]
            return {"rel": rel, "href": f"../lists/_generic?{'&'.join(parts)}"}

        return [
            link("self"),
            link("next", _paging="NEXT", _position="true", _rkn=str(after + limit)),
            link("prev", _paging="PREVIOUS", _position="true", _rkn=str(max(after - limit, 0))),
        ]
