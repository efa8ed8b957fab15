"""Adding real lists and folders: what is good goes in, what is not is named."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import random
import time
import zlib
from pathlib import Path

import pytest
from db_world import World
from PIL import Image

from orchestrator.catalogue import add
from orchestrator.errors import CatalogueError, NotFoundError


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, paintings=0)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "paintings"
    folder.mkdir()
    return folder


def picture_bytes(number: int = 0, *, size=(8, 12), kind="PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (number % 256, number // 256 % 256, number // 65536)).save(buffer, kind, **options)
    return buffer.getvalue()


def picture(path: Path, number: int = 0, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture_bytes(number, **options))
    return path


def write_csv(path: Path, text: str, encoding="utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def rows(world) -> dict[str, object]:
    return {row.title: row for row in world.store.unused("portraits")}


def reasons(report) -> list[tuple[int, str]]:
    return [(row.line, row.reason) for row in report.bad]


def test_a_csv_list_is_added(world, folder):
    """All columns arrive, relative to the list."""
    picture(folder / "a b.png", 1, size=(30, 40))
    text = (
        "Path,Title,Painter,Date,Sitter,License,Source,Keywords,Notes\n"
        '"a b.png","L\'Été à 50%: ""a\\b"", [x]; d\'Arc",Ida Vale,c. 1503–1506,The baker,CC0,Museum,oil;woman,ignored\n'
    )
    report = add(world.store, write_csv(folder / "list.csv", text))
    assert (report.added, report.duplicates, report.bad, report.notes) == (1, 0, (), ())
    (row,) = world.store.unused("portraits")
    assert row.title == "L'Été à 50%: \"a\\b\", [x]; d'Arc"
    assert (row.artist, row.year, row.sitter, row.licence) == ("Ida Vale", 1503, "The baker", "CC0")
    assert (row.source, row.tags, row.width_px, row.height_px) == ("Museum", ("oil", "woman"), 30, 40)
    assert row.path == str(folder / "a b.png")
    assert row.sha256 == hashlib.sha256((folder / "a b.png").read_bytes()).hexdigest()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(world, folder, delimiter):
    """Spreadsheets of half of Europe write semicolons; a title may hold the other ones."""
    picture(folder / "x.png")
    header = delimiter.join(["path", "title", "artist"])
    line = delimiter.join(["x.png", '"A, B; C"', "Ida"])
    report = add(world.store, write_csv(folder / "list.csv", f"{header}\n{line}\n"))
    assert report.bad == ()
    assert list(rows(world)) == ["A, B; C"]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_line_ends_and_marks_of_other_systems_are_read(world, folder, ending, encoding):
    """Files come from Windows, from old Macs and out of spreadsheets."""
    picture(folder / "x.png")
    text = ending.join(["path,title", "x.png,Été", ""])
    report = add(world.store, write_csv(folder / "list.csv", text, encoding))
    assert (report.bad, report.notes) == ((), ())
    assert list(rows(world)) == ["Été"]


def test_a_latin_1_list_is_read_and_reported(world, folder):
    """Guessed, so somebody should look at the accents."""
    picture(folder / "x.png", 1)
    picture(folder / "y.png", 2)
    text = "path,title\nx.png,«Portrait de l'été»\ny.png,plain\n"
    report = add(world.store, write_csv(folder / "list.csv", text, "latin-1"))
    assert sorted(rows(world)) == ["plain", "«Portrait de l'été»"]
    assert "Latin-1" in report.notes[0]


def test_a_damaged_row_in_a_utf_8_list_is_a_bad_row(world, folder):
    """One row went through the wrong program; the others' accents prove that the list is UTF-8."""
    for number in range(3):
        picture(folder / f"{number}.png", number)
    content = "path,title\n0.png,Été\n".encode() + b"1.png,\xe9t\xe9\n" + "2.png,Noël\n".encode()
    (folder / "list.csv").write_bytes(content)
    report = add(world.store, folder / "list.csv")
    assert reasons(report) == [(3, "title has bytes that are not UTF-8")]
    assert sorted(rows(world)) == ["Noël", "Été"]


def test_a_title_over_several_lines_is_one_row(world, folder):
    """And the lines after it are still counted as a person counts them."""
    picture(folder / "x.png")
    text = 'path,title\nx.png,"A\nB"\nmissing.png,C\n'
    report = add(world.store, write_csv(folder / "list.csv", text))
    assert list(rows(world)) == ["A\nB"]
    assert [line for line, _ in reasons(report)] == [4]


def test_an_open_quote_does_not_swallow_the_rows_after_it(world, folder):
    """The usual accident: one inch sign in a thousand rows."""
    for number in range(60):
        picture(folder / f"{number}.png", number)
    lines = [f"{number}.png,Portrait {number}" for number in range(60)]
    lines[5] = '5.png,"Portrait 5'
    report = add(world.store, write_csv(folder / "list.csv", "\n".join(["path,title", *lines])))
    assert reasons(report) == [(7, "a quote is opened and never closed")]
    assert len(rows(world)) == 59


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("x.png", "1 columns, the header has 3"),
        ("x.png,T,1503,extra,more", "5 columns, the header has 3"),
        ("gone.png,T,1503", "No such file"),
        (".,T,1503", "is a folder"),
        (",T,1503", "no path"),
        ("x.png,T,sixteenth", "year 'sixteenth' is no year"),
        ("x.png,T,99999", "is no year"),
        ("empty.png,T,1503", "is empty"),
        ("notes.png,T,1503", "is no picture"),
        ("pipe.png,T,1503", "is no file"),
        ("loop.png,T,1503", "symbolic links"),
        ('x.png,"T"t,1503', "broken CSV"),
        ("x.png,a\x00b,1503", "NUL"),
        ("http://example.org/x.png,T,1503", "is an address"),
        ("x" * 300 + ".png,T,1503", "too long"),
    ],
)
def test_a_bad_row_is_named_and_the_others_go_in(world, folder, line, reason):
    """Line and reason, so that the list can be mended; the good row after it is not lost."""
    picture(folder / "x.png", 1)
    picture(folder / "good.png", 2)
    (folder / "empty.png").touch()
    (folder / "notes.png").write_text("shopping list")
    os.mkfifo(folder / "pipe.png")
    (folder / "loop.png").symlink_to("loop.png")
    report = add(world.store, write_csv(folder / "list.csv", f"path,title,year\n{line}\ngood.png,Good,1600\n"))
    ((number, said),) = reasons(report)
    assert number == 2
    assert reason in said
    assert report.added == 1
    assert "Good" in rows(world)


def test_empty_lines_and_spare_delimiters_are_no_rows(world, folder):
    """Spreadsheets leave both behind."""
    picture(folder / "x.png")
    report = add(world.store, write_csv(folder / "list.csv", "\n\npath,title\n\nx.png,T,,,\n,,\n   \n"))
    assert (report.added, report.bad) == (1, ())


@pytest.mark.parametrize("content", ["", "\n\n", "path,title\n"])
def test_an_empty_list_adds_nothing(world, folder, content):
    """Not an error: the owner may not have begun."""
    report = add(world.store, write_csv(folder / "list.csv", content))
    assert (report.added, report.duplicates, report.bad) == (0, 0, ())


@pytest.mark.parametrize("header", ["title,artist", "x.png,Mona Lisa", "\x00\x01\x02"])
def test_a_list_without_a_path_column_is_refused_whole(world, folder, header):
    """Every row would be bad; one sentence is better than 30,000."""
    with pytest.raises(CatalogueError, match="expected one of path"):
        add(world.store, write_csv(folder / "list.csv", f"{header}\nx.png,T\n"))


def test_a_jsonl_list_is_added_and_its_bad_rows_are_named(world, folder):
    """Every way in which a line can be wrong, and the good ones between them."""
    for number in range(3):
        picture(folder / f"{number}.png", number)
    lines = [
        json.dumps({"image": "0.png", "Title": "Zéro", "date": 1503, "tags": ["a", "b"], "unknown": {"deep": []}}),
        '{"path": "1.png", "title": "cut o',
        '["1.png"]',
        "null",
        "",
        json.dumps({"path": 5}),
        json.dumps({"title": "no path"}),
        json.dumps({"path": "1.png", "title": ["x"]}),
        json.dumps({"path": "1.png", "year": "soon"}),
        json.dumps({"path": "1.png", "title": "\ud800"}),
        "[" * 100_000,
        '{"path": ' + "9" * 10_000 + "}",
        json.dumps({"path": "2.png", "title": None, "year": None}),
    ]
    report = add(world.store, write_csv(folder / "list.jsonl", "\n".join(lines)))
    assert sorted(rows(world)) == ["2", "Zéro"]
    assert [line for line, _ in reasons(report)] == [2, 3, 4, 6, 7, 8, 9, 10, 11, 12]
    assert rows(world)["Zéro"].tags == ("a", "b")


def test_a_thousand_broken_rows_do_not_hide_the_good_ones(world, folder):
    """Half of the list is broken, in every way at once."""
    for number in range(10):
        picture(folder / f"{number}.png", number)
    broken = ['x,"open', "gone.png,T,1", "1,2,3,4,5,6", "0.png,T,never", '0.png,"a"b,1', ",,1", ".,T,1", "\x00,T,1"]
    lines = ["path,title,year"]
    for number in range(1000):
        lines.append(broken[number % len(broken)])
        if number % 100 == 99:
            lines.append(f"{number // 100}.png,Good {number // 100},1600")
    started = time.perf_counter()
    report = add(world.store, write_csv(folder / "list.csv", "\n".join(lines)))
    assert time.perf_counter() - started < 10
    assert report.added == 10
    assert len(report.bad) == 1000
    assert [row.line for row in report.bad] == sorted(row.line for row in report.bad)
    assert all(row.reason for row in report.bad)


def test_a_folder_is_walked_and_measured(world, folder):
    """At any depth; what is no picture by its name is left alone."""
    picture(folder / "Mona_Lisa.jpg", 1, size=(40, 60), kind="JPEG")
    picture(folder / "deep" / "er" / "Girl.WEBP", 2, kind="WEBP")
    picture(folder / ".thumbnails" / "small.png", 3)
    (folder / "readme.txt").write_text("not a picture")
    (folder / "broken.jpg").write_text("not a picture")
    report = add(world.store, folder)
    assert sorted(rows(world)) == ["Girl", "Mona Lisa"]
    assert (rows(world)["Mona Lisa"].width_px, rows(world)["Mona Lisa"].height_px) == (40, 60)
    assert reasons(report) == [(0, f"{folder}/broken.jpg is no picture that can be read")]


def test_a_picture_is_measured_as_it_is_looked_at(world, folder):
    """Cameras and scanners lay pictures on their side and say so in the EXIF data."""
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(folder / "side.jpg", size=(60, 40), kind="JPEG", exif=exif)
    add(world.store, folder)
    assert (rows(world)["side"].width_px, rows(world)["side"].height_px) == (40, 60)


def test_broken_exif_does_not_make_a_picture_bad(world, folder):
    """The picture is sound; only what is said about it is not."""
    content = picture_bytes(size=(60, 40), kind="JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff broken")
    (folder / "x.jpg").write_bytes(content)
    report = add(world.store, folder)
    assert (report.added, report.bad) == (1, ())
    assert rows(world)["x"].width_px == 60


def test_a_giant_picture_is_left_to_the_first_step(world, folder):
    """Its header claims 900 megapixels: it is neither decoded nor refused here."""
    header = picture_bytes(size=(1, 1))
    giant = header[:16] + (30_000).to_bytes(4, "big") * 2 + header[24:29]
    content = giant + zlib.crc32(giant[12:29]).to_bytes(4, "big") + header[33:]
    (folder / "giant.png").write_bytes(content)
    report = add(world.store, folder)
    assert (report.added, report.bad) == (1, ())
    assert rows(world)["giant"].width_px in (None, 30_000)  # as Pillow's own limit is set in this process


def test_links_in_a_circle_are_walked_once(world, folder):
    """A link back to the folder itself would never end."""
    picture(folder / "a" / "x.png")
    (folder / "a" / "back").symlink_to(folder, target_is_directory=True)
    (folder / "b").symlink_to(folder / "a", target_is_directory=True)
    report = add(world.store, folder)
    assert (report.added, report.duplicates, report.bad) == (1, 0, ())


def test_a_file_whose_name_is_not_utf_8_is_named(world, folder):
    """It could not be stored; renaming it helps."""
    picture(folder / "good.png", 1)
    with open(os.path.join(os.fsencode(folder), b"caf\xe9.png"), "wb") as file:
        file.write(picture_bytes(2))
    report = add(world.store, folder)
    assert report.added == 1
    ((_, reason),) = reasons(report)
    assert "not UTF-8" in reason
    reason.encode()


def test_the_same_painting_twice_is_one_row(world, folder):
    """Under two names, in two sources; the first title stays."""
    picture(folder / "a.png", 7)
    picture(folder / "b.png", 7)
    first = add(world.store, folder)
    assert (first.added, first.duplicates) == (1, 1)
    text = "path,title,artist\nb.png,Better title,Ida Vale\n"
    again = add(world.store, write_csv(folder / "list.csv", text), list_name="favourites")
    assert (again.added, again.duplicates) == (0, 1)
    assert world.store.lists() == {"portraits": 1, "favourites": 1}
    assert rows(world)["a"].artist == "Ida Vale"


def test_one_picture_can_be_added_by_itself(world, folder):
    """The shortest way to try one's own material."""
    report = add(world.store, picture(folder / "Mona_Lisa.png"))
    assert report.added == 1
    assert list(rows(world)) == ["Mona Lisa"]


@pytest.mark.parametrize("name", ["gone", "gone.csv", "gone.jpg"])
def test_a_source_that_is_not_there_is_said_so(world, folder, name):
    """With its name; it is the command line that is wrong."""
    with pytest.raises(NotFoundError, match=name):
        add(world.store, folder / name)


@pytest.mark.parametrize("name", ["list.xlsx", "list", "movie.mp4"])
def test_a_source_of_another_kind_is_refused(world, folder, name):
    """Saying what would do."""
    (folder / name).write_bytes(b"PK\x03\x04")
    with pytest.raises(CatalogueError, match=r"give a folder, a \.csv or a \.jsonl"):
        add(world.store, folder / name)


def test_progress_is_told(world, folder):
    """Hashing a disk full of scans takes its time."""
    for number in range(70):
        picture(folder / f"{number}.png", number)
    told = []
    add(world.store, folder, on_progress=lambda done, total: told.append((done, total)))
    assert told[0] == (1, 70)
    assert told[-1] == (70, 70)


def test_damaged_headers_are_bad_rows_and_never_a_crash(world, folder):
    """Pillow's readers raise whatever comes to their mind on broken files."""
    chance = random.Random(5)
    for number in range(300):
        kind = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP")[number % 6]
        content = bytearray(picture_bytes(number, kind=kind))
        for _ in range(4):
            content[chance.randrange(min(len(content), 120))] = chance.randrange(256)
        (folder / f"{number}.{kind.lower()}").write_bytes(content[: chance.randrange(1, len(content))])
    report = add(world.store, folder)
    assert report.added + report.duplicates + len(report.bad) == 300
    assert len(report.bad) > 50


def test_ten_thousand_rows_take_a_few_seconds(world, folder):
    """30,000 take under 10 s (measured by the benchmark); a third of it with room for a busy machine."""
    for number in range(10_000):
        (folder / f"{number}.png").write_bytes(PNG + str(number).encode())
    with (folder / "list.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "title", "artist", "year", "tags"])
        writer.writerows([f"{number}.png", f"Portrait {number}", "Ida Vale", "1503", "a;b"] for number in range(10_000))
    started = time.perf_counter()
    report = add(world.store, folder / "list.csv")
    elapsed_s = time.perf_counter() - started
    assert (report.added, report.bad) == (10_000, ())
    assert elapsed_s < 10, f"{elapsed_s:.1f} s"


PNG = picture_bytes()
