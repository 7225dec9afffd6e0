"""Every bug that is seeded into the shipped code breaks a promise, and soon."""

from collections.abc import Callable

import pytest

from tests.simulation.campaign import HUNTED, ROOT, hunt_all
from tests.simulation.mutations import MUTATIONS, Mutation

type RecordProperty = Callable[[str, object], None]


def test_every_seeded_bug_breaks_a_promise(record_property: RecordProperty) -> None:
    caught = list(hunt_all(0, HUNTED))

    lines = [
        f"{mutation.name:<52} "
        + (f"{found.promise:<34} {found.schedules:>5}" if found else "NOT CAUGHT")
        for mutation, found in zip(MUTATIONS, caught, strict=True)
    ]
    head = f"{'seeded bug':<52} {'promise that it broke':<34} after"
    record_property("shown", "\n".join(("", head, *lines)))
    assert len(MUTATIONS) >= 20
    assert None not in caught


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_source_of_a_seeded_bug_stands_exactly_once(mutation: Mutation) -> None:
    assert (ROOT / mutation.path).read_text().count(mutation.old) == 1
    assert mutation.new != mutation.old
