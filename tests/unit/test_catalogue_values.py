"""What a year, a tag list or a header may look like in the lists that people have."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.listing import SYNONYMS, _BadRowError, _columns, _entry, _year, printable, title_of

FOLDER = Path("/lists")


@pytest.mark.parametrize(
    ("written", "year"),
    [
        ("1503", 1503),
        (" 1503 ", 1503),
        (1503, 1503),
        (1503.0, 1503),
        ("1503.0", 1503),
        ("c. 1503", 1503),
        ("c.1503", 1503),
        ("ca. 1503", 1503),
        ("circa 1503", 1503),
        ("Vers 1503", 1503),
        ("um 1503", 1503),
        ("~1503", 1503),
        ("1503–1506", 1503),
        ("1503-1506", 1503),
        ("1503 - 1506", 1503),
        ("1503/04", 1503),
        ("1503 to 1506", 1503),
        ("c. 1503–1506", 1503),
        ("1503-05-21", 1503),
        ("1503?", 1503),
        ("1503 (?)", 1503),
        ("-44", -44),
        ("−44", -44),
        ("0", 0),
        ("2100", 2100),
        ("-3000", -3000),
        ("", None),
        ("   ", None),
        (None, None),
    ],
)
def test_years_are_read_in_the_forms_that_people_write(written, year):
    """A range is known by its first year."""
    assert _year(written) == year


@pytest.mark.parametrize(
    "written",
    [
        "16th century",
        "unknown",
        "n.d.",
        "15035",
        "2101",
        "-3001",
        "1503abc",
        "1503,5",
        "MDIII",
        "١٥٠٣x",
        True,
        [1503],
        {},
    ],
)
def test_what_is_no_year_is_refused(written):
    """`16th century` is not the year 16."""
    with pytest.raises(_BadRowError, match="year"):
        _year(written)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.lists(st.integers())))
def test_a_year_is_read_or_refused_and_never_crashes(written):
    """Whatever a list holds."""
    try:
        year = _year(written)
    except _BadRowError:
        return
    assert year is None or -3000 <= year <= 2100


@given(
    st.dictionaries(
        st.sampled_from(sorted(SYNONYMS)), st.one_of(st.text(), st.integers(), st.none(), st.lists(st.text()))
    )
)
def test_a_row_is_read_or_refused_and_never_crashes(row):
    """Every value of every column may be anything."""
    try:
        entry = _entry(row, line=1, folder=FOLDER)
    except _BadRowError:
        return
    assert entry.title
    assert entry.path.is_absolute()


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (["Path", "TITLE", "Painter", "Date", "License"], ["path", "title", "artist", "year", "licence"]),
        (["image_path", "Titre", "Peintre", "Année", "Modèle"], ["path", "title", "artist", "year", "sitter"]),
        (["File Name", "Œuvre", "author", "keywords", "museum"], ["path", "title", "artist", "tags", "source"]),
        (["id", "path", "notes"], [None, "path", None]),
        (["image", "path"], [None, "path"]),
        (["author", "artist", "artist"], [None, "artist", None]),
        (["", "  ", "path"], [None, None, "path"]),
    ],
)
def test_headers_are_known_by_many_names(names, columns):
    """Case, accents and punctuation do not matter; where two columns mean the same, the usual name wins."""
    assert _columns(names) == columns


def test_a_path_is_relative_to_its_list():
    """People move a list together with its pictures."""
    assert _entry({"path": "a/../b/x.jpg"}, line=1, folder=FOLDER).path == Path("/lists/b/x.jpg")
    assert _entry({"path": "/abs/x.jpg"}, line=1, folder=FOLDER).path == Path("/abs/x.jpg")
    assert _entry({"path": "~/x.jpg"}, line=1, folder=FOLDER).path == Path.home() / "x.jpg"
    assert _entry({"path": "50%20 ~x.jpg"}, line=1, folder=FOLDER).path == Path("/lists/50%20 ~x.jpg")


@pytest.mark.parametrize("address", ["https://example.org/x.jpg", "S3://bucket/x.jpg", "file:///x.jpg"])
def test_an_address_is_no_path(address):
    """Nothing is fetched; the message says so instead of "no such file"."""
    with pytest.raises(_BadRowError, match="address"):
        _entry({"path": address}, line=1, folder=FOLDER)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, "no path"),
        ({"path": "  "}, "no path"),
        ({"path": ["x.jpg"]}, "path is a list"),
        ({"path": "x.jpg", "title": {"fr": "x"}}, "title is an object"),
        ({"path": "x.jpg", "title": True}, "title is true or false"),
        ({"path": "x.jpg", "title": "x" * 1001}, "title has 1001 characters"),
        ({"path": "x.jpg", "artist": "a\x00b"}, "artist has a NUL"),
        ({"path": "x\udcff.jpg"}, "path has bytes that are not UTF-8"),
        ({"path": "x.jpg", "tags": 5}, "tags is a number"),
        ({"path": "x.jpg", "tags": ["a", ["b"]]}, "a tag is a list"),
    ],
)
def test_a_broken_row_says_what_is_wrong(row, reason):
    """The operator fixes the list by these sentences."""
    with pytest.raises(_BadRowError, match=reason):
        _entry(row, line=1, folder=FOLDER)


@pytest.mark.parametrize(
    ("tags", "kept"),
    [
        ("oil; portrait ;", ("oil", "portrait")),
        ("oil,portrait|woman", ("oil", "portrait", "woman")),
        (["oil", " ", "oil", 5], ("oil", "5")),
        (None, ()),
        ("", ()),
    ],
)
def test_tags_are_split_and_kept_once(tags, kept):
    """In the order in which they were given."""
    assert _entry({"path": "x.jpg", "tags": tags}, line=1, folder=FOLDER).tags == kept


def test_a_missing_title_is_the_name_of_the_file():
    """With spaces, since it is shown in the video."""
    assert _entry({"path": "p/Mona_Lisa  (1503).jpg"}, line=1, folder=FOLDER).title == "Mona Lisa (1503)"
    assert title_of(Path("___.jpg")) == "___.jpg"


def test_a_number_may_be_a_title():
    """JSON lists hold `1984` without quotes."""
    assert _entry({"path": "x.jpg", "title": 1984}, line=1, folder=FOLDER).title == "1984"


def test_any_file_name_can_be_printed():
    """Reports hold names that are not UTF-8."""
    assert printable("é\udcff") == "é\\udcff"
