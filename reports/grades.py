"""From a graded class to what people read: two CSV files, the class's page, one per student."""

from pathlib import Path

from backproof.grades import ClassGrades
from reports import tables, write_all
from reports.class_page import class_page
from reports.grade_tables import RungRow, class_table, rung_rows
from reports.student_page import student_page


def write_grades(found: ClassGrades, folder: Path, hints: str) -> list[Path]:
    """Write `class.csv`, `rungs.csv`, `index.html` and `students/*.html`; the same class gives the
    same bytes.

    Raises MissingExtraError without pandas, BackproofError where the folder cannot be written.
    """
    rows = list(rung_rows(found))
    texts = {
        "class.csv": tables.csv_text(class_table(found)),
        "rungs.csv": tables.csv_text(tables.table_of(RungRow, rows)),
        "index.html": class_page(found, rows),
    }
    texts |= {
        f"students/{grade.page}.html": student_page(found, grade, hints) for grade in found.grades
    }
    return write_all(folder, texts)
