"""The review, in the terminal and behind it: every verdict, wrong keys, the end of input, and who sees what again."""

from __future__ import annotations

import errno
import io
import json
import os
from pathlib import Path

import pytest
from report_nights import small_night
from rich.console import Console
from sqlalchemy import text

from db.engine import write
from db.states import State
from orchestrator.artifacts import hash_file
from orchestrator.errors import NotFoundError, StorageError
from orchestrator.report import write_report
from orchestrator.review import pool as pool_module
from orchestrator.review.terminal import review_in_terminal
from orchestrator.review.waiting import approve, redo, waiting_videos
from orchestrator.verdicts import abort_item, require_night, send_back

TITLES = ["[red]La Joconde[/]", "L'Été à 50%: \"a\\b\", [x]; d'Arc"]


@pytest.fixture
def studio(tmp_path):
    """Two paintings, four videos that nobody looked at."""
    made, _ = small_night(tmp_path, TITLES)
    return made


@pytest.fixture
def review(studio, monkeypatch):
    """Review with these lines as the input; return what was printed."""

    def run(*lines: str, batch_id: int | None = None) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        console = Console(file=io.StringIO(), width=100)
        review_in_terminal(console, studio.store, studio.home, batch_id=batch_id)
        return console.file.getvalue()

    return run


def waiting(studio):
    return [(one.item.item_id, one.language) for one in waiting_videos(studio.store, studio.home)]


def pool_of(studio):
    return sorted(path.name for path in studio.home.pool.iterdir())


def verdicts(studio):
    return [(one.item_id, one.language, one.verdict, one.reason) for one in studio.store.reviews(1)]


def test_approve_reject_and_send_back(studio, review):
    """One of each: a folder in the pool, a reason, steps that run again; the fourth one is left."""
    printed = review("a", "reject", "the mouth slips", "b", "subtitles", "late by a word", "q")
    (approved,) = pool_of(studio)
    assert approved.endswith(".fr")
    assert f"in the pool: {studio.home.pool / approved}" in printed
    assert "runs again: subtitles, final_video; make it with: nightreel resume" in printed
    assert "1 approved, 1 rejected, 1 sent back; 50% rejected; 1 still waits" in printed
    first, second = sorted({item_id for item_id, _ in waiting(studio)} | {one[0] for one in verdicts(studio)})
    assert sorted(verdicts(studio)) == [
        (first, "en", "rejected", "the mouth slips"),
        (first, "fr", "approved", ""),
        (second, "fr", "sent_back", "late by a word"),
    ]
    assert waiting(studio) == [(second, "en")]
    assert studio.store.item(second).state is State.REDO


def test_what_was_approved_is_what_lies_in_the_pool(studio, review):
    """Video, thumbnail, captions, metadata, and who approved it after which checks."""
    before = waiting_videos(studio.store, studio.home)[0]
    review("a")
    folder = next(studio.home.pool.iterdir())
    names = {"video.mp4", "thumbnail.jpg", "metadata.json", "captions.srt", "captions-styled.ass", "review.json"}
    assert {path.name for path in folder.iterdir()} == names
    assert hash_file(folder / "video.mp4") == before.sha256
    facts = json.loads((folder / "review.json").read_text(encoding="utf-8"))
    assert facts["sha256"] == before.sha256
    assert facts["checks"]
    assert facts["approved_by"]


@pytest.mark.parametrize("key", ["x", "", "again", "rejected", "7", "[/]", "\x1b[A", "ä"])
def test_a_wrong_key_decides_nothing_and_asks_again(studio, review, key):
    """A word that only begins like a key is no key: `again` must not approve."""
    printed = review(key, "q")
    assert "is not one of the keys" in printed
    assert printed.count("a approve") == 2
    assert verdicts(studio) == []
    assert len(waiting(studio)) == 4


@pytest.mark.parametrize("lines", [(), ("r",), ("r", ""), ("b",), ("b", "audio"), ("c",), ("s",)])
def test_the_end_of_input_decides_nothing(studio, review, lines):
    """At every question: neither a rejection without a reason nor a step that nobody named."""
    printed = review(*lines)
    assert verdicts(studio) == []
    assert pool_of(studio) == []
    assert "nothing decided; 4 still wait" in printed


def test_ctrl_c_at_a_question_ends_the_review(studio, monkeypatch):
    """What was decided is kept; nothing else happens."""

    class Input(io.StringIO):
        lines = iter(["a\n"])

        def readline(self, *_):
            line = next(self.lines, None)
            if line is None:
                raise KeyboardInterrupt
            return line

    monkeypatch.setattr("sys.stdin", Input())
    console = Console(file=io.StringIO(), width=100)
    review_in_terminal(console, studio.store, studio.home)
    assert "1 approved; 0% rejected; 3 still wait" in console.file.getvalue()


def test_a_rejection_asks_until_there_is_a_reason(studio, review):
    """The report counts reasons."""
    review("r", "", "  ", "too dark")
    assert [one[2:] for one in verdicts(studio)] == [("rejected", "too dark")]


def test_an_unknown_step_sends_nothing_back(studio, review):
    """It is named, and the question comes again."""
    printed = review("b", "lipsync", "q")
    assert "there is no step 'lipsync'" in printed
    assert len(waiting(studio)) == 4


def test_all_checks_are_shown_in_the_order_of_the_steps(studio, review):
    """With their numbers rounded, and text as it is, even where it looks like markup."""
    printed = review("c", "s", "s", "q")
    assert printed.index("78 words") < printed.index("1080.1 px"), "the script comes before the final cut"
    assert "[bold]odd" in printed
    assert "[red]La Joconde[/]" in printed
    assert "2 of 3 checks passed" in printed


def test_a_shared_step_takes_the_other_language_off_the_list_too(studio, review):
    """Its video is about to be made again: asking about it would be a waste of a morning."""
    printed = review("b", "clean_pic", "cracks", "q")
    assert len(waiting(studio)) == 2
    assert printed.count("item 1 ·") + printed.count("item 2 ·") == 2, "the next one shown is of the other item"


def test_a_video_that_was_made_again_waits_again(studio, review):
    """A verdict is about bytes: another hash is another video."""
    review("a", "a", "a", "a")
    assert waiting(studio) == []
    item_id = studio.store.items(1)[0].item_id
    sent = send_back(studio.store, studio.home, item_id, "subtitles", language="fr")
    (withdrawn,) = sent.withdrawn
    assert withdrawn.name.endswith(".fr")
    assert withdrawn.name not in pool_of(studio)
    assert waiting(studio) == [], "not before it is made"
    batch = studio.open()
    studio.work(batch)
    studio.close(batch)
    assert waiting(studio) == [(item_id, "fr")]
    review("a")
    assert len(pool_of(studio)) == 4


def test_sending_back_a_shared_step_takes_all_languages_out_of_the_pool(studio):
    """What is made again must not be published meanwhile."""
    for video in waiting_videos(studio.store, studio.home):
        approve(studio.store, studio.home, video)
    item_id = studio.store.items(1)[0].item_id
    sent = send_back(studio.store, studio.home, item_id, "clean_pic")
    assert len(sent.withdrawn) == 2
    assert len(pool_of(studio)) == 2
    assert not any(name.startswith(f"{item_id:05d}") for name in pool_of(studio))


def test_a_full_disk_ends_the_review_and_keeps_what_was_decided(studio, review, monkeypatch):
    """The video still waits; the earlier verdict stands, and the totals are said."""
    review("r", "dark", "q")

    def full(_source, _target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pool_module.shutil, "copyfile", full)
    with pytest.raises(StorageError, match="No space left"):
        review("a")
    assert [one[2] for one in verdicts(studio)] == ["rejected"]
    assert len(waiting(studio)) == 3
    assert pool_of(studio) == []


def test_a_video_whose_file_changed_cannot_be_approved(studio, review):
    """The bytes on the disk are not those that were made and checked."""
    video = waiting_videos(studio.store, studio.home)[0]
    video.video.write_bytes(b"damaged")
    with pytest.raises(StorageError, match="content has changed"):
        review("a")
    assert len(waiting(studio)) == 4


def test_one_night_alone_can_be_reviewed(studio, review):
    """And a night that does not exist is said to."""
    assert "nothing waits" in review(batch_id=99)
    assert "item 1" in review("q", batch_id=1)
    with pytest.raises(NotFoundError, match="there is no night 99; the last one is 1"):
        require_night(studio.store, 99)
    assert require_night(studio.store, None) == 1


def test_the_report_has_the_verdicts_and_the_rates(studio, review):
    """Rejection rates are what the studio steers by."""
    review("a", "r", "the mouth slips", "r", "the mouth slips: late", "a")
    text = write_report(studio.store, studio.home, 1).markdown_path.read_text(encoding="utf-8")
    rate = next(line for line in text.splitlines() if line.startswith("| rejected in review"))
    assert [part.strip() for part in rate.split("|")[2:5]] == ["2 of 4", "50.0 %", "the mouth slips (2)"]
    assert "## Review" in text


@pytest.mark.parametrize(
    ("step", "language", "words"),
    [
        ("lipsync", None, "there is no step 'lipsync'; the steps are: prepare, script, audio"),
        ("audio", "de", "item 1 has no language 'de'; it has: fr, en"),
        ("clean_pic", "fr", "shared by all languages of an item: leave out --lang"),
    ],
)
def test_what_cannot_be_sent_back_says_why(studio, step, language, words):
    """Before anything is changed."""
    with pytest.raises(NotFoundError, match=words):
        send_back(studio.store, studio.home, 1, step, language=language)
    assert studio.store.item(1).state is State.COMPLETE


def test_an_item_that_is_not_finished_cannot_be_sent_back(tmp_path):
    """Turned down stays so; what waits is made anyway."""
    made, batch = small_night(tmp_path, ["One", "Two"], down=1)
    down = made.store.items(batch.id)[1].item_id
    with pytest.raises(NotFoundError, match="turned down and stays so: The face is too small"):
        send_back(made.store, made.home, down, "prepare")
    done = made.store.items(batch.id)[0].item_id
    send_back(made.store, made.home, done, "prepare")
    with pytest.raises(NotFoundError, match="is REDO: what is missing of it is made by nightreel resume"):
        send_back(made.store, made.home, done, "prepare")


def test_aborting_says_what_is_over_already(tmp_path):
    """A finished video is rejected, not aborted; a turned-down item is down."""
    made, batch = small_night(tmp_path, ["One", "Two"], down=1)
    done, down = [item.item_id for item in made.store.items(batch.id)]
    with pytest.raises(NotFoundError, match="reject its videos with: nightreel review"):
        abort_item(made.store, done, reason="x")
    with pytest.raises(NotFoundError, match=f"item {down} is ABORTED already"):
        abort_item(made.store, down, reason="x")
    send_back(made.store, made.home, done, "audio")
    abort_item(made.store, done, reason="not worth it")
    assert made.store.item(done).reasons == ("not worth it",)
    assert waiting_videos(made.store, made.home) == []


def test_a_video_is_sent_back_in_its_own_language_where_it_can_be(studio):
    """The other language's finished work is not made twice."""
    video = waiting_videos(studio.store, studio.home)[0]
    assert redo(studio.store, studio.home, video, "audio", "mumbles").steps[0] == "audio"
    states = {(run.step, run.variant): run.state for run in studio.store.runs_of_item(video.item.item_id)}
    assert states["audio", video.language] is State.REDO
    other = "en" if video.language == "fr" else "fr"
    assert states["audio", other] is State.COMPLETE
    assert states["clean_pic", ""] is State.COMPLETE


def test_the_json_says_what_the_terminal_shows(studio, capsys):
    """For other reviewers, such as a page: paths that exist, the script, every check."""
    review_in_terminal(Console(file=io.StringIO()), studio.store, studio.home, json_only=True)
    found = json.loads(capsys.readouterr().out)
    assert len(found) == 4
    for one in found:
        assert Path(one["video"]).is_file()
        assert hash_file(Path(one["video"])) == one["sha256"]
        assert one["script"] == "Je vous regarde."
        assert one["title"] in TITLES
        assert len(one["checks"]) == 3


def test_where_the_witnesses_of_step_0_differ_is_shown(studio, review):
    """Another face, a child perhaps: the person looks there first. And nothing is said where they agree."""
    assert "witnesses differ" not in review("q")
    verdict = {"verdict": {"accepted": True, "disagreements": ["people: 1 by the face detector, 2 by [b]the model"]}}
    with write(studio.store.engine) as conn:
        conn.execute(text("UPDATE step_run SET data = :data WHERE step = 'prepare'"), {"data": json.dumps(verdict)})
    assert "the witnesses differ about the painting: people: 1 by the face detector, 2 by [b]the model" in review("q")
    listed = waiting_videos(studio.store, studio.home)[0].as_json()
    assert listed["disagreements"] == verdict["verdict"]["disagreements"]
