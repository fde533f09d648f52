"""Does the run hold what it promised? Counting only: no record is judged again.

The page's verdict is the least favourable of what the footer says and what the records add up to.
"""

from dataclasses import dataclass

from backproof.names import VERDICTS
from backproof.records import PairRecord, Run
from reports.markup import counted, plural

_ESTIMATE = "finite_difference"
AGREES, DISAGREES, OPEN = "agrees", "disagrees", "open"


@dataclass(frozen=True)
class Standing:
    """What the records of a run add up to.

    verdict: "agrees", "disagrees" or "open" (not shown either way)
    promised: checks this run had to make   recorded: checks that stand in the file
    unanswered: of those, where a side gave no answer
    wrong_cases: cases the subject got wrong   oracle_wrong: comparisons of two oracles judged wrong
    agreeing: oracles that agree with the subject on at least one element and are never contradicted
    silent: oracles that were asked but agree with nothing and contradict nothing
    complaints: what does not add up, one sentence each
    """

    verdict: str
    promised: int
    recorded: int
    unanswered: int
    wrong_cases: int
    oracle_wrong: int
    agreeing: tuple[str, ...]
    silent: tuple[str, ...]
    complaints: tuple[str, ...]


def standing(run: Run) -> Standing:
    """Add up the records of a run and hold them against its header and footer."""
    own = [pair for line in run.results for pair in line.pairs if is_own(run, pair)]
    foreign = [pair for line in run.results for pair in line.pairs if not is_own(run, pair)]
    wrong_cases = sum(
        any(pair.verdict == "wrong" for pair in line.pairs if is_own(run, pair))
        for line in run.results
    )
    agreeing, silent = _partners(run, own)
    complaints = _complaints(run, [*own, *foreign], wrong_cases)
    return Standing(
        verdict=_verdict(run, wrong_cases, agreeing, complaints),
        promised=run.header.promised,
        recorded=len(own) + len(foreign),
        unanswered=sum(pair.verdict == "error" for pair in [*own, *foreign]),
        wrong_cases=wrong_cases,
        oracle_wrong=sum(pair.verdict == "wrong" for pair in foreign),
        agreeing=agreeing,
        silent=silent,
        complaints=tuple(complaints),
    )


def is_own(run: Run, pair: PairRecord) -> bool:
    """Is the subject one of the two sides?"""
    return run.header.subject in (pair.a, pair.b)


def is_estimate(a: str, b: str) -> bool:
    """Is the bound of this pair a finite difference's own bar, which is no proof?"""
    return _ESTIMATE in (a, b)


def other_side(run: Run, pair: tuple[str, str]) -> str:
    """Who the subject was compared with."""
    return pair[1] if pair[0] == run.header.subject else pair[0]


def own_pairs(run: Run) -> list[tuple[str, str]]:
    """The subject's comparisons, as the header lists them."""
    return [pair for pair in run.header.pairs if run.header.subject in pair]


def _partners(run: Run, own: list[PairRecord]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    agreeing, silent = [], []
    for pair in own_pairs(run):
        records = [record for record in own if (record.a, record.b) == pair]
        wrong = any(record.verdict == "wrong" for record in records)
        if not wrong and any(record.counts.get("agree", 0) for record in records):
            agreeing.append(other_side(run, pair))
        elif not wrong:
            silent.append(other_side(run, pair))
    return tuple(agreeing), tuple(silent)


def _verdict(run: Run, wrong: int, agreeing: tuple[str, ...], complaints: list[str]) -> str:
    footer = run.footer
    if wrong or (footer is not None and footer.disagreements):
        return DISAGREES
    whole = footer is not None and footer.complete and footer.exit_code == 0
    return AGREES if whole and agreeing and not complaints else OPEN


def _complaints(run: Run, records: list[PairRecord], wrong_cases: int) -> list[str]:
    header, footer = run.header, run.footer
    said = []
    left_out = _left_out(run)
    due = len(run.cases) * len(header.pairs) - left_out
    if header.promised != due:
        said.append(
            f"The header promises {plural(header.promised, 'check')}, but "
            f"{plural(len(run.cases), 'case')} × {plural(len(header.pairs), 'pair')}"
            f"{f' without {counted(left_out)} left out' if left_out else ''} make {counted(due)}."
        )
    if len(records) != header.promised:
        said.append(
            f"{plural(header.promised, 'check was', 'checks were')} promised, "
            f"{counted(len(records))} made: {counted(abs(header.promised - len(records)))} "
            f"{'missing' if len(records) < header.promised else 'too many'}."
        )
    said += _strangers(run)
    if footer is None:
        return said
    answered = sum(record.verdict not in ("error", "skipped") for record in records)
    if not answered <= footer.made <= len(records):
        said.append(
            f"The footer counts {plural(footer.made, 'check')}, the records are {len(records):,}."
        )
    if footer.promised != header.promised:
        said.append(
            f"The header promises {plural(header.promised, 'check')}, "
            f"the footer {counted(footer.promised)}."
        )
    # A case with a wrong pair and a failed one may be counted as a failure.
    if footer.disagreements not in (wrong_cases, sum(r.verdict == "wrong" for r in run.results)):
        said.append(
            f"The footer counts {plural(footer.disagreements, 'disagreement')}, "
            f"the records show {counted(wrong_cases)}."
        )
    return said + _miscounted(run)


def _left_out(run: Run) -> int:
    """Checks that one oracle, which judges a share of the large nets, has not promised."""
    return sum(
        cases * sum(name in pair for pair in run.header.pairs)
        for name, cases in run.header.left_out.items()
    )


def _strangers(run: Run) -> list[str]:
    """Results that stand twice, or comparisons that the header does not know."""
    said = []
    indices = [line.index for line in run.results]
    if len(set(indices)) != len(indices):
        said.append("Some cases have two results.")
    pairs = set(run.header.pairs)
    if any((pair.a, pair.b) not in pairs for line in run.results for pair in line.pairs):
        said.append("Some comparisons are between sides that the header does not pair.")
    return said


def _miscounted(run: Run) -> list[str]:
    """Verdicts whose elements are not the footer's."""
    assert run.footer is not None
    totals = dict.fromkeys(VERDICTS, 0)
    for line in run.results:
        for pair in line.pairs:
            if is_own(run, pair):
                for word in VERDICTS:
                    totals[word] += pair.counts.get(word, 0)
    return [
        f"The footer counts {counted(run.footer.counts.get(word, 0))} elements as {word}, "
        f"the records {counted(totals[word])}."
        for word in VERDICTS
        if run.footer.counts.get(word, 0) != totals[word]
    ]
