"""mapping.csv and crosswalks.csv: what is read, and every mistake with its row, its column and a sentence."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from mappings.payroll import LineKind, Side
from mappings.table import Criteria, CrosswalkEntry, Policy, Target
from mappings.table_csv import (
    MAPPING_COLUMNS,
    RowError,
    read_crosswalk_rows,
    read_crosswalks_csv,
    read_mapping_csv,
    read_mapping_rows,
    tables,
)

HEADER = ",".join(MAPPING_COLUMNS)
CROSSWALK_HEADER = "valid_from,source_kind,source_value,target,target_value"
GOOD = "2026-01-01,R01,earning,,,,,,,,,debit,1,100,6000,CostCenter=@department,,"


def mapping(*rows: str) -> str:
    return "\n".join([HEADER, *rows]) + "\n"


def test_a_row_becomes_a_target_of_a_rule() -> None:
    row = "2026-01-01,R20,earning, Bonus ,E01,J1,Sales,Reno,Exempt,off_cycle,Bonus,debit,2,33.33,6020,Plant=10; CostCenter=@job,@job,"
    (read,), errors = read_mapping_csv(mapping(row.replace("33.33", "100")))
    assert errors == []
    assert (read.row, read.valid_from, read.rule, read.kind, read.side) == (
        2,
        date(2026, 1, 1),
        "R20",
        LineKind.EARNING,
        Side.DEBIT,
    )
    assert read.criteria == Criteria(
        component="Bonus",
        employee="E01",
        job="J1",
        department="Sales",
        location="Reno",
        compensation_level="Exempt",
        payroll_type="off_cycle",
        off_cycle_reason="Bonus",
    )
    assert read.target == Target(2, Decimal(100), "6020", (("CostCenter", "@job"), ("Plant", "10")), "@job")


def test_rows_with_one_date_are_one_version_with_its_crosswalk() -> None:
    rows, errors = read_mapping_csv(
        "\ufeff"
        + mapping(
            GOOD.replace(",1,100,", ",2,60,"),
            GOOD.replace(",1,100,6000", ",1,40,6001"),
            "2026-01-01,R03,employer_tax,,,,,,,,,debit,1,100,6100,,,",
            "2026-01-01,R03,employer_tax,,,,,,,,,credit,1,100,2110,,,2130",
            "",
            GOOD.replace("2026-01-01", "2026-07-01"),
        )
    )
    assert errors == []
    crosswalk_rows, errors = read_crosswalks_csv(
        f"{CROSSWALK_HEADER}\r\n2026-01-01,department,Sales,CostCenter,200\r\n2026-07-01,department,Sales,CostCenter,250\r\n"
    )
    assert errors == []
    (first, second), errors = tables(rows, crosswalk_rows, Policy("US01"))
    assert errors == []
    assert (first.valid_from, second.valid_from) == (date(2026, 1, 1), date(2026, 7, 1))
    assert [rule.name for rule in first.rules] == ["R01", "R03"]
    assert [target.main_account for target in first.rules[0].targets(Side.DEBIT)] == ["6001", "6000"]
    assert first.rules[1].credit == (Target(1, Decimal(100), "2110", accrual_account="2130"),)
    assert first.crosswalk == (CrosswalkEntry("department", "Sales", "CostCenter", "200"),)
    assert second.crosswalk == (CrosswalkEntry("department", "Sales", "CostCenter", "250"),)


def test_the_optional_columns() -> None:
    text = f"{HEADER},employee_code,custom_field\n{GOOD},1042,Grant = G-7\n"
    (read,), errors = read_mapping_csv(text)
    assert errors == []
    assert read.criteria == Criteria(employee_code="1042", custom_field=("Grant", "G-7"))
    _, errors = read_mapping_csv(f"{HEADER},custom_field\n{GOOD},Grant\n")
    assert errors == [RowError(2, "custom_field", '"Grant" is not of the form Name=value.')]


@pytest.mark.parametrize(
    ("old", "new", "column", "words"),
    [
        ("2026-01-01", "01/31/2026", "valid_from", '"01/31/2026" is no date'),
        ("2026-01-01", "2026-02-30", "valid_from", '"2026-02-30" is no date'),
        ("2026-01-01", "20260101", "valid_from", "is no date"),
        ("R01", "", "rule", "empty"),
        ("earning", "wages", "kind", '"wages" is unknown. Choose one of earning, tips,'),
        ("earning", "net_pay", "side", "net_pay has no debit side"),
        ("debit", "both", "side", '"both" is unknown. Choose one of debit, credit.'),
        ("debit,1,", "debit,0,", "target", '"0" is no target number'),
        ("debit,1,", "debit,first,", "target", "is no target number"),
        (",100,", ",100%,", "percent", '"100%" is no percentage'),
        (",100,", ",-100,", "percent", "is no percentage"),
        (",100,", ",100.5,", "percent", "is no percentage"),
        (",100,", ",,", "percent", "is no percentage"),
        (
            ",100,",
            ",99.99,",
            "percent",
            "The percentages of rule R01, debit, valid from 2026-01-01, are 99.99, not 100.",
        ),
        ("6000", "", "main_account", "empty"),
        ("CostCenter=@department", "CostCenter", "dimensions", "is not of the form Name=value"),
        ("CostCenter=@department", "CostCenter=", "dimensions", "is not of the form Name=value"),
        ("CostCenter=@department", "CostCenter=@team", "dimensions", '"@team" cannot be looked up'),
        ("CostCenter=@department", "CostCenter=1;costcenter=2", "dimensions", "is there twice"),
        ("@department,,", "@department,@team,", "company_code", '"@team" cannot be looked up'),
        ("@department,,", "@department,,2120", "accrual_account", "Only a credit waits"),
    ],
)
def test_a_wrong_cell_is_named(old: str, new: str, column: str, words: str) -> None:
    assert old in GOOD
    _, errors = read_mapping_csv(
        mapping(GOOD.replace("R01", "R00").replace("earning", "tips"), GOOD.replace(old, new, 1))
    )
    (error,) = errors
    assert (error.row, error.column) == (3, column)
    assert words in error.sentence


def test_an_unknown_payroll_type_would_never_fit() -> None:
    row = "2026-01-01,R01,earning,,,,,,,weekly,,debit,1,100,6000,,,"
    _, errors = read_mapping_csv(mapping(row))
    assert errors == [RowError(2, "payroll_type", '"weekly" is unknown. Choose one of regular, off_cycle, external.')]


def test_all_mistakes_come_at_once() -> None:
    rows, errors = read_mapping_csv(
        mapping(GOOD.replace("earning", "wage").replace(",100,", ",x,"), GOOD, "2026-01-01,R02", "x" + GOOD)
    )
    assert [(error.row, error.column) for error in errors] == [(2, "kind"), (2, "percent"), (4, ""), (5, "valid_from")]
    assert [row.row for row in rows] == [3]


@pytest.mark.parametrize(
    ("second", "column", "words"),
    [
        (GOOD.replace(",100,", ",50,"), "target", "Row 2 is target 1 of rule R01, debit, already."),
        (GOOD.replace("R01,earning,", "R01,earning,Bonus"), "component", "Rule R01 has another component in row 2."),
        (GOOD.replace("earning", "tips"), "kind", "Rule R01 has another kind in row 2."),
    ],
)
def test_rows_of_one_rule_must_agree(second: str, column: str, words: str) -> None:
    _, errors = read_mapping_csv(mapping(GOOD, second))
    assert RowError(3, column, words) in errors


def test_spelling_does_not_make_another_rule() -> None:
    first = "2026-01-01,R01,employer_tax,Social Security,,,,,,,,debit,1,100,6100,,,"
    second = "2026-01-01,R01,employer_tax,social  security,,,,,,,,credit,1,100,2110,,,"
    _, errors = read_mapping_csv(mapping(first, second))
    assert errors == []


def test_a_memo_kind_needs_both_sides() -> None:
    row = "2026-01-01,R30,imputed,Company Car,,,,,,,,debit,1,100,6200,,,"
    _, errors = read_mapping_csv(mapping(row))
    assert errors == [RowError(2, "side", "imputed is posted only by a rule with both sides; rule R30 has one.")]
    _, errors = read_mapping_csv(mapping(row, row.replace("debit,1,100,6200", "credit,1,100,6400")))
    assert errors == []


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", "", "The file is empty."),
        (mapping(GOOD).replace("percent", "per cent"), "percent", 'Column "percent" is missing.'),
        (mapping(GOOD).replace("percent", "per cent"), "per cent", 'Column "per cent" is unknown.'),
        (f"{HEADER},rule\n{GOOD},R01\n", "rule", 'Column "rule" is there twice.'),
        (mapping('"R01'), "", "This is not a CSV file"),
        ("PK\x03\x04\x00binary", "valid_from", 'Column "valid_from" is missing.'),
    ],
)
def test_a_file_of_another_form_is_refused_as_a_whole(text: str, column: str, words: str) -> None:
    rows, errors = read_mapping_csv(text)
    assert rows == []
    assert any(error.row == 1 and error.column == column and words in error.sentence for error in errors)


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        ("2026-01-01,team,Sales,CostCenter,200", "source_kind", '"team" is unknown'),
        ("2026-01-01,department,,CostCenter,200", "source_value", "Write (none) for people who have none."),
        ("2026-01-01,department,Sales,,200", "target", "empty"),
        ("2026-01-01,department,Sales,CostCenter,", "target_value", "empty"),
        ("2026-13-01,department,Sales,CostCenter,200", "valid_from", "is no date"),
        (
            "2026-01-01,department,MARKETING,costcenter,300",
            "source_value",
            "Row 2 gives costcenter of department MARKETING already.",
        ),
    ],
)
def test_a_wrong_crosswalk_row_is_named(row: str, column: str, words: str) -> None:
    _, errors = read_crosswalks_csv(f"{CROSSWALK_HEADER}\n2026-01-01,department,Marketing,CostCenter,300\n{row}\n")
    (error,) = errors
    assert (error.row, error.column) == (3, column)
    assert words in error.sentence


def test_a_crosswalk_row_without_rules_would_never_be_used() -> None:
    rows, _ = read_mapping_csv(mapping(GOOD))
    crosswalk_rows, _ = read_crosswalks_csv(f"{CROSSWALK_HEADER}\n2026-07-01,department,Sales,CostCenter,250\n")
    versions, errors = tables(rows, crosswalk_rows, Policy("US01"))
    assert [version.crosswalk for version in versions] == [()]
    assert errors == [RowError(2, "valid_from", "No rules are valid from 2026-07-01.")]


def test_rows_from_elsewhere_are_read_by_the_same_rules() -> None:
    cells = dict(zip(MAPPING_COLUMNS, GOOD.split(","), strict=True)) | {"employee_code": "", "custom_field": ""}
    rows, errors = read_mapping_rows([(7, cells), (8, cells | {"rule": "R02", "percent": "33.330000"})])
    assert [row.row for row in rows] == [7, 8]
    assert [(error.row, error.column) for error in errors] == [(8, "percent")]
    entry = {
        "valid_from": "2026-01-01",
        "source_kind": "job",
        "source_value": "J1",
        "target": "company_code",
        "target_value": "US02",
    }
    (row,), errors = read_crosswalk_rows([(1, entry)])
    assert errors == []
    assert row.entry == CrosswalkEntry("job", "J1", "company_code", "US02")
