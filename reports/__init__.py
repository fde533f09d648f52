"""From a run to what people read: two CSV files and one HTML page.

The only place that imports pandas. It computes no verdict: it sums, ranks and shows what the
records of `run.jsonl` say.
"""

from pathlib import Path

from backproof.errors import BackproofError
from backproof.outputs import write_whole
from backproof.records import Run
from reports import html, tables


def write_reports(run: Run, folder: Path) -> list[Path]:
    """Write `agreement.csv`, `summary.csv` and `index.html` into `folder`; the same run gives the
    same bytes.

    Raises MissingExtraError without pandas, BackproofError where the folder cannot be written;
    each file is then whole or as it was before.
    """
    summary = list(tables.summary_rows(run))
    texts = {
        "agreement.csv": tables.csv_text(tables.agreement_table(run)),
        "summary.csv": tables.csv_text(tables.table_of(tables.SummaryRow, summary)),
        "index.html": html.page(run, summary),
    }
    return write_all(folder, texts)


def write_all(folder: Path, texts: dict[str, str]) -> list[Path]:
    """Write each text under its name, "index.html" or "students/anna.html", below the folder.

    Raises BackproofError where that is impossible; each file is whole or as it was before.
    """
    try:
        for place in {(folder / name).parent for name in texts}:
            place.mkdir(parents=True, exist_ok=True)
        return [write_whole(folder / name, text) for name, text in texts.items()]
    except OSError as error:
        raise BackproofError(
            f"the reports cannot be written into {folder} ({error.strerror or error}); "
            "make room or choose another --out."
        ) from None
