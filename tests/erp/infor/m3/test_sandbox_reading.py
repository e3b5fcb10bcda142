"""Reading from the M3 sandbox: EXPORTMI's questions, vouchers, additional information, and the programs of the set-up."""

from __future__ import annotations

import pytest

from tests.erp.infor.m3.mi import COMPANY, KEY, serving


@pytest.fixture(scope="module")
def mi(tmp_path_factory):
    """One posted journal of three lines, and a staged one; these tests only read."""
    with serving(tmp_path_factory.mktemp("m3")) as found:
        found.stage()
        found.batch("UpdBatch")
        found.m3.update_ledger()
        found.bulk("GLS840MI", [found.head(KEY1="ANOTHER"), *found.lines(KEY1="ANOTHER", VTXT="O'Neil; Sons")])
        yield found


@pytest.fixture
def switch(mi):
    yield mi.m3.change_settings
    mi.m3.change_settings(**type(mi.m3.settings)().as_dict())


# Questions


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ("EGJSNO,EGCUAM from FGLEDG where EGDIVI = 'MIL' and EGCUAM > 0", ["1;8200.00", "2;627.30"]),
        ("EGJSNO from FGLEDG where EGJSNO >= 2 and EGJSNO <> 3", ["2"]),
        ("EGJSNO from FGLEDG where EGACDT >= 20261113 and EGACDT <= 20261113 and EGJSNO < 2", ["1"]),
        ("EGJSNO from FGLEDG where EGVTXT = 'Wages' and EGAIT1 = '2110'", ["3"]),
        ("EGJSNO from FGLEDG where EGYEA4 = '2026' AND EGJSNO = 1", ["1"]),
        ("count(*) from FGLEDG", ["3"]),
        ("count(*) from FGLEDX where EGGEXI = 'NOSUCH'", ["0"]),
        ("FEVTXT from FGLINF where FEKEY1 = 'ANOTHER' and FEVTXT = 'O''Neil; Sons' and FELINE = 1", ["O'Neil; Sons"]),
        (f"FHKEY1,FHCONO,FHDESC from FGLINH where FHKEY1 = '{KEY}'", [f"{KEY};100;Payroll"]),
        ("FHKEY1 from FGLINH where FHKEY1 > 'B'", [KEY]),
    ],
)
def test_a_question(mi, query, lines):
    assert mi.select(query) == lines


@pytest.mark.parametrize(
    "query",
    [
        "SELECT EGJSNO from FGLEDG",
        "EGJSNO",
        "EGJSNO from FGLEDG, FGLEDX",
        "EGJSNO from NOSUCH",
        "EGNOPE from FGLEDG",
        "EGJSNO from FGLEDG where EGNOPE = 1",
        "EGJSNO from FGLEDG where EGJSNO = 1 or EGJSNO = 2",
        "EGJSNO from FGLEDG where EGDIVI = MIL",
        "EGJSNO from FGLEDG where EGDIVI = 1",
        "EGJSNO from FGLEDG where EGJSNO = 'one'",
        "EGJSNO from FGLEDG where EGVTXT = 'O'Neil'",
        "EGJSNO from FGLEDG where EGJSNO like '1%'",
        "EGJSNO from FGLEDG order by EGJSNO",
        "EGJSNO from FGLEDG where EGCONO = 100",
    ],
)
def test_a_question_that_cannot_be_asked(mi, query):
    assert mi.code("EXPORTMI", "Select", QERY=query, divi="") == ("CPF9898", "QERY")


def test_a_session_of_a_division_sees_only_it_and_cannot_ask_for_it(mi, switch):
    assert mi.select("count(*) from FGLEDG", divi="HAU") == ["0"]
    assert mi.select("count(*) from FGLEDG", divi="MIL") == ["3"]
    asked = {"QERY": "count(*) from FGLEDG where EGDIVI = 'MIL'"}
    assert mi.code("EXPORTMI", "Select", **asked, divi="MIL") == ("CPF9898", "QERY")
    switch(division_filter="taken")
    assert mi.select(asked["QERY"], divi="MIL") == ["3"]


def test_headers_separators_and_empty_answers(mi, switch):
    query = "EGJRNO,EGJSNO from FGLEDG where EGJSNO = 1"
    assert mi.select(query, headers="1")[0] == "EGJRNO;EGJSNO"
    rows = mi.records("EXPORTMI", "Select", QERY=query, SEPC="|", divi="")
    assert rows[0]["REPL"].endswith("|1")
    assert mi.code("EXPORTMI", "Select", QERY=query, SEPC="*", divi="") == ("CPF9898", "QERY")
    none = "EGJSNO from FGLEDG where EGJSNO = 99"
    assert mi.select(none, headers="1") == []
    switch(export_empty="header")
    assert mi.select(none, headers="1") == ["EGJSNO"]


def test_a_question_is_cut_like_every_list_and_its_header_counts(mi):
    assert len(mi.select("EGJSNO from FGLEDG", headers="1", maxrecs="2")) == 2


def test_columns_that_are_not_published_are_the_tenants(mi, switch):
    switch(field_lines_prefix="QX", head_status=True)
    names = [row["FLDN"] for row in mi.records("EXPORTMI", "LstFields", FILE="FGLINF")]
    assert names[:4] == ["QXCONO", "QXDIVI", "QXKEY1", "QXLINE"]
    assert mi.select(f"FHSTAT from FGLINH where FHKEY1 = '{KEY}'") == ["90"]
    (line,) = [row for row in mi.records("MRS001MI", "LstFieldInfo", FILE="FGLINF") if row["FLNA"] == "QXCUAM"]
    assert (line["FLTY"], line["FLLE"], line["FLDP"]) == ("N", "17", "2")
    assert mi.code("EXPORTMI", "LstFields", FILE="NOSUCH") == ("XRE0103", "FILE")


# Vouchers


def test_vouchers_by_number_and_by_date(mi):
    number = mi.vouchers()[0]["VONO"]
    asked = {"DIVI": "MIL", "YEA4": "2026", "VONO": number}
    (head,) = mi.records("GLS200MI", "GetVoucherHead", **asked)
    assert (head["DSUM"], head["CSUM"], head["VSER"]) == ("8827.30", "-8827.30", "PR")
    assert [row["JSNO"] for row in mi.records("GLS200MI", "LstVoucherLines", **asked)] == ["1", "2", "3"]
    assert mi.code("GLS200MI", "LstVoucherLines", **{**asked, "VONO": "1"}) == ("XRE0103", "VONO")
    assert mi.code("GLS200MI", "LstVoucherLines", **asked, VSER="ZZ") == ("XRE0103", "VONO")
    assert mi.code("GLS200MI", "GetVoucherHead", **{**asked, "VONO": "1"}) == ("XRE0103", "VONO")
    dates = {"FRDT": "20261113", "TODT": "20261113", "DIVI": "MIL"}
    assert len(mi.records("GLS200MI", "LstVouchersByDt", **dates)) == 3
    assert mi.records("GLS200MI", "LstVouchersByDt", **{**dates, "FRDT": "20261114", "TODT": "20261231"}) == []


def test_additional_information(mi):
    journal = mi.vouchers()[0]["JRNO"]
    asked = {"DIVI": "MIL", "YEA4": "2026", "JRNO": journal, "GEXN": "1"}
    rows = mi.records("GLS250MI", "LstInfo", **asked)
    assert [(row["JSNO"], row["GEXI"]) for row in rows] == [("1", KEY), ("2", KEY), ("3", KEY)]
    assert len(mi.records("GLS250MI", "LstInfo", **asked, JSNO="2")) == 1
    assert mi.records("GLS250MI", "LstInfo", **{**asked, "GEXN": "2"}) == []


# Set-up


def test_divisions(mi):
    rows = mi.records("MNS100MI", "LstDivisions", CONO=COMPANY)
    assert [row["DIVI"] for row in rows] == ["", "CAN", "HAU", "MIL", "NEW", "OLD"]
    (row,) = mi.records("MNS100MI", "GetBasicData", CONO=COMPANY, DIVI="CAN")
    assert (row["CONM"], row["LOCD"], row["PTFA"]) == ("Cobalt Ridge Canada Ltd", "CAD", "1")
    assert mi.code("MNS100MI", "GetBasicData", DIVI="ZZZ") == ("WDIVI03", "DIVI")
    assert mi.records("MNS095MI", "Get", CONO=COMPANY)[0]["CCUC"] == "USD"
    users = mi.records("MNS150MI", "LstCmpDivi", USID="MLCONN")
    assert [row["DIVI"] for row in users] == [row["DIVI"] for row in rows]
    assert mi.code("MNS150MI", "LstCmpDivi", USID="NOBODY") == ("XRE0103", "USID")
    assert mi.code("MNS150MI", "GetUserData", USID="NOBODY") == ("XRE0103", "USID")


def test_identities_of_all_dimensions(mi):
    counts = [len(mi.records("CRS630MI", "LstAccountID", AITP=str(each), DIVI="MIL")) for each in range(1, 8)]
    assert counts == [40, 93, 9, 2, 2, 0, 0]
    assert mi.records("CRS630MI", "LstAccountID", AITP="1", DIVI="NEW") == []
    (row,) = mi.records("CRS630MI", "GetAccountID", AITP="1", AITM="5000")
    assert (row["ACR2"], row["ACR3"], row["AT01"], row["AT02"]) == ("1", "0", "0", "1")
    assert mi.code("CRS630MI", "LstAccountID", AITP="9") == ("WAITP01", "AITP")


def test_a_key_is_where_a_list_begins_or_what_it_must_equal(mi, switch):
    asked = {"AITP": "1", "AITM": "6300"}
    assert [row["AITM"] for row in mi.records("CRS630MI", "LstAccountID", **asked)] == ["6300", "6400", "6500", "9000"]
    switch(lists_start_at_key=False)
    assert [row["AITM"] for row in mi.records("CRS630MI", "LstAccountID", **asked)] == ["6300"]


def test_settings_groups_periods_and_departments(mi):
    (row,) = mi.records("CRS750MI", "GetGLSettings", DIVI="MIL")
    assert [row[name] for name in ("CHEC", "DCNY", "FAC1", "FAC5", "FAC6")] == ["1", "0", "1", "1", "0"]
    assert mi.code("CRS750MI", "GetGLSettings", DIVI="NEW") == ("XRE0103", "DIVI")
    groups = mi.records("CRS633MI", "LstAccGroups", DIVI="MIL")
    assert {row["AICL"] for row in groups} == {"1", "2", "3", "6", "9"}
    asked = {"FDIV": "MIL", "TDIV": "MIL", "FYEA": "2026", "TYEA": "2026", "FPET": "1", "TPET": "1"}
    periods = mi.records("CRS910MI", "Select", **asked)
    assert [(row["PERI"], row["FDAT"], row["TDAT"]) for row in periods][1] == ("2", "20260201", "20260228")
    assert len(periods) == 12
    assert len(mi.records("CRS910MI", "Select", FDIV="MIL", TDIV="MIL")) == 48
    departments = mi.records("CRS080MI", "Lst")
    assert departments[0] == {"DEPT": "010", "TX40": "Head office", "TX15": "Head office", "FACI": "M01"}
    assert mi.records("CRS080MI", "Get", DEPT="020")[0]["TX40"] == "Sales"
    assert mi.code("CRS080MI", "Get", DEPT="NOSUCH") == ("XRE0103", "DEPT")


def test_currencies_and_rates(mi):
    assert mi.records("CRS055MI", "GetBasicData", CUCD="JPY")[0]["DCCD"] == "0"
    assert mi.code("CRS055MI", "GetBasicData", CUCD="XXX") == ("XRE0103", "CUCD")
    assert [row["ARAT"] for row in mi.records("CRS055MI", "LstRatesPerType", CUCD="CAD", CRTP="1")] == ["0.730000"]
    rows = mi.records("CRS055MI", "SelExchangeRate", CRTP="1", CUTD="20261113", FCUR="EUR", TCUR="EUR")
    assert {(row["CUCD"], row["LOCD"]) for row in rows} == {("EUR", "USD")}
    assert len(mi.records("CRS175MI", "LstCurrRates", CONO=COMPANY)) == 3
    codes = mi.records("CRS175MI", "LstGeneralCode", STCO="CUCD")
    assert [row["STKY"] for row in codes] == ["CAD", "EUR", "JPY", "USD"]


def test_the_repository_says_what_the_definitions_say(mi):
    rows = mi.records("MRS001MI", "LstAdtFieldInf", MINM="GLS840MI", TRNM="AddBatchLineFld", TRTP="I")
    key, line = rows[0], rows[1]
    assert (key["FLNM"], key["TYPE"], key["LENG"], key["MAND"], key["FRPO"]) == ("KEY1", "A", "15", "1", "16")
    assert (line["FLNM"], line["TYPE"], line["FRPO"], line["TOPO"]) == ("LINE", "N", "31", "37")
    headings = {row["FLNM"]: (row["FLDS"], row["TX15"]) for row in rows}
    assert headings["AIT2"] == ("Acc dimension 2", "Cost center")
    assert headings["AIT7"] == ("Acc dimension 7", "")
    assert mi.records("MRS001MI", "LstFields", MINM="GLS840MI", TRNM="AddBatchLineFld", TRTP="O") == []
    assert mi.records("MRS001MI", "GetTransaction", MINM="GLS840MI", TRNM="UpdBatch")[0]["STAT"] == "20"
    assert mi.code("MRS001MI", "LstFields", MINM="GLS840MI", TRNM="NoSuch", TRTP="I") == ("XRE0103", "TRNM")
    assert mi.code("MRS001MI", "LstTransactions", MINM="NOSUCHMI") == ("XRE0103", "MINM")
    assert "EXPORTMI" in [row["MINM"] for row in mi.records("MRS001MI", "LstPrograms")]
