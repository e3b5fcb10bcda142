"""The .ionapi file, signing in, and what the answers of the gateway become; the far side is looked at, not our calls."""

from __future__ import annotations

import html
import json
import time
from decimal import Decimal

import pytest
import requests
from django.core.files.uploadedfile import SimpleUploadedFile

from audit.exchange import Misconfigured, OutcomeUnknown, TemporaryFailure
from audit.models import Exchange
from connector_site.credentials_form import CredentialsForm
from erp.infor.ion import ION_FIELDS, IonFileRefused, file_problem, read_ionapi
from erp.infor.ion_gateway import STATUSES
from tenants.credentials import _declared, declare, problems_of
from tenants.models import Connection
from tenants.scope import tenant_scope
from tests.conftest import SHARED
from tests.erp.infor.conftest import until

GOOD = {
    "ti": "COBALT_TST", "cn": "ml-connector", "dt": "12", "ci": "COBALT_TST~c1", "cs": "c-secret",
    "iu": "https://ion.infor.example/", "pu": "https://sso.infor.example:443/COBALT_TST/as/", "oa": "authorization.oauth2",
    "ot": "token.oauth2", "or": "revoke_token.oauth2", "ev": "V1", "v": "1.0", "saak": "COBALT_TST#k1", "sask": "a-secret",
}  # fmt: skip
TOKEN = "token.oauth2"
ENTRIES = "LEDGER/entries"


def changed(**values) -> str:
    return json.dumps({name: value for name, value in {**GOOD, **values}.items() if value is not None})


# The file


def test_a_file_is_read():
    found = read_ionapi(json.dumps(GOOD).encode())
    assert (found.ti, found.saak, found.sask, found.or_) == (
        "COBALT_TST",
        "COBALT_TST#k1",
        "a-secret",
        "revoke_token.oauth2",
    )
    assert found.ion_url == "https://ion.infor.example/COBALT_TST"
    assert found.token_url == "https://sso.infor.example:443/COBALT_TST/as/token.oauth2"
    assert "secret" not in repr(found)
    assert "k1" not in repr(found)


def test_addresses_are_joined_with_one_slash_and_a_byte_order_mark_does_not_matter():
    text = changed(iu="https://ion.infor.example", pu="https://sso.infor.example/as", ot="/token")
    found = read_ionapi(b"\xef\xbb\xbf" + text.encode())
    assert (found.ion_url, found.token_url) == (
        "https://ion.infor.example/COBALT_TST",
        "https://sso.infor.example/as/token",
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("not json", "This is not an .ionapi file: it is not a JSON object."),
        ("[]", "This is not an .ionapi file: it is not a JSON object."),
        ("[" * 60_000, "This is not an .ionapi file: it is not a JSON object."),
        (b"\xff\xfe\x00", "This is not an .ionapi file: it is not a JSON object."),
        (b" " * 5 * 1024 * 1024, "The file is larger than 64 KB; an .ionapi file has about 1 KB."),
        (changed(ti=None), "The file lacks “ti” (the tenant)."),
        (changed(cs="", ot=None), "The file lacks “cs” (the client secret) and “ot” (the path of tokens)."),
        (changed(saak=None, sask=None), "The file has no service account (“saak” and “sask”)"),
        (changed(sask=None), "The file has no service account (“saak” and “sask”)"),
        (changed(ci=12, cs=["x"]), "“ci” and “cs” in the file must be one line of text."),
        (changed(saak="a\nb"), "“saak” in the file must be one line of text."),
        (changed(cs="x" * 3000), "“cs” in the file must be one line of text."),
        (changed(sc="Infor-ION"), "“sc” in the file must be a list of scopes."),
        (changed(ti="../OTHER"), "“ti” in the file is not the name of an Infor tenant"),
        (
            changed(iu="http://ion.infor.example"),
            "The address “iu” in the file cannot be used. “http://ion.infor.example” is not",
        ),
        (changed(pu="ftp://sso.infor.example/"), "The address “pu” in the file cannot be used."),
        (changed(iu="https://user:word@ion.example"), "An address must not carry a user or a password."),
        (
            changed(iu="ion.infor.example"),
            "The address “iu” in the file cannot be used. “ion.infor.example” is not an address.",
        ),
        (changed(iu="https://10.1.2.3:7443/"), "10.1.2.3 leads to 10.1.2.3, which is not a public address."),
        (changed(pu="https://[fd00::1]/as/"), "fd00::1, which is not a public address."),
        (changed(iu="https://169.254.169.254/"), "169.254.169.254, which is not a public address."),
        (changed(iu="https://127.0.0.1/"), "127.0.0.1, which is not a public address."),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_a_sentence(content, sentence):
    with pytest.raises(IonFileRefused) as refused:
        read_ionapi(content)
    assert sentence in str(refused.value)
    assert "secret”" not in str(refused.value)
    assert "a-secret" not in str(refused.value)


def test_only_the_operator_allows_private_addresses_and_only_the_sandbox_this_machine():
    private, local = changed(iu="https://10.1.2.3/", pu="https://10.1.2.3/"), changed(iu="http://127.0.0.1:8100/infor")
    assert read_ionapi(private, is_on_premises=True).iu == "https://10.1.2.3/"
    assert read_ionapi(local, sandbox_allowed=True).iu == "http://127.0.0.1:8100/infor"
    with pytest.raises(IonFileRefused):
        read_ionapi(changed(iu="https://169.254.169.254/"), is_on_premises=True)


def test_the_sandboxs_file_can_be_downloaded_and_read(ion):
    address = f"{ion.server.address}/infor/_sandbox/ionapi"
    text = requests.get(address, timeout=10).content
    assert read_ionapi(text, sandbox_allowed=True).ti == ion.system.facts()["tenant"]
    assert file_problem(text.decode(), is_on_premises=False, sandbox_allowed=True) == ""
    web = requests.get(address, params={"app": "web"}, timeout=10).text
    assert "no service account" in file_problem(web, is_on_premises=False, sandbox_allowed=True)


@pytest.mark.contract
def test_the_vendors_file_is_read_and_the_web_apps_is_refused():
    folder = SHARED / "reference" / "infor-m3" / "ionapi"
    if not folder.exists():
        pytest.skip("the vendors' files are not here")
    found = read_ionapi((folder / "fake.ionapi").read_bytes())
    expected = json.loads((folder / "token.json").read_text())["token_url"]
    assert found.token_url == expected
    with pytest.raises(IonFileRefused, match="no service account"):
        read_ionapi((folder / "fake-webapp.ionapi").read_bytes())


@pytest.mark.contract
def test_the_table_of_statuses_covers_what_the_vendor_names():
    path = SHARED / "reference" / "infor-m3" / "ionapi" / "gateway-errors.json"
    if not path.exists():
        pytest.skip("the vendors' files are not here")
    assert set(STATUSES) == {case["status"] for case in json.loads(path.read_text())["cases"]}


# Signing in


def test_one_token_serves_all_clients_of_a_connection(ion):
    for _ in range(3):
        assert ion.client().get(ENTRIES, what="the ledger").document == {"entries": []}
    assert ion.asked(TOKEN) == 1


@pytest.mark.parametrize("way", ["basic", "body"])
def test_both_ways_to_name_the_client(ion, way):
    ion.system.change_settings(client_authentication=way)
    ion.client(client_authentication=way).sign_in()
    other = "body" if way == "basic" else "basic"
    with pytest.raises(Misconfigured, match="its secret was changed"):
        ion.client(client_authentication=other).sign_in()


def test_scopes_of_the_file_are_asked_for(ion):
    ion.system.change_settings(scope="Infor-ION")
    assert read_ionapi(ion.file(), sandbox_allowed=True).sc == ("Infor-ION",)
    ion.client().sign_in()
    with pytest.raises(Misconfigured, match=r"scopes of the [.]ionapi file are not those of the authorized app"):
        ion.client(ionapi=ion.file(sc=["Other"])).sign_in()


@pytest.mark.parametrize("how", ["number", "text", "missing"])
def test_the_life_of_a_token_is_read_however_it_is_said(ion, how):
    ion.system.change_settings(expires_in=how)
    ion.client().get(ENTRIES, what="the ledger")
    ion.client().get(ENTRIES, what="the ledger")
    assert ion.asked(TOKEN) == 1


def test_a_token_is_renewed_before_it_ends(ion):
    ion.system.change_settings(token_seconds=1)
    client = ion.client()
    client.get(ENTRIES, what="the ledger")
    client.get(ENTRIES, what="the ledger")
    assert ion.asked(TOKEN) == 1
    time.sleep(0.6)
    client.get(ENTRIES, what="the ledger")
    assert (ion.asked(TOKEN), ion.asked(ENTRIES)) == (2, 3)


def test_a_token_that_ends_mid_way_is_renewed_once_and_the_write_happens_once(ion):
    client = ion.client()
    client.get(ENTRIES, what="the ledger")
    ion.play("expired_token")
    assert client.send(ENTRIES, {"amount": "1.00"}, has_effect=True, what="the journal").status == 200
    assert ion.amounts() == ["1.00"]
    assert ion.asked(TOKEN) == 2


def test_a_second_401_is_a_setting(ion):
    ion.play("status", path=ENTRIES, status=401, times=2)
    with pytest.raises(
        Misconfigured, match="does not accept our sign-in for the ledger, although Infor OS gives us tokens"
    ):
        ion.client().get(ENTRIES, what="the ledger")
    assert ion.asked(ENTRIES) == 2


@pytest.mark.parametrize(
    ("switched", "sentence"),
    [
        ({"app_enabled": False}, "Download the file again and upload it. Infor OS says: “Invalid client"),
        ({"account_enabled": False}, "The service account of the .ionapi file is not accepted"),
        ({"grants_password": False}, "Make it a Backend Service."),
    ],
)
def test_what_infor_os_refuses_is_said_in_its_words(ion, switched, sentence):
    ion.system.change_settings(**switched)
    with pytest.raises(Misconfigured) as refused:
        ion.client().sign_in()
    assert sentence in refused.value.sentence


@pytest.mark.parametrize(
    ("fault", "details", "error", "sentence"),
    [
        ("html", {"status": 503}, TemporaryFailure, "status 503"),
        ("html", {"status": 200}, Misconfigured, "does not answer as the sign-in of Infor OS does (status 200)"),
        ("status", {"status": 302, "headers": {"Location": "https://x.example"}}, Misconfigured, "status 302"),
        ("status", {"status": 200, "body": {"token_type": "Bearer"}}, TemporaryFailure, "an answer without a token"),
        ("status", {"status": 401}, Misconfigured, "Infor OS refused the sign-in"),
        (
            "status",
            {"status": 400, "body": {"error": "temporarily_unavailable"}},
            TemporaryFailure,
            "cannot sign us in at the moment",
        ),
        ("cut_body", {}, TemporaryFailure, "did not answer completely"),
    ],
)
def test_a_sign_in_that_answers_something_else(ion, fault, details, error, sentence):
    ion.play(fault, path=TOKEN, **details)
    with pytest.raises(error) as refused:
        ion.client().sign_in()
    assert sentence in refused.value.sentence


def test_a_stored_file_that_cannot_be_read_is_a_setting(ion):
    with pytest.raises(Misconfigured, match="no service account"):
        ion.client(ionapi=ion.file(saak=None))


def test_addresses_of_the_connection_go_before_those_of_the_file(ion):
    base = json.loads(ion.system.ionapi())["iu"]
    file = ion.file(iu="https://ion.infor.example", pu="https://sso.infor.example/")
    tenant = ion.system.facts()["tenant"]
    client = ion.client(ionapi=file, ion_url=f"{base}/{tenant}/", token_url=f"{base}/{tenant}/as/token.oauth2")
    assert client.get(ENTRIES, what="the ledger").document == {"entries": []}


def test_nothing_of_a_sign_in_is_kept(ion):
    ion.client(client_authentication="body").get(ENTRIES, what="the ledger")
    file = json.loads(ion.system.ionapi())
    with tenant_scope(ion.tenant_id):
        rows = list(Exchange.objects.filter(path__contains=TOKEN).values())
    assert len(rows) == 1
    assert not [name for name in ("cs", "saak", "sask") if file[name].partition("#")[2] and file[name] in str(rows)]
    assert rows[0]["request_body"] == ""
    assert rows[0]["answer_body"] == ""


# Answers


def test_json_comes_with_decimals_and_a_refusal_of_the_product_is_an_answer(ion):
    client = ion.client()
    answer = client.send(ENTRIES, {"amount": Decimal("10.10")}, has_effect=True, what="the journal")
    assert answer.document == {"amount": Decimal("10.10")}
    assert str(answer.document["amount"]) == "10.10"
    refused = client.send("LEDGER/refused", {}, has_effect=True, what="the journal")
    assert (refused.status, refused.document) == (400, {"errorCode": "XRE0103"})
    with pytest.raises(OutcomeUnknown):
        ion.client(explains=frozenset()).send("LEDGER/refused", {}, has_effect=True, what="the journal")


def test_parameters_are_encoded_once_and_a_blank_one_is_sent(ion):
    answer = ion.client().get("LEDGER/query", {"QERY": "A from B where C = 'x+y'", "divi": ""}, what="the ledger")
    assert answer.document["all"] == {"QERY": ["A from B where C = 'x+y'"], "divi": [""]}
    assert "%20" in answer.document["raw"]
    assert answer.document["raw"].endswith("&divi=")


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        (403, Misconfigured, "does not allow this connection to use the journal"),
        (404, Misconfigured, "The ION API has no address for the journal"),
        (405, Misconfigured, "status 405"),
        (429, TemporaryFailure, "asks us to slow down. Nothing was done"),
    ],
)
def test_what_the_gateway_did_not_hand_on_did_not_happen(ion, status, error, sentence):
    for has_effect in (False, True):
        ion.play("status", path=ENTRIES, status=status)
        with pytest.raises(error) as met:
            ion.client().send(ENTRIES, {"amount": "1.00"}, has_effect=has_effect, what="the journal")
        assert sentence in met.value.sentence
    assert ion.amounts() == []


@pytest.mark.parametrize("status", [408, 418, 500, 502, 503, 504])
def test_a_write_that_may_have_arrived_is_unknown_and_never_sent_again(ion, status):
    ion.play("status_after", path=ENTRIES, status=status)
    with pytest.raises(OutcomeUnknown, match="Whether Infor did it is not known"):
        ion.client().send(ENTRIES, {"amount": "1.00"}, has_effect=True, what="the journal")
    assert ion.amounts() == ["1.00"]
    assert ion.asked(ENTRIES) == 1
    ion.play("status_after", path=ENTRIES, status=status)
    with pytest.raises(TemporaryFailure):
        ion.client().get(ENTRIES, what="the ledger")


@pytest.mark.parametrize(
    ("fault", "details"),
    [
        ("lost_answer", {}),
        ("cut_body", {}),
        ("slow_answer", {"seconds": 1.5}),
        ("status_after", {"status": 200}),
        ("status_after", {"status": 200, "body": "<html>done?</html>"}),
        ("status_after", {"status": 302}),
    ],
)
@pytest.mark.parametrize("is_get", [False, True])
def test_a_lost_answer_is_unknown_for_a_write_and_for_a_get_with_effect(ion, fault, details, is_get):
    ion.play(fault, path="Add$", **details)
    client = ion.client(answer_seconds=1)
    with pytest.raises(OutcomeUnknown):
        if is_get:
            client.get_with_effect("LEDGER/add", {"amount": "1.00"}, what="the journal")
        else:
            client.send(ENTRIES, {"amount": "1.00"}, has_effect=True, what="the journal")
    assert ion.amounts() == ["1.00"]
    assert ion.asked("LEDGER") == 1


def test_the_gateway_gives_up_and_the_work_goes_on(ion):
    ion.play("late", path="Add$", seconds=0.1)
    with pytest.raises(OutcomeUnknown, match="gave up waiting for the journal after its 60 seconds"):
        ion.client().send(ENTRIES, {"amount": "1.00"}, has_effect=True, what="the journal")
    assert until(lambda: ion.amounts() == ["1.00"])


@pytest.mark.parametrize("status", [302, 200])
def test_a_read_that_meets_a_sign_in_page_gets_one_more_try_with_a_new_token(ion, status):
    ion.play("login_page", status=status)
    assert ion.client().get(ENTRIES, what="the ledger").document == {"entries": []}
    assert ion.asked(TOKEN) == 2
    ion.play("login_page", status=status, times=2)
    with pytest.raises(Misconfigured, match="answered the ledger with a sign-in page"):
        ion.client().get(ENTRIES, what="the ledger")


def test_an_empty_answer_counts_only_where_the_caller_says_so(ion):
    with pytest.raises(TemporaryFailure, match="an empty answer"):
        ion.client().get("LEDGER/empty", what="the ledger")
    assert ion.client().get_with_effect("LEDGER/empty", what="the ledger", may_be_empty=True).document is None


def test_retry_after_is_honoured_and_throttling_lets_nothing_through(ion):
    ion.system.change_settings(requests_max=1, period_milliseconds=60_000, sends_retry_after=True)
    client = ion.client()
    client.get(ENTRIES, what="the ledger")
    with pytest.raises(TemporaryFailure) as slowed:
        client.send(ENTRIES, {"amount": "1.00"}, has_effect=True, what="the journal")
    assert slowed.value.retry_after_seconds is not None
    assert 50 < slowed.value.retry_after_seconds <= 60
    assert ion.amounts() == []


# The fields of a connection


@pytest.fixture
def declared():
    """A system of the shared fields alone; each product's own declaration adds to them."""
    declare("infor_test", "Infor test", ION_FIELDS)
    yield
    _declared.pop("infor_test")


def test_the_sandbox_fits_the_fields_and_a_wrong_file_has_its_sentence(ion, declared):
    assert problems_of("infor_test", ion.credentials(), is_on_premises=False, sandbox_allowed=True) == {}
    found = problems_of("infor_test", ion.credentials(ionapi="{}"), is_on_premises=False, sandbox_allowed=True)
    assert list(found) == ["ionapi"]
    assert "The file lacks “ti”" in found["ionapi"]
    private = ion.credentials(ion_url="https://10.0.0.1/infor")
    assert (
        "not a public address"
        in problems_of("infor_test", private, is_on_premises=False, sandbox_allowed=True)["ion_url"]
    )
    assert problems_of("infor_test", private, is_on_premises=True, sandbox_allowed=True) == {}


def test_a_file_is_uploaded_and_never_shown_again(ion, declared):
    file = ion.file()
    form = CredentialsForm(
        "infor_test", None, {"name": "Infor"}, {"ionapi": SimpleUploadedFile("x.ionapi", file.encode())}
    )
    assert form.is_valid(), form.errors
    assert 'type="file"' in str(form["ionapi"])
    assert form.is_multipart()
    assert form.values()["ionapi"] == file
    connection = Connection(tenant_id=ion.tenant_id, system="infor_test", name="Infor")
    connection.set_fields(form.values())
    with tenant_scope(ion.tenant_id):
        connection.save()
    assert "saak" not in Connection.sealed_fields.field.get_prep_value(connection.sealed_fields)
    assert dict(connection.public_fields())["Credentials file (.ionapi)"] == "stored"
    # A later visit shows that there is one, and an empty field keeps it.
    later = CredentialsForm("infor_test", connection, {"client_authentication": "body"}, {})
    assert later["ionapi"].help_text == "Stored. Upload a new one to replace it."
    assert "saak" not in html.unescape(str(later))
    assert later.is_valid(), later.errors
    assert "ionapi" not in later.values()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "Credentials file (.ionapi) is empty."),
        (b"x" * 5 * 1024 * 1024, "The file is larger than 64 KB; an .ionapi file has about 1 KB."),
        (b"PK\x03\x04", "This is not an .ionapi file"),
        (changed(sask=None).encode(), "The file has no service account"),
        (changed(iu="https://192.168.0.7/").encode(), "Only the operator can allow an address inside the own network"),
    ],
)
def test_a_form_says_what_is_wrong_with_an_uploaded_file(declared, content, sentence):
    form = CredentialsForm("infor_test", None, {"name": "Infor"}, {"ionapi": SimpleUploadedFile("x.ionapi", content)})
    assert not form.is_valid()
    assert list(form.errors) == ["ionapi"]
    assert sentence in form.errors["ionapi"][0]


def test_no_file_is_missing_and_another_address_wants_it_again(ion, declared):
    form = CredentialsForm("infor_test", None, {"name": "Infor"}, {})
    assert form.errors["ionapi"] == ["Credentials file (.ionapi) is missing."]
    connection = Connection(tenant_id=ion.tenant_id, system="infor_test", name="Infor")
    connection.set_fields({"ionapi": ion.file()})
    moved = CredentialsForm("infor_test", connection, {"ion_url": "https://ion.acme.example/infor"}, {})
    assert moved.errors["ionapi"] == ["ION API address changed, so this has to be entered again."]
