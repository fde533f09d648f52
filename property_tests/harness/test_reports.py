"""The tables and files of a report on trial: what they say about runs whose truth is known."""

import builtins
import csv
import dataclasses
import errno
import io
import math
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backproof import names, runfile
from backproof.errors import BackproofError, MissingExtraError, RunFileError
from backproof.records import PairRecord, condition_of
from property_tests.harness.made_up_runs import (
    SUBJECT,
    hostile_run,
    lost,
    made_up_run,
    no_answer,
    spoil_case,
    wrong,
    wrong_run,
)
from reports import tables, write_reports
from reports.grouping import doubling


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("kind", [tables.AgreementRow, tables.SummaryRow])
def test_every_column_is_documented(kind: type) -> None:
    assert undocumented(kind) == []


def undocumented(kind: type) -> list[str]:
    """Fields that the docstring does not introduce as `name: ...` or `name, name: ...`."""
    introduced = set(
        re.findall(r"\w+", " ".join(re.findall(r"((?:\w+, )*\w+):", kind.__doc__ or "")))
    )
    return [f.name for f in dataclasses.fields(kind) if f.name not in introduced]


def test_a_column_without_documentation_is_noticed() -> None:
    @dataclasses.dataclass
    class Row:
        """A row. a, b: sides"""

        a: str
        b: str
        secret: int

    assert undocumented(Row) == ["secret"]


def test_csv_columns_are_the_fields_and_rows_the_comparisons(tmp_path: Path) -> None:
    run = made_up_run(20)
    run.details = []
    write_reports(run, tmp_path)
    for name, kind in (("agreement", tables.AgreementRow), ("summary", tables.SummaryRow)):
        header = (tmp_path / f"{name}.csv").read_bytes().split(b"\n")[0].decode()
        assert header.split(",") == [f.name for f in dataclasses.fields(kind)]
    rows = rows_of((tmp_path / "agreement.csv").read_text(encoding="utf-8"))
    assert [(row["index"], row["a"], row["b"]) for row in rows] == [
        (str(index), a, b) for index in range(20) for a, b in run.header.pairs
    ]


def test_numbers_read_back_the_same() -> None:
    run = made_up_run(20)
    run.details = []
    rows = rows_of(tables.csv_text(tables.agreement_table(run)))
    worst = [pair.worst for line in run.results for pair in line.pairs]
    for column in ("value_a", "value_b", "bound", "error_in_bounds", "error_ulp"):
        told = [float(row[column]) for row in rows]
        assert told == [getattr(record, column) for record in worst]
    first = run.cases[int(rows[0]["index"])]
    assert rows[0]["widths"] == "-".join(map(str, first.widths))
    assert rows[0]["activations"] == "/".join(first.activations)


def test_the_condition_is_the_bound_in_units_of_u_times_the_value() -> None:
    run = made_up_run(20)
    run.details = []
    rows = rows_of(tables.csv_text(tables.agreement_table(run)))
    seen = set()
    for row in rows:
        u = {"float64": 2.0**-53, "float32": 2.0**-24}[row["dtype"]]
        size = max(abs(float(row["value_a"])), abs(float(row["value_b"])))
        assert float(row["condition"]) == float(row["bound"]) / (u * size)
        seen.add(row["dtype"])
    assert seen == {"float64", "float32"}  # a single u for both would have been seen


@pytest.mark.parametrize(
    ("a", "b", "bound", "told"),
    [(2.0, -4.0, 2.0**-50, 2.0), (0.0, 0.0, 1e-300, math.inf), (1.0, 1.0, math.inf, math.nan)],
)
def test_a_condition_may_be_infinite_or_none(a: float, b: float, bound: float, told: float) -> None:
    (line,) = made_up_run(1).results
    record = next(pair.worst for pair in line.pairs if pair.worst is not None)
    record = dataclasses.replace(record, value_a=a, value_b=b, bound=bound)
    found = condition_of(record, "float64")
    assert found == told or (math.isnan(found) and math.isnan(told))


def test_parameters_stand_under_their_case_once() -> None:
    run = made_up_run(20, spoiled=spoil_case(0, "torch_autograd", wrong))
    table = tables.agreement_table(run)
    own = table[(table["index"] == 0) & (table["b"] == "torch_autograd")]
    assert own["row"].tolist() == ["case", "parameter", "parameter"]
    assert own["verdict"].tolist() == ["wrong", "wrong", "agree"]
    first = own.iloc[0]
    assert (first["layer"], first["parameter"], first["element"]) == (1, "dW", "[0, 0]")
    # Case 1 was looked at again (a detail line), case 2 was not.
    assert set(table[table["index"] == 1]["row"]) == {"case", "parameter"}


def test_special_numbers_are_told_apart_from_none() -> None:
    def odd(pair: PairRecord) -> PairRecord:
        assert pair.worst is not None
        changed = replace(
            pair.worst,
            value_a=math.nan,
            value_b=math.inf,
            bound=-math.inf,
            error_in_bounds=math.nan,
        )
        return replace(pair, worst=replace(changed, verdict="inconclusive"), verdict="inconclusive")

    run = made_up_run(2, spoiled=spoil_case(0, "jax_grad", odd))
    run.details = []
    row = rows_of(tables.csv_text(tables.agreement_table(run)))[1]
    assert [row[n] for n in ("value_a", "value_b", "bound")] == ["NaN", "Infinity", "-Infinity"]
    gone = made_up_run(2, spoiled=spoil_case(0, "jax_grad", lambda p: no_answer(p, "timeout: 2 s")))
    gone.details = []
    row = rows_of(tables.csv_text(tables.agreement_table(gone)))[1]
    assert [row[n] for n in ("value_a", "layer", "failure")] == ["", "", "timeout: 2 s"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_text_cell_is_a_formula(start: str) -> None:
    message = f'{start}HYPERLINK("http://x")'
    run = made_up_run(3, spoiled=spoil_case(1, "jax_grad", lambda p: no_answer(p, message)))
    assert formulas(tables.csv_text(tables.agreement_table(run))) == []


def formulas(text: str) -> list[str]:
    """Cells that a spreadsheet would take for a formula, and that are no numbers."""
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    dangerous = [cell for cell in cells if cell[:1] and cell[0] in "=+-@\t\r\n"]
    return [cell for cell in dangerous if not re.fullmatch(r"-(Infinity|[\d.]+(e[+-]\d+)?)", cell)]


def test_an_undefused_formula_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "defused", lambda text: text)
    run = made_up_run(3, spoiled=spoil_case(1, "jax_grad", lambda p: no_answer(p, "=1+1")))
    assert formulas(tables.csv_text(tables.agreement_table(run))) == ["=1+1"]


def test_a_hostile_run_has_no_formula() -> None:
    assert formulas(tables.csv_text(tables.agreement_table(hostile_run()))) == []


def test_a_negative_number_stays_a_number() -> None:
    assert tables._cell(-0.5) == "-0.5"
    assert tables._cell("-0.5") == "'-0.5"


def test_any_text_survives_a_csv_reader() -> None:
    nasty = 'a\r\nb\rc"d",e\0f\ud800 ünïcode'
    run = made_up_run(2, spoiled=spoil_case(0, "jax_grad", lambda p: no_answer(p, nasty)))
    run.details = []
    text = tables.csv_text(tables.agreement_table(run))
    assert rows_of(text)[1]["failure"] == 'a\nb\nc"d",e\\x00f\\ud800 ünïcode'
    assert "\r" not in text


def test_the_summary_adds_up() -> None:
    run = wrong_run()
    rows = list(tables.summary_rows(run))
    total = {(row.a, row.b): row for row in rows if row.field == "all"}
    assert list(total) == list(run.header.pairs)
    for (a, b), row in total.items():
        records = [p for line in run.results for p in line.pairs if (p.a, p.b) == (a, b)]
        assert row.cases == len(run.results)
        assert row.checked == sum(sum(p.counts[w] for w in names.VERDICTS) for p in records)
        # Each case has one depth, loss, dtype, ...: those groups are parts of the whole.
        for field in ("depth", "loss", "scale", "dtype", "regime", "width", "batch", "bias"):
            parts = [r for r in rows if (r.a, r.b, r.field) == (a, b, field)]
            assert sum(part.cases for part in parts) == row.cases
            assert sum(part.checked for part in parts) == row.checked
            assert max(p.worst_in_bounds or 0 for p in parts) == row.worst_in_bounds
    assert total[SUBJECT, "torch_autograd"].wrong_cases == 1


def test_a_wrong_answer_that_is_no_number_stays_the_worst() -> None:
    run = made_up_run(9, spoiled=spoil_case(4, "jax_grad", lost))
    row = next(r for r in tables.summary_rows(run) if (r.a, r.b) == (SUBJECT, "jax_grad"))
    assert (row.field, row.worst_in_bounds, row.wrong_cases) == ("all", math.inf, 1)


def test_kinks_and_overflows_are_counted_but_not_measured() -> None:
    def overflow(pair: PairRecord) -> PairRecord:
        assert pair.worst is not None
        worst = replace(pair.worst, verdict="inconclusive", error_in_bounds=1e300)
        counts = pair.counts | {"inconclusive": 5}
        return replace(pair, verdict="inconclusive", worst=worst, counts=counts)

    run = made_up_run(9, spoiled=spoil_case(4, "jax_grad", overflow))
    row = next(r for r in tables.summary_rows(run) if (r.a, r.b) == (SUBJECT, "jax_grad"))
    assert row.inconclusive == 5
    assert row.worst_in_bounds is not None
    assert row.worst_in_bounds < 1


def test_quantiles_are_values_that_occurred() -> None:
    assert tables.quantile([], 0.5) is None
    assert tables.quantile([1.0, 2.0, math.inf], 0.5) == 2.0
    assert [tables.quantile([1.0, 2.0, 3.0, 4.0], q) for q in (0.1, 0.5, 0.9, 1.0)] == [1, 2, 4, 4]


def test_doublings_hold_every_width_and_batch() -> None:
    names_of = [doubling(number) for number in range(1, 129)]
    assert names_of[:6] == ["1", "2", "3 to 4", "3 to 4", "5 to 8", "5 to 8"]
    assert (names_of[8], names_of[127]) == ("9 to 16", "65 to 128")


# --- files ----------------------------------------------------------------------------------


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    """Also when it was written as run.jsonl and read back."""
    run = wrong_run()
    path = tmp_path / "run.jsonl"
    lines: list[runfile.Line] = [run.header, *run.cases, *run.results, *run.details, *run.shrunk]
    assert run.footer is not None
    path.write_text("".join(map(runfile.line_of, [*lines, run.footer])), encoding="utf-8")
    first = write_reports(run, tmp_path / "first")
    second = write_reports(runfile.read_run(path), tmp_path / "second")
    assert [p.name for p in first] == ["agreement.csv", "summary.csv", "index.html"]
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BackproofError, match=r"^the reports cannot be written into .*file \("):
        write_reports(made_up_run(2), tmp_path / "file")


def test_a_full_disk_leaves_the_old_report_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_reports(made_up_run(2), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BackproofError, match="No space left on device"):
        write_reports(made_up_run(5), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_without_pandas_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "pandas":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"python -m pip install 'backproof\[suite\]'"):
        write_reports(made_up_run(2), tmp_path)


def test_a_result_without_its_case_is_refused(tmp_path: Path) -> None:
    run = made_up_run(3)
    run.cases = run.cases[:2]
    with pytest.raises(RunFileError, match="result of case 2, but no such case"):
        write_reports(run, tmp_path)
