"""What a board remembers of a node."""

from sweep.study.nodes import Node, shown


def test_a_unit_that_came_after_the_deaths_and_ends_an_epoch_clears_the_node() -> None:
    node = Node()
    node.note_death((0, 1), at=20.0, lived=20.0)
    node.note_death((1, 1), at=40.0, lived=15.0)
    node.note_accusation(40.0, "two died")
    node.note_epoch(begun=30.0, at=90.0)
    assert (list(node.deaths), node.accused, node.heard) == ([(1, 1)], 40.0, 90.0)
    node.note_epoch(begun=40.0, at=100.0)
    assert (node.deaths, node.accused, node.accusations, node.reason) == ({}, None, 0, None)


def test_deaths_of_one_unit_are_counted_together() -> None:
    node = Node()
    for at, lived in [(20.0, 20.0), (25.0, 5.0)]:
        node.note_death((0, 1), at, lived)
    (deaths,) = node.deaths.values()
    assert (deaths.first, deaths.last, deaths.lived, deaths.times) == (20.0, 25.0, 20.0, 2)


def test_a_person_reads_the_beginning_of_a_nodes_id() -> None:
    assert shown("10.0.0.7/1f2e3d4c5b6a") == "10.0.0.7 (1f2e3d4c)"
    assert shown("") == ""
    assert shown("a name\nof two lines") == r"a name\nof two lines"
