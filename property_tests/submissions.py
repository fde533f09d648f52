"""The submissions of a class: which files there are, whose, and what identifies each.

Names come from outside. What is shown has no control characters; what becomes a file name has
nothing but letters, digits, `_`, `-` and `.`, and a hash where something had to go.
"""

import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from backproof.errors import BackproofError
from backproof.rubric import Rubric

_LONGEST_NAME = 60


@dataclass(frozen=True)
class Submission:
    """One student's file.

    student, file: as they are shown   path: below DIR, as the system has it, None where it is
        missing   page: name of the student's page, without its ending
    complaint: why it is not opened, or ""
    """

    student: str
    file: str
    path: str | None
    page: str
    complaint: str = ""


def submissions(folder: Path, rubric: Rubric, leave_out: Path) -> list[Submission]:
    """All submissions below a folder, by the name of the student.

    leave_out: what we write ourselves, which may lie below the folder
    Raises BackproofError where there are none.
    """
    if not folder.is_dir():
        raise BackproofError(f"`DIR` {folder} is no folder; give the one that holds the class.")
    ours = [leave_out.resolve(), *([rubric.adapter] if rubric.adapter else [])]
    found = [
        path
        for path in folder.glob(rubric.files)
        if path.is_file() and not any(path.resolve().is_relative_to(each) for each in ours)
    ]
    names = [path.relative_to(folder) for path in found]
    if not names:
        raise BackproofError(
            f"`DIR` {folder} has no file that matches {rubric.files!r}; see `files` in the rubric."
        )
    missing = _without_a_file(folder, rubric, names, ours)
    return _named(folder, [*names, *missing], {*missing})


def _without_a_file(
    folder: Path, rubric: Rubric, names: list[Path], ours: list[Path]
) -> list[Path]:
    """Students' folders that match the pattern's first part and hold no submission."""
    first, *rest = PurePosixPath(rubric.files).parts
    if not rest:
        return []
    handed_in = {name.parts[0] for name in names}
    return [
        path.relative_to(folder)
        for path in folder.glob(first)
        if path.is_dir()
        and path.name not in handed_in
        and not path.name.startswith((".", "__"))
        and path.resolve() not in ours
    ]


def _named(folder: Path, names: list[Path], missing: set[Path]) -> list[Submission]:
    students = Counter(map(_student, names))
    whose = {n: _student(n) if students[_student(n)] == 1 else n.as_posix() for n in names}
    pages = page_names(whose.values())
    found = [
        Submission(
            student=shown(whose[name]),
            file="" if name in missing else shown(name.as_posix()),
            path=None if name in missing else name.as_posix(),
            page=pages[whose[name]],
            complaint=_complaint(folder, name),
        )
        for name in names
    ]
    return sorted(found, key=lambda s: (s.student.casefold(), s.student, s.file, s.page))


def _student(name: Path) -> str:
    return name.parts[0] if len(name.parts) > 1 or not name.suffix else name.stem


def _complaint(folder: Path, name: Path) -> str:
    if (folder / name).resolve().is_relative_to(folder.resolve()):
        return ""
    return "it is a link to a file outside the folder of the class, and is not opened"


def shown(text: str) -> str:
    """Text without anything that moves a cursor, turns letters around or cannot be encoded."""
    return "".join(c if c.isprintable() else _spelled(c) for c in text)


def _spelled(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def page_names(names: Iterable[str]) -> dict[str, str]:
    """Name -> a file name of its own, on every file system, whatever the name holds.

    Eight digits of its hash are added to a name that had to be changed, that looks as if it had
    been, or that another name differs from by its case alone.
    """
    wanted = {name: _plain(name) for name in names}
    kept = {
        name
        for name, plain in wanted.items()
        if plain and plain == name and not _HASHED.search(name)
    }
    taken = Counter(name.casefold() for name in kept)
    return {
        name: plain
        if name in kept and taken[name.casefold()] == 1
        else f"{plain}-{_digest(name)}".lstrip("-")
        for name, plain in wanted.items()
    }


_HASHED = re.compile("(^|-)[0-9a-f]{8}$")
_RESERVED = {"con", "prn", "aux", "nul", *(f"{p}{i}" for p in ("com", "lpt") for i in range(10))}


def _plain(name: str) -> str:
    ascii_only = "".join(c if c.isascii() and (c.isalnum() or c in "_-.") else "_" for c in name)
    plain = ascii_only.strip(".-")[:_LONGEST_NAME]
    return f"_{plain}" if plain.partition(".")[0].casefold() in _RESERVED else plain


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


# What identifies a submission, and what of it is there when its program runs.


def hash_of(folder: Path, submission: Submission) -> str:
    """SHA-256 of its file; of all files of the student's folder where it stands in one."""
    assert submission.path is not None
    digest = hashlib.sha256(submission.path.encode("utf-8", "surrogatepass"))
    for path in _inside(folder, submission.path):
        told = path.relative_to(folder).as_posix().encode("utf-8", "surrogatepass")
        content, runs = _content(path), os.access(path, os.X_OK)
        digest.update(b"%d %s %d %d " % (len(told), told, runs, len(content)) + content)
    return digest.hexdigest()


@contextmanager
def copied(folder: Path, submission: str) -> Iterator[Path]:
    """A folder with the files that `hash_of` knows of, as they stand in the student's.

    A program that starts there finds what it finds at home; what it writes is nobody's, so the
    next run finds the submission as it was handed in.
    submission: path of its file, below `folder`
    Raises BackproofError where no program may run among temporary files.
    """
    theirs = _students_folder(folder, submission)
    with tempfile.TemporaryDirectory(prefix="backproof-", ignore_cleanup_errors=True) as name:
        for path in _inside(folder, submission):
            copy = Path(name, path.relative_to(theirs))
            copy.parent.mkdir(parents=True, exist_ok=True)
            with suppress(PermissionError):  # what we may not read stays away
                shutil.copy2(path, copy)
            if copy.exists() and os.access(path, os.X_OK) > os.access(copy, os.X_OK):
                raise BackproofError(
                    f"no program may run below {tempfile.gettempdir()}; set TMPDIR to a folder "
                    "where one may, then the same command again"
                )
        yield Path(name)


def _inside(folder: Path, submission: str) -> list[Path]:
    """Its file, which may be a link, and all plain files beside and below it in a folder."""
    theirs, file = _students_folder(folder, submission), folder / submission
    return sorted({file} if theirs == folder else {file, *_files(theirs)})


def _students_folder(folder: Path, submission: str) -> Path:
    """The student's folder; the class's where all files stand in one."""
    first, *rest = PurePosixPath(submission).parts
    return folder / first if rest else folder


def _files(folder: Path) -> Iterator[Path]:
    """Every plain file that an import could meet."""
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
        for name in names:
            path = Path(here) / name
            if not name.startswith(".") and stat.S_ISREG(path.lstat().st_mode):
                yield path


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:  # a student who takes away a right is one who has no answer
        return f"cannot be read: {error.strerror}".encode()
