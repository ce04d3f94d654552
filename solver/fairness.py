"""Fair shares: what a point of value counts beyond itself while an organisation has little.

An organisation's satisfaction is s = served / entitled, both in value: of this plan, and
of the window before it (`Share.served`, so that a debt is carried over). A point that is
given at satisfaction s counts s^-alpha: alpha 0 is the plain sum, 1 Nash's product, 2 and
more go towards max-min. What it counts beyond itself, s^-alpha - 1, is integrated over
steps of the satisfaction; it is capped, and nothing from s = 1 on.
So the sum over organisations is concave and piecewise linear.

Source: J. Mo, J. Walrand, Fair end-to-end window-based congestion control, IEEE/ACM ToN
8(5), 2000; DECISIONS.md, "Shares".
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import pairwise

from solver.problem import SHARE_CAP, SHARE_STEPS, Problem, Share

Line = tuple[int, int]  # a, b of a + b * served, in hundredths of value


@cache
def slopes(alpha: int) -> tuple[int, ...]:
    """Return, in per cent, what a point counts beyond itself on each of `SHARE_STEPS`.

    `alpha` is in hundredths. The last slope, from the whole entitlement on, is 0.
    """
    middles = [(lo + hi) / 200 for lo, hi in pairwise(SHARE_STEPS)]
    return (*(min(SHARE_CAP, round(100 * (m ** (-alpha / 100) - 1))) for m in middles), 0)


def lines(share: Share, alpha: int) -> list[Line]:
    """Return the lines whose least is what the served value counts beyond itself."""
    found: list[Line] = []
    height, before, slope = 0, 0, 0
    for step, steeper in zip(SHARE_STEPS, slopes(alpha), strict=True):
        start = share.entitled * step // 100
        height += slope * (start - before)
        found.append((height - steeper * start, steeper))
        before, slope = start, steeper
    return found


def hundredths(share: Share, alpha: int, served: int) -> int:
    """Return what a served value counts beyond itself, in hundredths of value."""
    return min(a + b * served for a, b in lines(share, alpha))


def bonus(problem: Problem, served: Mapping[str, int]) -> int:
    """Return what a plan counts beyond its value, by what it serves each organisation."""
    if not problem.alpha:
        return 0
    return (
        sum(
            hundredths(s, problem.alpha, s.served + served.get(s.organisation, 0))
            - hundredths(s, problem.alpha, s.served)
            for s in problem.shares
        )
        // 100
    )


def served_by(problem: Problem, placed: Iterable[str]) -> dict[str, int]:
    """Return the value of the placed jobs by organisation, lateness and moves apart."""
    jobs = problem.job_by_id()
    served: dict[str, int] = defaultdict(int)
    for name in placed:
        served[jobs[name].organisation] += jobs[name].value
    return served
