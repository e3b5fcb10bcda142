"""Control addresses of the FSM sandbox, below /infor/_sandbox/FSM/.

They do what a person in FSM or an administrator would do, and need no token: the sandbox listens on loopback. Bodies are
JSON; a mistake in one answers 422 with a sentence.

    GET    ledger                                   journals with lines, staged rows, results of runs
    POST   post-journals      {run_group?, entity?} finance releases and posts what was entered
    POST   finish-runs                              what was submitted happens now
    DELETE run-groups/{group}                       a person takes it out of FSM
    POST   reset              {everything?}         forget journals; with everything: set-up and settings
    GET    facts, settings    POST settings {name: value}
    POST   records            {class, key, ...}     change a record of the set-up, or create it with "new": true
    DELETE records            {class, key}
    GET    (nothing behind the slash)               a page, with a button that posts
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from audit.sandbox import Answer, Request, controlled
from erp.infor.fsm.sandbox_page import page
from erp.infor.fsm.sandbox_schema import classes

if TYPE_CHECKING:
    from erp.infor.fsm.sandbox import FsmSuite

Body = dict[str, Any]


def add_control_routes(suite: FsmSuite) -> None:
    def change(body: Body) -> None:
        name, key, is_new = _class_of(body), body.pop("key"), body.pop("new", False)
        if unknown := sorted(set(body) - classes()[name].fields):
            raise ValueError(f"{unknown[0]} is not a field of {name}")
        if is_new:
            suite.books.put_record(name, key, body)
        else:
            suite.books.change_record(name, key, body)

    def remove(body: Body) -> None:
        suite.books.remove_record(_class_of(body), body["key"])

    table: list[tuple[str, str, Callable[..., Any]]] = [
        ("GET", "/_sandbox/ledger", lambda body: suite.ledger_state()),
        ("POST", "/_sandbox/post-journals", lambda body: {"journals": suite.post_journals(**body)}),
        ("POST", "/_sandbox/finish-runs", lambda body: suite.finish_runs()),
        ("DELETE", "/_sandbox/run-groups/(?P<group>[^/]+)", lambda body, group: suite.remove_run_group(group)),
        ("POST", "/_sandbox/reset", lambda body: suite.reset() if body.get("everything") else suite.reset_ledger()),
        ("GET", "/_sandbox/facts", lambda body: suite.facts()),
        ("GET", "/_sandbox/settings", lambda body: suite.settings.as_dict()),
        ("POST", "/_sandbox/settings", lambda body: suite.change_settings(**body).as_dict()),
        ("POST", "/_sandbox/records", change),
        ("DELETE", "/_sandbox/records", remove),
    ]
    for method, pattern, control in table:
        suite.route(method, pattern, functools.partial(controlled, control))

    def post(request: Request) -> Answer:
        suite.post_journals()
        return Answer(303, None, {"Location": f"{request.base_url}/"})

    suite.route("POST", "/_sandbox/post-button", post)
    suite.route("GET", "/_sandbox/", lambda request: Answer(200, page(suite.ledger_state(), request.base_url)))


def _class_of(body: Body) -> str:
    name = str(body.pop("class"))
    if name not in classes():
        raise ValueError(f"there is no class {name}")
    return name
