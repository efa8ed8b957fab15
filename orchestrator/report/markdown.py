"""The execution report as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.cells import cell_len

from orchestrator.report.figures import NightFigures
from orchestrator.report.tables import Grid, Kind
from orchestrator.report.words import efficiency_words, headline, key_figures, outcome_words
from orchestrator.wording import one_line

WIDEST = 60  # cells wider than that do not widen their column
_EDGE_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")  # inside a word it is no mark


def render(night: NightFigures, tables: Sequence[Grid]) -> str:
    """Return the report, with a line break at its end."""
    lines = [f"# Execution report, night {night.batch_id}", "", cell(headline(night)), ""]
    if night.preview:
        lines += ["Previews: made on the CPU by the embedded engines.", ""]
    lines += [" · ".join(f"**{value}** {name}" for name, value in key_figures(night)), ""]
    lines += [outcome_words(night), "", efficiency_words(night), ""]
    for grid in tables:
        lines += [f"## {grid.title}", ""]
        if grid.lead:
            lines += [grid.lead, ""]
        lines += _table(grid)
    return "\n".join(lines).rstrip("\n") + "\n"


def _table(grid: Grid) -> list[str]:
    """Return a table whose columns also line up where nobody turns the Markdown into a page."""
    rows = [[name for name, _ in grid.columns], *([cell(value) for value in row] for row in grid.rows)]
    widths = [max(3, *(min(WIDEST, cell_len(row[index])) for row in rows)) for index in range(len(grid.columns))]
    kinds = [kind for _, kind in grid.columns]
    rule = [
        "-" * (width + 1) + (":" if kind is Kind.NUMBER else "-") for width, kind in zip(widths, kinds, strict=True)
    ]
    lines = ["| " + " | ".join(_padded(*one) for one in zip(row, widths, kinds, strict=True)) + " |" for row in rows]
    return [lines[0], f"|{'|'.join(rule)}|", *lines[1:], ""]


def _padded(text: str, width: int, kind: Kind) -> str:
    missing = " " * max(0, width - cell_len(text))
    return missing + text if kind is Kind.NUMBER else text + missing


def cell(text: str) -> str:
    r"""Return text that a table cell shows letter for letter.

    >>> cell("a|b *c* <d> &amp;")
    'a\\|b \\*c\\* &lt;d> &amp;amp;'
    >>> cell("clean_pic, _new_")
    'clean_pic, \\_new\\_'
    """
    flat = one_line(text)
    for mark in ("\\", "|", "*", "`", "[", "]", "~"):
        flat = flat.replace(mark, "\\" + mark)
    return _EDGE_UNDERSCORE.sub(r"\_", flat).replace("&", "&amp;").replace("<", "&lt;")
