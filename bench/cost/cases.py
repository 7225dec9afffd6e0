"""What is recorded, over all cores."""

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

from bench.cost.deployed import Deployed
from bench.cost.recording import Recording, record

RATES = {1: 30, 10: 150, 100: 400, 1000: 1500}  # jobs a minute: how many are recorded


@dataclass(frozen=True, slots=True)
class Case:
    """What is recorded."""

    name: str
    jobs_a_minute: int
    deployed: Deployed
    follow: str

    def run(self) -> Recording:
        jobs = RATES[self.jobs_a_minute]
        return record(self.jobs_a_minute, self.deployed, jobs=jobs, follow=self.follow)


def run_all(cases: Iterable[Case]) -> list[tuple[Case, Recording]]:
    """Each case, over all cores."""
    cases = list(cases)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return list(zip(cases, pool.map(Case.run, cases), strict=True))


def enough(deployed: Deployed, jobs_a_minute: int) -> Deployed:
    """With workers for the rate: 100 jobs of 45 s a minute are 75 at once, for whom three workers
    with room for 30 would do. They receive for a part of their time only, so the rule is a
    twentieth of the jobs a minute."""
    return replace(deployed, workers=max(deployed.workers, jobs_a_minute // 20))
