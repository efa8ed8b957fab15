"""How a night reads: as Markdown, as a page, in words. Titles and messages come from outside and stay text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt
from report_rows import OPENED, Tries, figures, item, owner_night

from db.reviews import ReviewView
from db.states import State
from orchestrator.report import markdown, page, plain
from orchestrator.report.tables import grids, rejection_rates
from orchestrator.report.words import efficiency_words, headline, minutes, outcome_words
from orchestrator.wording import brief, one_line

HOSTILE = [
    "a | b",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"double\" 'single' `code`",
    "two\nlines\r\nand\ttabs",
    "مرحبا \u202egnp.exe",
    "👩🏽\u200d🎨 emoji",
    "[red]x[/]",
    "[a link](javascript:alert(1))",
    "&lt;b&gt; &amp; co",
    "*stars* _under_ ~~gone~~ # no heading",
    "\x1b[31mred\x07",
    "back\\slash\\|",
    "{title} %s",
    "x" * 1000,
]


def hostile_night():
    """Every odd title, made or turned down, with a failure whose message is as odd."""
    tries = Tries()
    items = []
    for number, title in enumerate(HOSTILE, 1):
        state = State.COMPLETE if number % 2 else State.ABORTED
        items.append(item(number, state, title=title, artist=title, reasons=() if number % 2 else (title,)))
        tries.add(number, "audio", number, number, number + 1, variant="fr")
        tries.add(number, "final_video", number, number, number + 1, variant="fr", instance=None)
        tries.add(number, "outro", number, number, number + 1, outcome="failed", error_message=title)
    return figures(tries.rows, items, list_name="<b>list</b> | *x*")


def verdict(item_id: int, verdict: str, reason: str = "") -> ReviewView:
    return ReviewView(item_id, "fr", "0" * 64, verdict, reason, "me", OPENED)


REVIEWS = [verdict(number, "rejected", title) for number, title in enumerate(HOSTILE, 1)]


class Page(HTMLParser):
    """Collects the tags, the links and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)


def test_hostile_titles_stay_text_on_the_page():
    """No tag, no attribute and no link comes out of them, and every tag is closed."""
    night = hostile_night()
    cards = [page.VideoCard(1, title, "fr", f"../{title}/video.mp4", None, None, 3.0) for title in HOSTILE]
    found = Page(page.render(night, grids(night, REVIEWS), cards))
    assert found.open == []
    assert not set(found.tags) & {"script", "iframe", "object", "link"}
    assert "img" not in found.tags
    assert {name for name, _ in found.attributes} <= {
        *("lang", "charset", "name", "content", "class", "href", "style", "title", "dir"),
    }
    joined = " ".join(found.texts)
    for title in HOSTILE[:-1]:
        assert one_line(title) in joined
    for value in (value or "" for name, value in found.attributes if name == "href"):
        assert re.fullmatch(r"\.\./[\w%./~-]+", value), value


def test_the_page_loads_nothing_from_anywhere():
    """It is read on a phone, from a disk, without a network."""
    tries, items = owner_night()
    night = figures(tries, items)
    text = page.render(night, grids(night), [])
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<script|<link", text)
    assert "viewport" in text


def test_hostile_titles_stay_text_in_markdown():
    """Each table has the columns of its header in every row, and shows the titles letter for letter."""
    night = hostile_night()
    tables = grids(night, REVIEWS)
    html = (
        MarkdownIt("commonmark", {"html": True})
        .enable(["table", "strikethrough"])
        .render(markdown.render(night, tables))
    )
    found = Page(html)
    allowed = {*("h1", "h2", "p", "strong", "table", "thead", "tbody", "tr", "th", "td")}
    assert set(found.tags) == allowed
    assert html.count("<table>") == len(tables)
    assert html.count("<tr>") == sum(1 + len(table.rows) for table in tables)
    assert html.count("<td") == sum(len(table.columns) * len(table.rows) for table in tables)
    for title in HOSTILE[:-1]:
        assert one_line(title) in found.texts


@pytest.mark.parametrize("text", [*HOSTILE, "\ud800 lone", ""])
def test_a_line_is_a_line(text):
    """Nothing in it moves the cursor, turns the direction of writing, or cannot be encoded."""
    line = one_line(text)
    assert line.isprintable() or "\u200d" in line
    assert "\u202e" not in line
    line.encode("utf-8")
    assert len(one_line(text, longest=10)) <= 10


def test_emoji_and_accents_are_kept():
    """A joined emoji is one picture only with its joiner."""
    assert one_line("👩🏽\u200d🎨 L'Été") == "👩🏽\u200d🎨 L'Été"


def test_a_night_with_nothing_has_a_report_all_the_same():
    """No painting, no try: words instead of divisions by zero."""
    night = figures([], [])
    assert "0 paintings, no videos" in headline(night)
    assert outcome_words(night) == "Nothing was worked on."
    assert efficiency_words(night) == "No prompt ran on a card."
    assert grids(night) == []
    assert markdown.render(night, []).endswith("\n")
    assert Page(page.render(night, [], [])).open == []


def test_one_is_not_many():
    """One painting, one video, one card."""
    tries = Tries()
    tries.add(1, "audio", 0, 0, 5, variant="fr")
    tries.add(1, "final_video", 5, 5, 6, variant="fr", instance=None)
    night = figures(tries.rows)
    assert "1 painting, 1 video (1 FR)" in headline(night)
    assert efficiency_words(night).startswith("The card computed")
    assert "Cards" not in [table.title for table in grids(night)]


def test_what_became_of_the_night_is_said():
    """Carried over, sent back, stopped, paused: each has its sentence, and no sentence has two marks at its end."""
    tries = Tries()
    tries.add(1, "audio", 0, 0, 5)
    tries.add(2, "audio", 9000, 9000, 9005)
    items = [item(1), item(2, State.FAILED), item(3, State.PENDING), item(4, State.ABORTED)]
    words = outcome_words(figures(tries.rows, items, carried=1, redone=2, outcome="stopped"))
    assert words.startswith("1 completed, 1 turned down, 1 failed, 1 left to do. ")
    assert "1 carried over from an earlier night and 2 sent back before" in words
    assert "the next one takes what is left first" in words
    assert "stood still for 2 h 30 m" in words
    assert ".." not in words


def test_the_time_of_the_steps_is_the_time_of_the_night():
    """With what passed between the steps, the shares of the first table are a whole."""
    tries, items = owner_night()
    table = next(one for one in grids(figures(tries, items)) if one.title == "Time by step")
    shares = [float(row[2].removesuffix(" %")) for row in table.rows]
    assert table.rows[6][:2] == ("6 script_video", "2 h 44 m")
    assert table.rows[-1][0] == "between steps"
    assert sum(shares) == pytest.approx(100, abs=0.6)


def test_reasons_end_with_one_mark():
    """They are sentences already; joined they must not read `.;`."""
    reasons = ("The face is blurred.", "Nudity", "Is it a portrait?")
    night = figures([], [item(1, State.ABORTED, reasons=reasons)])
    table = next(one for one in grids(night) if one.title.startswith("Not made"))
    assert table.rows[0][3] == "The face is blurred. Nudity. Is it a portrait?"
    assert brief(reasons) == "The face is blurred (+2 more)"
    assert brief(()) == ""


def test_what_was_not_reached_says_how_far_it_came():
    """An item without a reason of its own: the last failure, or how far it was."""
    tries = Tries()
    tries.add(1, "prepare", 0, 0, 1, instance=None)
    tries.add(1, "audio", 1, 1, 2, outcome="failed")
    night = figures(tries.rows, [item(1, State.PENDING), item(2, State.PENDING)])
    table = next(one for one in grids(night) if one.title.startswith("Not made"))
    assert [row[3] for row in table.rows] == ["Done up to prepare. audio: a node failed.", "Nothing was done yet."]


def test_rejection_rates_are_the_owners():
    """30 % before the cards and 30 % after them leave 49 %; what they were about comes with them."""
    reasons = ("The face is blurred: its sharpness is 6.4, and at least 25 is needed.",)
    items = [item(number, State.ABORTED if number <= 3 else State.COMPLETE) for number in range(1, 11)]
    items = [item(one.item_id, one.state, reasons=reasons if one.state is State.ABORTED else ()) for one in items]
    reviews = [verdict(number, "rejected" if number <= 6 else "approved", "the mouth slips") for number in range(4, 11)]
    rates = rejection_rates(figures([], items), [*reviews, verdict(3, "sent_back", "dark")])
    assert [row[1:3] for row in rates.rows] == [
        ("3 of 10", "30.0 %"),
        ("3 of 7", "42.9 %"),
        ("1 of 8", "12.5 %"),
        ("", "40.0 %"),
    ]
    assert [row[3] for row in rates.rows] == ["The face is blurred (3)", "the mouth slips (3)", "dark (1)", ""]


def test_without_a_review_nothing_is_claimed_about_it():
    """No rate of nothing, and what still waits is said."""
    tries, items = owner_night()
    rates = rejection_rates(figures(tries, items), [])
    assert rates.lead == "30 videos not reviewed yet."
    assert [row[2] for row in rates.rows] == ["25.0 %", "–", "–"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (-1, "0.0 s"),
        (9.94, "9.9 s"),
        (9.95, "10 s"),
        (59.6, "1.0 m"),
        (3597, "1 h 00 m"),
        (17_760, "4 h 56 m"),
    ],
)
def test_durations_round_to_what_they_show(seconds, text):
    """Never 60 s, 60.0 m or 1 h 60 m."""
    assert minutes(seconds) == text


def test_the_json_has_the_same_figures():
    """Plain values, shares between 0 and 1, the verdicts with their reasons."""
    tries, items = owner_night()
    night = figures(tries, items)
    found = plain(night, [verdict(1, "rejected", "dark")])
    assert found["card_active_of_night"] == pytest.approx(0.894, abs=0.0005)
    assert found["card"]["compute_s"] == pytest.approx(sum(one["card"]["compute_s"] for one in found["items"]))
    assert [one["verdict"] for one in found["reviews"]] == ["rejected"]
    assert found["items"][0]["state"] == "COMPLETE"
    assert found["videos"] == {"en": 15, "fr": 15}
