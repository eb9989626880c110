"""Removes guards, some at a time, and tells of each whether its tests noticed."""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from guards.guard import Guard, Stale
from guards.scratch import Case, Scratch


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a guard's tests without it; *fault* is why it does not count as caught, empty where it does."""

    guard: Guard
    fault: str
    seen: str
    seconds: float


def verdict(guard: Guard, scratch: Scratch) -> Verdict:
    """Remove *guard* in *scratch*, run its tests, and put it back."""
    began_at = time.monotonic()
    try:
        with scratch.without(guard):
            cases = scratch.run(guard.caught_by, guard.effort)
    except Stale as stale:
        return Verdict(guard, f"the list is stale: {stale}", "", time.monotonic() - began_at)
    return _judged(guard, cases, time.monotonic() - began_at)


def _judged(guard: Guard, cases: Sequence[Case], seconds: float) -> Verdict:
    judged = [_fault(test, cases, guard.ends_with) for test in guard.caught_by]
    fault = next((one for one in judged if one), "")
    seen = next((case.message for case in cases if case.caught(guard.ends_with)), "")
    return Verdict(guard, fault, seen, seconds)


def promise_verdicts(guards: Sequence[Guard], scratch: Scratch) -> list[Verdict]:
    """Return the verdicts on promises of the database, each removed alone in a database of its own, in one run."""
    began_at = time.monotonic()
    cases = scratch.run_each(guards)
    seconds = (time.monotonic() - began_at) / len(guards)
    return [_judged(guard, cases[guard.name], seconds) for guard in guards]


def ran(test: str, cases: Sequence[Case]) -> list[Case]:
    """Return those of *cases* that *test* names: a test, one of its parameters, or a file."""
    _, is_one, name = test.partition("::")
    return [case for case in cases if not is_one or case.name == name or case.name.startswith(f"{name}[")]


def _fault(test: str, cases: Sequence[Case], ends_with: str) -> str:
    """Return why *test* does not count as having caught the removal, empty where it does."""
    own = ran(test, cases)
    if any(case.caught(ends_with) for case in own):
        return ""
    if not own:
        return f"{test} did not run to its end"
    crashed = next((case for case in own if case.state in ("failed", "error")), None)
    if crashed is not None:
        return f"{test} crashed, and saw no broken promise: {crashed.message}"
    return f"{test} did not notice"


def unbroken_faults(guards: Sequence[Guard], scratch: Scratch, workers: int) -> list[str]:
    """Return what is wrong with the tests of *guards* on the project as it is; they must all pass."""
    faults: list[str] = []
    for effort in sorted({guard.effort for guard in guards}):
        tests = sorted({test for guard in guards if guard.effort == effort for test in guard.caught_by})
        failed = _unpassed(tests, scratch.run(tests, effort, workers, len(tests)))
        if failed:
            # Once more, alone: on a busy machine some are late.
            failed = _unpassed(list(failed), scratch.run(list(failed), effort))
        faults += [f"{test}: {message}" for test, message in failed.items()]
    return faults


def _unpassed(tests: Sequence[str], cases: Sequence[Case]) -> Mapping[str, str]:
    """Return those of *tests* that did not pass, each with the reason."""
    found: dict[str, str] = {}
    for test in tests:
        own = ran(test, cases)
        bad = next((case for case in own if case.state in ("failed", "error")), None)
        if bad is not None:
            found[test] = bad.message
        elif not any(case.state == "passed" for case in own):
            found[test] = "did not run"
    return found


def verdicts(guards: Sequence[Guard], scratches: Sequence[Scratch], told: Callable[[Verdict], None]) -> list[Verdict]:
    """Return the verdict on each of *guards*, in their order; one thread a scratch copy, *told* hears each at once."""
    promises = [guard for guard in guards if guard.is_promise]
    works: queue.SimpleQueue[Callable[[Scratch], list[Verdict]]] = queue.SimpleQueue()
    if promises:
        works.put(lambda scratch: promise_verdicts(promises, scratch))
    for guard in guards:
        if not guard.is_promise:
            works.put(lambda scratch, guard=guard: [verdict(guard, scratch)])  # type: ignore[misc]  # mypy: cannot infer a lambda's default
    found: dict[str, Verdict] = {}
    telling = threading.Lock()

    def work(scratch: Scratch) -> None:
        while True:
            try:
                done = works.get_nowait()
            except queue.Empty:
                return
            for one in done(scratch):
                with telling:
                    found[one.guard.name] = one
                    told(one)

    threads = [threading.Thread(target=work, args=(scratch,)) for scratch in scratches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[guard.name] for guard in guards if guard.name in found]
