"""Several worker processes that judge submissions side by side.

A thread speaks with each worker; a worker that dies or hangs is replaced, and its submission gets
the status of that. What is found does not depend on which worker found it, or in which order.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from backproof import suite
from backproof.child import ENVIRONMENT
from property_tests.grade_worker import Job, line_of

# Our own folders come first on the worker's path; the class's folder, where it stands, is not on it
# at all.
_BOOTSTRAP = """\
import sys
sys.path.insert(0, sys.argv[1])
from backproof import suite
suite.load_suite()
from property_tests.grade_worker import main
main()
"""
# A worker keeps the time limit itself, between questions; this is for one that cannot.
_GRACE = 120.0


class Pool:
    """Judges jobs; each answer is (job, what failed on our side, "" for nothing)."""

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder, self._workers = folder, workers
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[Job, str]] = queue.SimpleQueue()
        self._running = set[subprocess.Popen[str]]()
        self._lock, self._stopped = threading.Lock(), False

    def __enter__(self) -> "Pool":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End all workers, and with each the submission that it is judging."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        if kind is not None:  # otherwise nobody has anything left to do
            for worker in running:
                worker.terminate()
        for worker in running:
            try:
                worker.wait(timeout=10)
            except subprocess.TimeoutExpired:
                worker.kill()

    def answers(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, str]]:
        """The answers as they come. It wakes up often enough for Ctrl-C to be heard."""
        for job in jobs:
            self._jobs.put(job)
        count = min(self._workers, len(jobs))
        for _ in range(count):
            self._jobs.put(None)
            threading.Thread(target=self._work, daemon=True).start()
        left = len(jobs)
        while left:
            with suppress(queue.Empty):
                yield self._answers.get(timeout=0.2)
                left -= 1

    def _work(self) -> None:
        worker: subprocess.Popen[str] | None = None
        while (job := self._jobs.get()) is not None and not self._stopped:
            try:
                if worker is None:
                    worker = self._started()
                failed = _asked(worker, job)
            except OSError as error:
                failed = f"its process could not be asked ({error.strerror})"
            if worker is not None and worker.poll() is not None:
                self._forget(worker)
                worker = None
            self._answers.put((job, failed))
        if worker is not None:
            assert worker.stdin is not None
            worker.stdin.close()  # nothing more to do: it ends by itself
            worker.wait()
            self._forget(worker)

    def _started(self) -> subprocess.Popen[str]:
        with self._lock:
            if self._stopped:
                raise OSError(0, "grading was stopped")
            worker = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOTSTRAP, str(Path(suite.__file__).parents[1])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="ascii",
                cwd=self._folder,
                env={**os.environ, **ENVIRONMENT},
                start_new_session=True,  # Ctrl-C reaches the parent alone, which ends it
            )
            self._running.add(worker)
            return worker

    def _forget(self, worker: subprocess.Popen[str]) -> None:
        with self._lock:
            self._running.discard(worker)
        for pipe in (worker.stdin, worker.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _asked(worker: subprocess.Popen[str], job: Job) -> str:
    """What failed on our side, "" where the job was judged and stored."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    late = threading.Timer(job.time_limit + _GRACE, worker.kill)
    late.start()
    try:
        worker.stdin.write(line_of(job))
        worker.stdin.flush()
        line = worker.stdout.readline()
    finally:
        late.cancel()
    if line:
        return str(json.loads(line).get("failed", ""))
    worker.wait()
    return f"the process that judged it ended itself (exit code {worker.returncode})"
