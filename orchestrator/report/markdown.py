"""The execution report as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.report.figures import NightFigures
from orchestrator.report.words import efficiency_words, grids, headline, key_figures, outcome_words


def render(night: NightFigures, rejections: Sequence[tuple[str, str, str]]) -> str:
    """Return the report."""
    lines = [f"# Execution report, night {night.batch_id}", "", cell(headline(night)), ""]
    if night.preview:
        lines += ["Previews: made on the CPU by the embedded engines.", ""]
    lines += [" · ".join(f"**{value}** {name}" for name, value in key_figures(night)), ""]
    lines += [f"{outcome_words(night).capitalize()}.", "", efficiency_words(night), ""]
    for grid in grids(night):
        lines += [f"## {grid.title}", ""]
        if grid.lead:
            lines += [grid.lead, ""]
        lines += _table(grid.columns, grid.rows, grid.numeric_from)
    lines += ["## Rejection rates", "", *_table(("stage", "paintings or videos", "rate"), rejections, 1)]
    return "\n".join(lines)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], numeric_from: int) -> list[str]:
    rule = ["---:" if index >= numeric_from else "---" for index in range(len(columns))]
    table = ["| " + " | ".join(columns) + " |", "|" + "|".join(rule) + "|"]
    table += ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    return [*table, ""]


def cell(text: str) -> str:
    r"""Return text that a table cell shows letter for letter.

    >>> cell("a|b *c* <d>")
    'a\\|b \\*c\\* &lt;d>'
    """
    flat = " ".join(text.split())
    for mark in ("\\", "|", "*", "_", "`", "[", "]"):
        flat = flat.replace(mark, "\\" + mark)
    return flat.replace("<", "&lt;")
