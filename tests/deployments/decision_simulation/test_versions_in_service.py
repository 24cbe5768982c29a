"""A new version is taken up beside the old one, and a bad one is refused."""

import pytest

from core.errors import ArtefactRefused
from deployments.decision_simulation.versions_in_service import GRACE_S, VersionInService


class Shelf:
    """A folder in which versions appear."""

    def __init__(self) -> None:
        self.version = "one"
        self.broken: set[str] = set()
        self.unreadable = False
        self.tries = 0
        self.closed: list[str] = []
        self.now = 0.0

    def newest(self) -> str:
        if self.unreadable:
            raise ArtefactRefused("The folder can't be read.")
        return self.version

    def open(self) -> str:
        self.tries += 1
        if self.version in self.broken:
            raise ArtefactRefused(f"{self.version} is broken.")
        return self.version

    def serve(self) -> VersionInService[str]:
        return VersionInService(self.newest, self.open, self.closed.append, lambda: self.now)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_what_has_not_changed_is_not_opened_again(shelf: Shelf) -> None:
    serving = shelf.serve()
    assert not serving.look()
    assert (serving.current, shelf.tries) == ("one", 1)


def test_a_new_version_serves_and_the_old_one_is_closed_after_its_calls(shelf: Shelf) -> None:
    serving = shelf.serve()
    shelf.version = "two"
    assert serving.look()
    assert serving.current == "two"
    shelf.now = GRACE_S - 1
    serving.look()
    assert shelf.closed == []
    shelf.now = GRACE_S
    serving.look()
    assert shelf.closed == ["one"]


def test_a_refused_version_changes_nothing_and_is_tried_once(shelf: Shelf) -> None:
    serving = shelf.serve()
    shelf.version = "two"
    shelf.broken = {"two"}
    assert not serving.look()
    assert not serving.look()
    assert (serving.current, serving.refusal, shelf.tries) == ("one", "two is broken.", 2)
    shelf.version = "three"
    assert serving.look()
    assert (serving.current, serving.refusal) == ("three", None)


def test_going_back_to_what_serves_ends_the_refusal(shelf: Shelf) -> None:
    serving = shelf.serve()
    shelf.version, shelf.broken = "two", {"two"}
    serving.look()
    shelf.version = "one"
    assert not serving.look()
    assert serving.refusal is None


def test_a_folder_that_cannot_be_read_for_a_moment_is_told_and_read_again(shelf: Shelf) -> None:
    serving = shelf.serve()
    shelf.unreadable = True
    assert not serving.look()
    assert serving.refusal == "The folder can't be read."
    shelf.unreadable, shelf.version = False, "two"
    assert serving.look()
    assert serving.refusal is None


def test_without_any_version_nothing_begins(shelf: Shelf) -> None:
    shelf.broken = {"one"}
    with pytest.raises(ArtefactRefused):
        shelf.serve()


def test_closing_closes_every_version(shelf: Shelf) -> None:
    serving = shelf.serve()
    shelf.version = "two"
    serving.look()
    serving.close()
    assert shelf.closed == ["one", "two"]
