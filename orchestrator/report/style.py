"""The style of the page, for a wide window, a phone in the morning, and paper. It loads nothing from anywhere."""

from __future__ import annotations

STYLE = """\
:root { color-scheme: light dark; --paper: #fbf8f1; --ink: #2a241c; --soft: #776c5c; --line: #e2d9c8; --gold: #a87714;
  --idle: #d9593d; --cpu: #6d8aa3; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #191612; --ink: #efe7d8; --soft: #a4977f; --line: #37301f; --gold: #d9a83f; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 62rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font: 600 2.2rem/1.1 Georgia, serif; margin: 0 0 .6rem; }
h2 { font: 600 1.25rem/1.3 Georgia, serif; margin: 2.4rem 0 .5rem; }
p { margin: .5rem 0; max-width: 46rem; }
.lead, .legend, small { color: var(--soft); }
.preview { display: inline-block; border: 1px solid var(--gold); border-radius: 4px; padding: .1rem .6rem; }
ul { padding: 0; margin: 1rem 0; }
li { list-style: none; }
.figures { display: flex; flex-wrap: wrap; gap: .75rem; }
.figures li { flex: 1 1 9rem; border: 1px solid var(--line); border-radius: 8px; padding: .7rem .9rem; }
.figures b { display: block; font: 600 1.6rem/1.2 Georgia, serif; color: var(--gold); white-space: nowrap; }
.figures span { color: var(--soft); font-size: .85rem; }
.videos { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr)); gap: 1rem; }
.videos a { color: inherit; text-decoration: none; display: block; }
.videos img, .videos .blank { display: block; width: 100%; aspect-ratio: 9 / 16; object-fit: cover; border-radius: 8px;
  background: var(--line); }
.videos span:not(.blank) { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 4; overflow: hidden;
  font-size: .85rem; line-height: 1.25; margin-top: .35rem; overflow-wrap: anywhere; }
.bars { display: grid; grid-template-columns: max-content 1fr; gap: .35rem .75rem; font-size: .92rem; }
.bars b { font-weight: 400; }
.bars div { display: flex; align-items: center; min-width: 0; margin-right: 5.5rem; }
.bars i { height: 1rem; min-width: 1px; flex: none; }
.bars span { margin-left: .5rem; white-space: nowrap; }
i.card, .key.card { background: var(--gold); }
i.wait, .key.wait { background: var(--idle); }
i.cpu, .key.cpu { background: var(--cpu); }
.legend span { white-space: nowrap; margin-right: .9rem; }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .35em; }
.wide { overflow-x: auto; }
.scripts summary { cursor: pointer; padding: .25rem 0; }
.scripts p, .scripts ol { margin: .3rem 0 .8rem 1.1rem; max-width: 44rem; }
.scripts q { color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; }
th { color: var(--soft); font-weight: 600; }
td { unicode-bidi: isolate; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.name { white-space: nowrap; }
.text { min-width: 9rem; overflow-wrap: anywhere; }
tr > .number:first-child { text-align: left; }
table:not(.sentences) tr > :first-child { position: sticky; left: 0; background: var(--paper); }
@media (max-width: 44rem) {
  table.sentences, table.sentences tbody { display: block; }
  table.sentences thead { display: none; }
  table.sentences tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--line); }
  table.sentences td { display: inline; padding: 0; border: 0; text-align: left; white-space: normal; }
  table.sentences td:not(:empty):not(:first-child)::before { content: " · "; color: var(--soft); }
  table.sentences td.number:first-child::before { content: "item "; color: var(--soft); }
}
@media print { body { max-width: none; } h2 { break-after: avoid; } tr { break-inside: avoid; } }
"""
