"""What `backproof check` finds out about one implementation: a ladder of checks, rung by rung.

Everything that is shown (terminal, JSON, JUnit, CSV, HTML, a class's table) derives from these
records. A check has one status:

    pass, close            right; right but for a named epsilon, or below 1e-6 (--strict fails it)
    fail                   another number than the derivative's
    error                  it raised, or returned something that is no gradient
    timeout, crashed       it gave no answer in time; its process is gone
    skipped                not claimed, or nothing can be told of it; the reason is said
    blocked                a rung that it stands on has failed
    inconclusive           nothing could be decided, which is not agreement
    xfail, xpass           fails as backproof.toml expects; passes although it should not
"""

from dataclasses import dataclass, field

from backproof.records import CaseLine, ParameterRecord

STATUSES = (
    *("pass", "close", "fail", "error", "timeout", "crashed"),
    *("skipped", "blocked", "inconclusive", "xfail", "xpass"),
)
# A rung with one of these blocks the rungs above it.
BROKEN = ("fail", "error", "timeout", "crashed")
# Neither right nor wrong was found: these never make a verdict red, and never count as passed.
UNJUDGED = ("skipped", "blocked")

LEVELS = ("must", "should")
SCHEMA = 1


@dataclass(frozen=True)
class Check:
    """One question of the ladder, before it is asked.

    id: "activation.tanh": the rung, then what of it   asks: what is asked, in words
    level: "must"; or "should": shown and counted, but it fails the whole only with --strict
    """

    id: str
    asks: str
    level: str = "must"

    @property
    def rung(self) -> str:
        return self.id.partition(".")[0]


@dataclass(frozen=True)
class CheckResult:
    """The answer to one question.

    message: one sentence; what is wrong and where, or why it was not asked
    case: of the first case that shows it, or None   worst: the two numbers side by side there
    parameters: all arrays of that case, the output's layer first
    judged_by: "exact arithmetic", or "rounding bound" where the program cannot run on balls
    cases: how many were judged; of what is not claimed none
    printed: the end of what the program printed before it died
    """

    check: Check
    status: str
    message: str = ""
    case: CaseLine | None = None
    worst: ParameterRecord | None = None
    parameters: tuple[ParameterRecord, ...] = ()
    judged_by: str = ""
    cases: int = 0
    printed: str = ""

    @property
    def unclaimed(self) -> bool:
        """Skipped for want of a claim; otherwise for a reason that the program cannot help."""
        return self.status == "skipped" and not self.cases


@dataclass(frozen=True)
class Checked:
    """Everything about one implementation: what was claimed, what was found.

    target: as the user wrote it   adapted: how it was called, one sentence; "" on the contract
    conventions: what was inferred and then held, in words   claims: field -> names
    ladder: version of the frozen ladder   notes: what could not be limited or measured here
    advice: what to do if it was asked for more than it is meant for; it says where it fails
    witnesses: oracle -> what it says of the cases that were judged, in words
    """

    name: str
    target: str
    adapted: str
    conventions: dict[str, str]
    claims: dict[str, tuple[str, ...]]
    results: tuple[CheckResult, ...]
    ladder: str
    strict: bool = False
    notes: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    witnesses: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def exit_code(self) -> int:
        """0 right; 1 wrong; 3 nothing was found out, or some check could not be decided."""
        failing = [result for result in self.results if self.fails(result)]
        if failing:
            return 1
        passed = any(result.status in ("pass", "close") for result in self.results)
        open_ones = any(
            result.status == "inconclusive" and result.check.level == "must"
            for result in self.results
        )
        return 3 if open_ones or not passed else 0

    def fails(self, result: CheckResult) -> bool:
        """Whether this result makes the whole fail."""
        if result.check.level == "should" and not self.strict:
            return False
        return result.status in (*BROKEN, "xpass") or (self.strict and result.status == "close")

    @property
    def first_broken(self) -> CheckResult | None:
        """The lowest rung that fails: what to mend first."""
        return next((result for result in self.results if self.fails(result)), None)

    def counted(self) -> dict[str, int]:
        """Status -> how many checks, in the order of `STATUSES`, without those that are none."""
        found = {status: 0 for status in STATUSES}
        for result in self.results:
            found[result.status] += 1
        return {status: number for status, number in found.items() if number}
