"""Who is to blame: the card on which items fail, or the item that fails on cards."""

from __future__ import annotations

from orchestrator.suspicion import Blame, Failed, Suspicion


class Night:
    """Plays outcomes."""

    def __init__(self) -> None:
        self.suspicion = Suspicion()
        self.cards = {"bad", "good"}

    def through(self, item: int, card: str, *, step: str = "paint") -> None:
        self.suspicion.succeeded(item_id=item, step=step, card=card)

    def failed(self, item: int, card: str, *, boot: int = 0, breaks: bool = False) -> Blame:
        one = Failed(item, item, "paint", card, boot=boot, breaks_card=breaks)
        return self.suspicion.failed(one, others=frozenset(self.cards - {card}))

    def restarted(self, card: str, boot: int) -> None:
        self.suspicion.restarted(card, boot=boot)


def test_two_items_in_a_row_on_one_card_speak_against_the_card():
    """The first might be the item's own fault; two different ones hardly."""
    night = Night()
    assert [night.failed(1, "bad"), night.failed(2, "bad")] == [Blame.NOBODY, Blame.RESTART_CARD]


def test_one_item_twice_or_a_success_in_between_does_not():
    """In a row, and different ones: that is what the rule says."""
    night = Night()
    assert [night.failed(1, "bad"), night.failed(1, "bad")] == [Blame.NOBODY] * 2
    night.through(3, "bad")
    assert night.failed(2, "bad") is Blame.NOBODY


def test_a_card_that_goes_on_is_set_aside_when_others_work():
    """A restart did not help, and the same step comes through elsewhere."""
    night = Night()
    night.failed(1, "bad")
    night.failed(2, "bad")
    night.restarted("bad", boot=1)
    night.through(1, "good")
    assert night.failed(3, "bad", boot=1) is Blame.NOBODY
    assert night.failed(4, "bad", boot=1) is Blame.SET_ASIDE_CARD


def test_a_card_is_not_set_aside_while_nothing_comes_through_elsewhere():
    """It may be the step: the breaker decides that, not suspicion."""
    night = Night()
    night.failed(1, "bad")
    night.failed(2, "bad")
    night.restarted("bad", boot=1)
    night.through(9, "good", step="another step")
    assert {night.failed(item, "bad", boot=1) for item in range(3, 9)} == {Blame.NOBODY}


def test_the_only_card_is_restarted_and_never_set_aside():
    """In a house with one card, its owner decides."""
    night = Night()
    night.cards = {"bad"}
    assert [night.failed(1, "bad"), night.failed(2, "bad")] == [Blame.NOBODY, Blame.RESTART_CARD]
    night.restarted("bad", boot=1)
    assert {night.failed(item, "bad", boot=1) for item in range(3, 20)} == {Blame.NOBODY}


def test_a_card_that_recovers_each_time_is_set_aside_after_the_second_restart():
    """It brings one item through after each restart, and eats two: enough."""
    night = Night()
    night.through(50, "good")
    seen = []
    for boot in range(3):
        night.failed(10 * boot + 1, "bad", boot=boot)
        seen.append(night.failed(10 * boot + 2, "bad", boot=boot))
        night.restarted("bad", boot=boot + 1)
        night.through(10 * boot + 3, "bad")
    assert seen == [Blame.RESTART_CARD, Blame.RESTART_CARD, Blame.SET_ASIDE_CARD]


def test_what_failed_before_a_restart_says_nothing_after_it():
    """The prompt that waited behind the sick one fails too, and comes in late."""
    night = Night()
    night.through(50, "good")
    night.failed(1, "bad")
    night.failed(2, "bad")
    assert night.failed(3, "bad") is Blame.NOBODY, "while it is being restarted"
    night.restarted("bad", boot=1)
    assert night.failed(4, "bad") is Blame.NOBODY
    assert night.failed(5, "bad", boot=1) is Blame.NOBODY, "the first of its new life"


def test_a_broken_context_is_one_failure_however_many_prompts_it_takes_along():
    """Every prompt of that process fails, through no fault of more than one of them."""
    night = Night()
    assert {night.failed(item, "bad", breaks=True) for item in range(5)} == {Blame.NOBODY}


def test_an_item_that_fails_where_others_come_through_is_at_fault():
    """On both cards: more of them would tell nothing new."""
    night = Night()
    night.through(1, "bad")
    night.through(2, "good")
    assert night.failed(7, "bad") is Blame.NOBODY
    assert night.failed(7, "good") is Blame.ITEM


def test_an_item_is_not_at_fault_where_nothing_else_came_through():
    """Both cards may be sick, or the step; and its own success in another language is none of another item."""
    night = Night()
    night.through(7, "bad")
    night.through(2, "good")
    assert [night.failed(7, "bad"), night.failed(7, "good")] == [Blame.NOBODY] * 2


def test_an_item_at_fault_does_not_count_against_the_cards():
    """Its failure on the second card is explained."""
    night = Night()
    night.through(1, "bad")
    night.through(2, "good")
    night.failed(7, "bad")
    night.failed(7, "good")
    assert [night.failed(8, "bad"), night.failed(8, "good")] == [Blame.NOBODY, Blame.ITEM]
