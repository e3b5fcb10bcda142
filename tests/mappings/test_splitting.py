"""Splitting: figures worked out by hand, and the laws of accounting.md 7 for any amount and any weights."""

from __future__ import annotations

import decimal
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.splitting import from_cents, split, to_cents, whole_weights

D = Decimal

amounts = st.integers(-(10**15), 10**15).map(from_cents)
weight = st.one_of(
    st.integers(0, 10**9),
    st.fractions(min_value=0, max_value=1000, max_denominator=997),
    st.decimals(min_value=0, max_value=100, places=4),
)
weight_lists = st.lists(weight, min_size=1, max_size=12).filter(any)


@pytest.mark.parametrize(
    ("amount", "weights", "parts"),
    [
        ("10.02", ["33", "33", "34"], ["3.31", "3.30", "3.41"]),
        ("1.00", ["33", "33", "34"], ["0.33", "0.33", "0.34"]),
        ("0.01", ["33", "33", "34"], ["0.00", "0.00", "0.01"]),
        ("-100.01", ["33.33", "33.33", "33.34"], ["-33.33", "-33.33", "-33.35"]),
        ("-0.02", ["33.33", "33.33", "33.34"], ["-0.01", "0.00", "-0.01"]),
        ("49.76", ["540.00", "262.50"], ["33.48", "16.28"]),
        ("11.64", ["540.00", "262.50"], ["7.83", "3.81"]),
        ("33.33", ["600.01", "399.99"], ["20.00", "13.33"]),
        ("0.01", ["1", "1"], ["0.01", "0.00"]),
        ("0.03", ["1", "1"], ["0.02", "0.01"]),
        ("5.00", ["0", "1", "0"], ["0.00", "5.00", "0.00"]),
        ("0.00", ["1", "2"], ["0.00", "0.00"]),
    ],
)
def test_figures_worked_out_by_hand(amount: str, weights: list[str], parts: list[str]) -> None:
    assert [str(part) for part in split(D(amount), [D(w) for w in weights])] == parts


@given(amounts, weight_lists)
def test_the_parts_add_up_to_the_amount(amount: Decimal, weights: list) -> None:
    assert sum(to_cents(part) for part in split(amount, weights)) == to_cents(amount)


@given(amounts, weight_lists)
def test_every_part_is_within_one_cent_of_its_exact_share(amount: Decimal, weights: list) -> None:
    total = sum(Fraction(w) for w in weights)
    for part, w in zip(split(amount, weights), weights, strict=True):
        assert abs(Fraction(part) - Fraction(amount) * Fraction(w) / total) < Fraction(1, 100)


@given(amounts, weight_lists)
def test_a_correction_mirrors_the_payment(amount: Decimal, weights: list) -> None:
    assert split(-amount, weights) == [-part for part in split(amount, weights)]


@given(amounts, weight_lists, st.integers(1, 1000))
def test_only_the_proportions_count(amount: Decimal, weights: list, factor: int) -> None:
    assert split(amount, [Fraction(w) * factor for w in weights]) == split(amount, weights)


@given(amounts, weight_lists)
def test_zero_weights_get_nothing_and_parts_have_two_decimals(amount: Decimal, weights: list) -> None:
    for part, w in zip(split(amount, weights), weights, strict=True):
        assert part.as_tuple().exponent == -2
        if not w:
            assert part == 0


@given(amounts, weight_lists)
def test_the_callers_decimal_context_changes_nothing(amount: Decimal, weights: list) -> None:
    expected = [str(part) for part in split(amount, weights)]
    with decimal.localcontext(decimal.Context(prec=3, rounding=decimal.ROUND_UP)):
        assert [str(part) for part in split(amount, weights)] == expected


@given(st.integers(0, 10**6), st.integers(2, 9))
def test_equal_weights_favour_the_lower_position(cents: int, people: int) -> None:
    parts = split(from_cents(cents), [1] * people)
    assert parts == sorted(parts, reverse=True)
    assert parts[0] - parts[-1] <= D("0.01")


@pytest.mark.parametrize(
    "amount", ["1.002", "0.001", "-1.005", "1.0000000000000000000000000000000000001", "NaN", "Infinity"]
)
def test_an_amount_that_is_not_in_cents_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        split(D(amount), [1])


@pytest.mark.parametrize("weights", [[], [0], [0, D("0.00")], [1, -1], [D("NaN")]])
def test_weights_that_cannot_divide_anything_are_refused(weights: list) -> None:
    with pytest.raises(ValueError, match="weight"):
        split(D("1.00"), weights)


@pytest.mark.parametrize("weights", [[0.5, 0.5], [True, False], ["1"]])
def test_a_float_is_never_a_weight(weights: list) -> None:
    with pytest.raises(TypeError):
        whole_weights(weights)
