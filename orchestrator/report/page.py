"""The execution report as one HTML page that needs nothing else: styles, bars and thumbnails are inside it."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from orchestrator.report.figures import NightFigures
from orchestrator.report.words import Grid, efficiency_words, grids, headline, key_figures, minutes, outcome_words

THUMBNAIL_WIDTH_PX = 180


@dataclass(frozen=True)
class VideoCard:
    """One finished video on the page."""

    item_id: int
    title: str
    language: str
    link: str  # relative to the page, not yet quoted
    thumbnail: Path | None
    length_s: float | None


def render(night: NightFigures, rejections: Sequence[tuple[str, str, str]], videos: Sequence[VideoCard]) -> str:
    """Return the page."""
    body = [
        f"<h1>Night {night.batch_id}</h1>",
        f"<p class=lead>{escape(headline(night))}</p>",
        "<p class=preview>Previews: made on the CPU by the embedded engines.</p>" if night.preview else "",
        '<ul class="figures">',
        *[f"<li><b>{escape(value)}</b><span>{escape(name)}</span></li>" for name, value in key_figures(night)],
        "</ul>",
        f"<p>{escape(outcome_words(night).capitalize())}. {escape(efficiency_words(night))}</p>",
        _videos(videos),
        _bars(night),
        *[_table(grid) for grid in grids(night)],
        _table(Grid("Rejection rates", "", ("stage", "paintings or videos", "rate"), tuple(rejections))),
    ]
    return _SHELL.format(title=f"Night {night.batch_id}", body="\n".join(part for part in body if part))


def _videos(videos: Sequence[VideoCard]) -> str:
    if not videos:
        return ""
    cards = []
    for video in videos:
        picture = _picture(video)
        length = "" if video.length_s is None else f" · {minutes(video.length_s)}"
        cards.append(
            f'<li><a href="{escape(quote(video.link))}">{picture}'
            f"<span>{escape(video.title)}</span></a><small>{video.language.upper()}{length}</small></li>"
        )
    return '<h2>Videos</h2><ul class="videos">' + "".join(cards) + "</ul>"


def _picture(video: VideoCard) -> str:
    encoded = thumbnail_uri(video.thumbnail) if video.thumbnail is not None else None
    if encoded is None:
        return '<span class="blank"></span>'
    return f'<img src="{encoded}" width="{THUMBNAIL_WIDTH_PX // 2}" alt="">'


def thumbnail_uri(path: Path) -> str | None:
    """Return a small copy of a picture as a data URI; None when it cannot be read."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.thumbnail((THUMBNAIL_WIDTH_PX, THUMBNAIL_WIDTH_PX * 3))
            buffer = io.BytesIO()
            image.convert("RGB").save(buffer, "JPEG", quality=78)
    except (OSError, UnidentifiedImageError):
        return None
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _bars(night: NightFigures) -> str:
    """Draw the steps' compute and wait side by side: what a table of numbers hides."""
    total = max((step.share.wall_s for step in night.steps), default=0.0)
    if total <= 0:
        return ""
    row_px, label_px, width_px = 24, 120, 640
    rows = []
    for index, step in enumerate(night.steps):
        y = index * row_px
        compute = step.share.compute_s / total * (width_px - label_px - 70)
        wait = step.share.wait_s / total * (width_px - label_px - 70)
        kind = "card" if step.on_card else "cpu"
        rows.append(
            f'<text x="{label_px - 8}" y="{y + 16}" text-anchor="end">{escape(step.name)}</text>'
            f'<rect class="{kind}" x="{label_px}" y="{y + 4}" width="{max(1.0, compute):.1f}" height="16">'
            f"<title>{escape(step.name)}: {minutes(step.share.compute_s)} compute</title></rect>"
            f'<rect class="wait" x="{label_px + compute:.1f}" y="{y + 4}" width="{wait:.1f}" height="16">'
            f"<title>{escape(step.name)}: {minutes(step.share.wait_s)} wait</title></rect>"
            f'<text x="{label_px + compute + wait + 6:.1f}" y="{y + 16}">{minutes(step.share.wall_s)}</text>'
        )
    height = len(night.steps) * row_px + 4
    legend: Mapping[str, str] = {"card": "on a card", "wait": "card idle before a prompt", "cpu": "on the CPU"}
    keys = "".join(f'<span class="key {name}"></span>{text} ' for name, text in legend.items())
    return (
        f'<h2>Where the time went</h2><p class="legend">{keys}</p><div class="wide">'
        f'<svg viewBox="0 0 {width_px} {height}" role="img" aria-label="Time by step">{"".join(rows)}</svg></div>'
    )


def _table(grid: Grid) -> str:
    def row(values: Sequence[str], tag: str) -> str:
        cells = [
            f"<{tag}{' class=n' if index >= grid.numeric_from else ''}>{escape(value)}</{tag}>"
            for index, value in enumerate(values)
        ]
        return "<tr>" + "".join(cells) + "</tr>"

    lead = f"<p>{escape(grid.lead)}</p>" if grid.lead else ""
    rows = "".join(row(values, "td") for values in grid.rows)
    return (
        f"<h2>{escape(grid.title)}</h2>{lead}"
        f'<div class="wide"><table><thead>{row(grid.columns, "th")}</thead><tbody>{rows}</tbody></table></div>'
    )


_SHELL = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --paper: #fbf8f1; --ink: #2a241c; --soft: #776c5c; --line: #e2d9c8; --gold: #b5831e;
  --idle: #d9593d; --cpu: #6d8aa3; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --paper: #191612; --ink: #efe7d8; --soft: #a4977f; --line: #37301f; --gold: #d9a83f; }}
}}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }}
h1 {{ font: 600 2.2rem/1.1 Georgia, serif; margin: 0; }}
h2 {{ font: 600 1.25rem/1.3 Georgia, serif; margin: 2.2rem 0 .5rem; }}
.lead, .legend, small, td small {{ color: var(--soft); }}
.preview {{ display: inline-block; border: 1px solid var(--gold); border-radius: 4px; padding: .1rem .6rem;
  margin: 0; }}
.figures {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; padding: 0; }}
.figures li {{ list-style: none; border: 1px solid var(--line); border-radius: 8px; padding: .7rem .9rem; }}
.figures b {{ display: block; font: 600 1.6rem/1.2 Georgia, serif; color: var(--gold); }}
.figures span {{ color: var(--soft); font-size: .85rem; }}
.videos {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr)); gap: 1rem; padding: 0; }}
.videos li {{ list-style: none; }}
.videos a {{ color: inherit; text-decoration: none; display: block; }}
.videos img, .videos .blank {{ display: block; width: 100%; aspect-ratio: 9 / 16; object-fit: cover; border-radius: 8px;
  background: var(--line); }}
.videos span {{ display: block; font-size: .85rem; line-height: 1.25; margin-top: .35rem; overflow-wrap: anywhere; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; width: 100%; font-size: .92rem; }}
th, td {{ text-align: left; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere; }}
th {{ color: var(--soft); font-weight: 600; white-space: nowrap; }}
.n {{ text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }}
svg {{ width: 100%; min-width: 32rem; font: 12px system-ui, sans-serif; }}
svg text {{ fill: currentColor; }}
rect.card, .key.card {{ fill: var(--gold); background: var(--gold); }}
rect.wait, .key.wait {{ fill: var(--idle); background: var(--idle); }}
rect.cpu, .key.cpu {{ fill: var(--cpu); background: var(--cpu); }}
.key {{ display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin: 0 .3em 0 .9em; }}
.key:first-child {{ margin-left: 0; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""
