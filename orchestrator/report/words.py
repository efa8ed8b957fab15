"""How figures read: durations, shares, and the short sentences that the Markdown and the page have in common."""

from __future__ import annotations

from db.states import State
from orchestrator.report.figures import NightFigures
from orchestrator.wording import counted, one_line


def minutes(seconds: float) -> str:
    """Return a duration as the tables show it.

    >>> [minutes(seconds) for seconds in (0.04, 9.96, 59.7, 204, 3599, 17760)]
    ['0.0 s', '10 s', '1.0 m', '3.4 m', '1 h 00 m', '4 h 56 m']
    """
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    if seconds < 59.95 * 60:
        return f"{seconds / 60:.1f} m"
    whole = round(seconds / 60)
    return f"{whole // 60} h {whole % 60:02d} m"


def percent(share: float | None) -> str:
    """Return a share for people; a dash for none."""
    return "–" if share is None else f"{share * 100:.1f} %"


def headline(night: NightFigures) -> str:
    """Return the night in one line."""
    began, ended = night.began.astimezone(), night.ended.astimezone()
    until = f"{ended:%H:%M}" if began.date() == ended.date() else f"{ended:%Y-%m-%d %H:%M}"
    return (
        f"{began:%Y-%m-%d %H:%M} → {until} · {one_line(night.list_name)} · "
        f"{counted(len(night.items), 'painting')}, {video_words(night)}"
    )


def video_words(night: NightFigures) -> str:
    """Return how many videos there are, and in which languages."""
    made = " + ".join(f"{count} {language.upper()}" for language, count in night.videos.items())
    total = counted(sum(night.videos.values()), "video")
    return f"{total} ({made})" if made else "no videos"


def key_figures(night: NightFigures) -> list[tuple[str, str]]:
    """Return the figures at the top: what each one is, and its value."""
    return [
        ("total wall-clock", minutes(night.wall_s)),
        ("card compute", minutes(night.card.compute_s)),
        ("active, of the whole night", percent(night.card_active_of_night)),
        ("active, within prompts", percent(night.card.active)),
        ("video" if sum(night.videos.values()) == 1 else "videos", str(sum(night.videos.values()))),
    ]


def outcome_words(night: NightFigures) -> str:
    """Return what became of the night and of its paintings, as sentences."""
    parts = [
        f"{night.count(state)} {word}"
        for state, word in (
            (State.COMPLETE, "completed"),
            (State.ABORTED, "turned down"),
            (State.FAILED, "failed"),
            (State.PENDING, "left to do"),
            (State.REDO, "sent back"),
            (State.PROCESSING, "under way"),
        )
        if night.count(state)
    ]
    came = [f"{night.carried} carried over from an earlier night"] if night.carried else []
    came += [f"{night.redone} sent back before"] if night.redone else []
    sentences = [", ".join(parts) if parts else "Nothing was worked on"]
    sentences += [f"Of the paintings, {' and '.join(came)}"] if came else []
    sentences += {
        "open": ["The night is not over"],
        "stopped": ["The night ended before everything was done; the next one takes what is left first"],
    }.get(night.outcome, [])
    if night.paused_s > 0:
        sentences.append(f"It stood still for {minutes(night.paused_s)} before it went on")
    return ". ".join(sentences) + "."


def efficiency_words(night: NightFigures) -> str:
    """Return how busy the cards were, as sentences."""
    if not night.instances:
        return "No prompt ran on a card."
    cards = len(night.instances)
    who = "The card" if cards == 1 else f"The {cards} cards together"
    return (
        f"{who} computed for {minutes(night.card.compute_s)} and did nothing for {minutes(night.card_idle_s)}: active "
        f"for {percent(night.card_active_of_night)} of the whole night. While a prompt was ready for it, a card did "
        f"nothing for {minutes(night.card.wait_s)}: {percent(night.card.active)} active within prompts."
    )
