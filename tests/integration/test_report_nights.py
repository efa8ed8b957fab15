"""Reports of nights in a real state: each tells of its own night, also when later ones went on with its items."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest
from report_nights import EVENING, STEPS, Studio, small_night
from sqlalchemy import insert

from db.engine import write
from db.errors import NotFound
from db.models import ATTEMPTS, BATCH_ITEMS, BATCHES, ITEMS, PAINTINGS, RUNS
from db.states import State
from orchestrator.errors import StorageError
from orchestrator.report import write_report
from steps.registry import steps_after


def report_of(studio, batch):
    written = write_report(studio.store, studio.home, batch.id)
    return json.loads(written.json_path.read_text(encoding="utf-8"))


def states(found):
    return {item["item_id"]: item["state"] for item in found["items"]}


def test_an_item_carried_over_two_nights_is_in_both_reports_for_its_part(tmp_path):
    """The first night left it, the second one made it: no second and no video is in both."""
    studio = Studio(tmp_path, ["One", "Two"])
    first = studio.open()
    one, two = [item.item_id for item in studio.store.items(first.id)]
    studio.work(first, only=[one])
    studio.work(first, only=[two], until="script_video")
    studio.close(first, "stopped")
    before = report_of(studio, first)
    studio.clock.advance(86_400)
    second = studio.open()
    studio.work(second)
    studio.close(second)
    after, late = report_of(studio, first), report_of(studio, second)
    assert after == before
    assert states(after) == {one: "COMPLETE", two: "PENDING"}
    assert after["videos"] == {"en": 1, "fr": 1}
    assert (states(late), late["videos"], late["carried"]) == ({two: "COMPLETE"}, {"en": 1, "fr": 1}, 1)
    compute = [next(i for i in found["items"] if i["item_id"] == two)["card"]["compute_s"] for found in (after, late)]
    attempts = [*studio.store.attempts(first.id), *studio.store.attempts(second.id)]
    seconds = [
        (one.finished_at - one.started_at).total_seconds() for one in attempts if one.item_id == two and one.instance
    ]
    assert sum(compute) == pytest.approx(sum(seconds))
    assert all(part > 0 for part in compute)


def test_a_video_that_was_sent_back_belongs_to_the_night_that_made_it(tmp_path):
    """The first night's verdict stays with the first night, and its page does not show the second one's video."""
    studio, first = small_night(tmp_path)
    (item,) = studio.store.items(first.id)
    (video,) = [
        row for row in studio.store.current_artifacts(item.item_id) if (row.name, row.variant) == ("video", "fr")
    ]
    review = {"language": "fr", "reviewer": "me"}
    studio.clock.advance(600)
    studio.store.add_review(item.item_id, **review, sha256=video.sha256, verdict="sent_back", reason="dark")
    studio.store.send_back(item.item_id, steps=steps_after("subtitles"), languages=["fr"], reason="dark")
    studio.clock.advance(3600)
    second = studio.open()
    studio.work(second)
    studio.close(second)
    (remade,) = [
        row for row in studio.store.current_artifacts(item.item_id) if (row.name, row.variant) == ("video", "fr")
    ]
    studio.store.add_review(item.item_id, **review, sha256=remade.sha256, verdict="approved", reason="")
    old, new = report_of(studio, first), report_of(studio, second)
    assert [one["verdict"] for one in old["reviews"]] == ["sent_back"]
    assert [one["verdict"] for one in new["reviews"]] == ["approved"]
    assert states(old) == {item.item_id: "COMPLETE"}
    assert (old["videos"], new["videos"], new["redone"]) == ({"en": 1, "fr": 1}, {"fr": 1}, 1)
    pages = [(studio.home.report_of(batch.id) / "report.html").read_text() for batch in (first, second)]
    assert [text.count('href="') for text in pages] == [1, 1]


def test_an_open_night_has_a_report(tmp_path):
    """A look in the middle: a prompt is live, an item waits, and nothing is claimed to be over."""
    studio = Studio(tmp_path, ["One", "Two"])
    batch = studio.open()
    one, two = [item.item_id for item in studio.store.items(batch.id)]
    studio.work(batch, only=[one], until="audio")
    studio.claim(batch, studio.run(one, "audio", "fr"))
    found = report_of(studio, batch)
    assert found["outcome"] == "open"
    assert states(found) == {one: "PROCESSING", two: "PENDING"}
    assert found["videos"] == {}
    assert "not over" in (studio.home.report_of(batch.id) / "report.md").read_text()


def test_the_links_of_the_page_lead_to_the_videos(tmp_path):
    """From the report's folder, whatever the title."""
    studio, batch = small_night(tmp_path, ["L'Été à 50%: \"a\\b\", [x]; d'Arc", "../../etc/passwd"])
    text = write_report(studio.store, studio.home, batch.id).html_path.read_text(encoding="utf-8")
    links = [part.split('"')[0] for part in text.split('href="')[1:]]
    assert len(links) == 4
    for link in links:
        assert (studio.home.report_of(batch.id) / link).resolve().is_relative_to(studio.home.artifacts.resolve())
        assert (studio.home.report_of(batch.id) / link).is_file()
    assert text.count("data:image/jpeg;base64,") == 4


def test_a_thumbnail_that_cannot_be_read_leaves_a_blank(tmp_path):
    """The report is more than its pictures."""
    studio, batch = small_night(tmp_path)
    for path in studio.home.artifacts.rglob("thumbnail.jpg"):
        path.write_bytes(b"no picture")
    text = write_report(studio.store, studio.home, batch.id).html_path.read_text(encoding="utf-8")
    assert text.count('class="blank"') == 2


def test_a_report_that_cannot_be_written_says_where_and_what_to_do(tmp_path):
    """A file stands where the folder should be; the night itself is in the database."""
    studio, batch = small_night(tmp_path)
    studio.home.report_of(batch.id).write_text("in the way")
    with pytest.raises(StorageError, match=f"nightreel report {batch.id}"):
        write_report(studio.store, studio.home, batch.id)


def test_a_report_of_no_night_is_not_found(tmp_path):
    """And no folder is made for it."""
    studio = Studio(tmp_path, [])
    with pytest.raises(NotFound):
        write_report(studio.store, studio.home, 9)
    assert list(studio.home.reports.iterdir()) == []


def test_a_night_of_five_hundred_paintings_is_reported_while_one_waits(tmp_path):
    """The largest night that the settings allow, 8,500 tries."""
    studio = Studio(tmp_path, [])
    batch_id = _large_night(studio, 500)
    began = time.perf_counter()
    written = write_report(studio.store, studio.home, batch_id)
    seconds = time.perf_counter() - began
    found = json.loads(written.json_path.read_text(encoding="utf-8"))
    assert found["videos"] == {"en": 500, "fr": 500}
    assert sum(step["runs"] for step in found["steps"]) == 8000
    assert seconds < 30


def _large_night(studio: Studio, count: int) -> int:
    """Write a complete night straight into the tables: the store's moves would take minutes."""
    runs = [(step, variant) for step in STEPS for variant in (("fr", "en") if step.per_language else ("",))]
    closed = EVENING + timedelta(hours=12)
    with write(studio.engine) as conn:
        row = {"seed": 1, "list_name": "portraits", "wanted": count, "languages": ["fr", "en"], "settings": {}}
        batch = {**row, "opened_at": EVENING, "closed_at": closed, "outcome": "complete", "preview": False}
        batch_id = conn.execute(insert(BATCHES).values(batch)).inserted_primary_key[0]
        ids = range(1, count + 1)
        conn.execute(
            insert(PAINTINGS),
            [
                {
                    "id": n,
                    "sha256": f"{n:064x}",
                    "path": f"/{n}",
                    "title": f"Portrait | {n}",
                    "tags": [],
                    "added_at": EVENING,
                }
                for n in ids
            ],
        )
        of_item = {"batch_id": batch_id, "state": State.COMPLETE, "reasons": [], "languages": ["fr", "en"]}
        conn.execute(insert(ITEMS), [{"id": n, "painting_id": n, **of_item} for n in ids])
        conn.execute(
            insert(BATCH_ITEMS), [{"batch_id": batch_id, "item_id": n, "origin": "drawn", "position": n} for n in ids]
        )
        rows, tries, clock = [], [], EVENING
        for number, (step, variant) in enumerate(runs):
            for n in ids:
                run_id = number * count + n
                common = {"step": step.name, "generation": 0}
                rows.append(
                    {
                        "id": run_id,
                        "item_id": n,
                        "number": step.number,
                        "variant": variant,
                        **common,
                        "state": "COMPLETE",
                    }
                )
                times = {"claimed_at": clock, "started_at": clock, "finished_at": clock + timedelta(seconds=5)}
                placed = {"instance": "card0", "prompt_id": f"p{run_id}"}
                tries.append(
                    {"run_id": run_id, "batch_id": batch_id, "number": 1, "seed": 1, **common, **times, **placed}
                    | {"outcome": "complete", "counted": True}
                )
                clock += timedelta(seconds=5)
        conn.execute(insert(RUNS), rows)
        conn.execute(insert(ATTEMPTS), tries)
    return int(batch_id)
