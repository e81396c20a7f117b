"""A snapshot notices whatever changed since it was taken, also before anybody waits."""

from dataclasses import dataclass

from workflows.runtime.snapshot import Snapshot


@dataclass
class World:
    pokes: int = 0
    view: object = None
    held: bool = False


def test_nothing_changed_as_long_as_all_values_are_the_same() -> None:
    world = World(view=("dev", 1))
    seen = Snapshot(lambda: world.pokes, lambda: world.view)
    world.view = ("dev", 1)
    assert not seen.changed()


def test_each_value_that_is_watched_counts_and_no_other() -> None:
    world = World()
    seen = Snapshot(lambda: world.pokes, lambda: world.view)
    world.held = True
    assert not seen.changed()
    world.view = ("dev", 2)
    assert seen.changed()


def test_a_change_that_is_undone_is_none() -> None:
    world = World()
    seen = Snapshot(lambda: world.held)
    world.held = True
    assert seen.changed()
    world.held = False
    assert not seen.changed()


def test_a_snapshot_of_nothing_never_changes() -> None:
    assert not Snapshot().changed()
