"""What a job could give way on: relaxed by one wish, it is placed beside the plan."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from solver.allocation import Relaxation, WayOut
from solver.greedy import insert
from solver.problem import Alternative, Job, Recipe
from solver.relax import Twins, other_alternatives, relaxed
from solver.timeline import Timeline
from solver.value import job_value


@dataclass(frozen=True, slots=True)
class WaysOut:
    """The search for what one job could give way on."""

    job: Job
    full: Timeline  # the plan, without the job
    twins: Twins
    recipes: Mapping[str, Recipe]

    def found(self) -> tuple[WayOut, ...]:
        """Return the ways out, cheapest first.

        Another resource costs the asker nothing; then come waiting, coming earlier and
        wider windows, the fewest slots first; then a fuller run, and less quantity last.
        """
        by_time = [*self._later(), *self._earlier()]
        by_time.sort(key=lambda way: way.amount)
        least = by_time[0].amount if by_time else self.full.problem.calendar_end
        # Wider windows ask for more than a date alone: only if fewer slots will do.
        by_time[:0] = [way for way in self._wider() if way.amount < least]
        return (*self._elsewhere(), *by_time, *self._larger(), *self._smaller())

    def _later(self) -> Iterator[WayOut]:
        """Wait for as long as it takes, then ask for no longer than that."""
        if self.job.deadline is None:
            return
        most = self.full.problem.calendar_end - self.job.deadline
        if most <= 0:
            return
        placements = insert(self.full, self._relaxed(Relaxation.LATER_DEADLINE, most))
        if placements is not None:
            needed = max(p.end for p in placements) - self.job.deadline
            yield from self._tried(Relaxation.LATER_DEADLINE, max(1, needed))

    def _earlier(self) -> Iterator[WayOut]:
        most = self.job.release - max(0, self.full.problem.earliest)
        yield from self._least(Relaxation.EARLIER_RELEASE, most)

    def _wider(self) -> Iterator[WayOut]:
        problem, job = self.full.problem, self.job
        end = problem.calendar_end
        stretches = [(job.release, end if job.deadline is None else job.deadline)]
        stretches += [window for step in job.steps for window in step.windows]
        most = max(max(lo - problem.earliest, end - hi) for lo, hi in stretches)
        yield from self._least(Relaxation.WIDER_WINDOWS, most)

    def _larger(self) -> Iterator[WayOut]:
        """Fill a run that nobody else makes heavy enough, no fuller than it must be."""
        for k, step in enumerate(self.job.steps):
            least = {
                self.recipes[a.recipe].min_load
                for a in step.alternatives
                if a.recipe is not None
            }
            ways = (
                way
                for amount in sorted(least)
                if amount > max(a.quantity for a in step.alternatives)
                for way in self._tried(Relaxation.LARGER_QUANTITY, amount, step=k)
            )
            yield from _one(ways)

    def _smaller(self) -> Iterator[WayOut]:
        """Find the most that a step could have, by halving what is in question."""
        for k, step in enumerate(self.job.steps):
            too_much = max((a.quantity for a in step.alternatives), default=0)
            amount, best = 1, None
            while amount < too_much:
                fits = next(self._tried(Relaxation.SMALLER_QUANTITY, amount, step=k), None)
                if fits is None and best is None:
                    break
                if fits is None:
                    too_much = amount
                else:
                    best = fits
                amount = (best.amount + too_much) // 2 if best else amount
                if best and amount == best.amount:
                    break
            if best is not None:
                yield best

    def _elsewhere(self) -> Iterator[WayOut]:
        for k, step in enumerate(self.job.steps):
            ways = (
                way
                for other in other_alternatives(self.twins, step)
                for way in self._tried(Relaxation.OTHER_RESOURCE, 0, step=k, instead=other)
            )
            yield from _one(ways)

    def _least(self, relaxation: Relaxation, most: int) -> Iterator[WayOut]:
        """Find about the least amount of slots: double until it fits, then halve back."""
        if most <= 0:
            return
        amount, fits = 1, None
        while fits is None:
            amount = min(amount, most)
            fits = next(self._tried(relaxation, amount), None)
            if fits is None and amount == most:
                return
            amount *= 2
        short = fits.amount // 2
        while fits.amount - short > max(1, fits.amount // 16):
            middle = (short + fits.amount) // 2
            better = next(self._tried(relaxation, middle), None)
            if better is None:
                short = middle
            else:
                fits = better
        yield fits

    def _tried(
        self,
        relaxation: Relaxation,
        amount: int,
        *,
        step: int | None = None,
        instead: Alternative | None = None,
    ) -> Iterator[WayOut]:
        """Yield the way out if the relaxed job finds a place beside the plan."""
        job = self._relaxed(relaxation, amount, step=step, instead=instead)
        placements = insert(self.full, job)
        if placements is not None and job_value(job, placements) >= 0:
            resource = instead.resource if instead else None
            yield WayOut(relaxation, step, amount, resource, placements)

    def _relaxed(
        self,
        relaxation: Relaxation,
        amount: int,
        *,
        step: int | None = None,
        instead: Alternative | None = None,
    ) -> Job:
        return relaxed(self.job, relaxation, step=step, amount=amount, instead=instead)


def _one(ways: Iterator[WayOut]) -> Iterator[WayOut]:
    """Yield the first way only."""
    for way in ways:
        yield way
        return
