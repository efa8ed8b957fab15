"""The style of the contact sheet's page, for a wide window and a phone. It loads nothing from anywhere."""

from __future__ import annotations

STYLE = """\
:root { color-scheme: light dark; --paper: #fbf8f1; --card: #fffdf8; --ink: #2a241c; --soft: #776c5c; --line: #e2d9c8;
  --gold: #a87714; --good: #2f8f52; --bad: #c2492d; --near: #f0dfb4; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #191612; --card: #221e18; --ink: #efe7d8; --soft: #a4977f; --line: #37301f; --gold: #d9a83f;
    --good: #5cc283; --bad: #ee7a5c; --near: #54451d; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 92rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font: 600 2.1rem/1.1 Georgia, serif; margin: 0 0 .6rem; }
h2 { font: 600 1.1rem/1.25 Georgia, serif; margin: 0 0 .35rem; }
p { margin: .35rem 0; max-width: 52rem; }
ul { margin: .35rem 0; padding: 0 0 0 1.1rem; }
code { font-size: .92em; }
.lead, small, .facts, .note, .differ { color: var(--soft); }
.figures { display: flex; flex-wrap: wrap; gap: .75rem; padding: 0; margin: 1rem 0; }
.figures li { list-style: none; flex: 0 1 9rem; border: 1px solid var(--line); border-radius: 8px; padding: .5rem .9rem;
  background: var(--card); }
.figures b { display: block; font: 600 1.6rem/1.2 Georgia, serif; color: var(--gold); }
.figures span { color: var(--soft); font-size: .85rem; }
input[name=show] { position: absolute; opacity: 0; }
input[name=show] + label { display: inline-block; margin: .8rem .3rem 1rem 0; padding: .2rem .8rem; cursor: pointer;
  border: 1px solid var(--line); border-radius: 99px; background: var(--card); }
input[name=show]:checked + label { border-color: var(--gold); color: var(--gold); }
input[name=show]:focus-visible + label { outline: 2px solid var(--gold); }
#show-accepted:checked ~ main article:not(.accepted), #show-down:checked ~ main article:not(.turned-down),
#show-close:checked ~ main article:not(.close) { display: none; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 27rem), 1fr)); gap: 1rem;
  align-items: start; }
article { display: grid; grid-template-columns: 9.5rem 1fr; gap: .7rem 1rem; padding: .9rem; background: var(--card);
  border: 1px solid var(--line); border-left: 5px solid var(--bad); border-radius: 10px; }
article.accepted { border-left-color: var(--good); }
article > img, .blank { width: 100%; max-height: 15rem; object-fit: contain; object-position: top; border-radius: 4px; }
.blank { display: grid; place-items: center; aspect-ratio: 1; background: var(--line); color: var(--soft); }
.badge { display: inline-block; margin-right: .4rem; padding: 0 .55rem; border-radius: 99px; font-size: .85rem;
  color: var(--card); background: var(--bad); }
.accepted .badge { background: var(--good); }
.badge.near, .accepted .badge.near { color: var(--ink); background: var(--near); }
.facts { font-size: .82rem; }
.note, .differ { font-size: .88rem; }
.reasons { font-size: .92rem; }
.tip { font-size: .92rem; color: var(--gold); }
.bars { grid-column: 1 / -1; font-size: .82rem; border-top: 1px solid var(--line); padding-top: .5rem; }
.row { display: grid; grid-template-columns: 8rem minmax(3rem, 1fr) 4.6rem 5.6rem; gap: .6rem; align-items: center; }
.row b { font-weight: 400; text-align: right; font-variant-numeric: tabular-nums; }
.row small { font-size: 1em; }
.row.failed span, .row.failed b { color: var(--bad); font-weight: 600; }
.row.nearest { background: linear-gradient(90deg, transparent, var(--near)); border-radius: 4px; }
.bar { position: relative; height: .55rem; border-radius: 3px; background:
  linear-gradient(90deg, var(--line) 44%, var(--near) 44% 56%, var(--line) 56%); }
.bar::after { content: ""; position: absolute; left: 50%; top: -.1rem; bottom: -.1rem; width: 1px;
  background: var(--soft); }
.bar.none { visibility: hidden; }
.bar i { position: absolute; top: -.12rem; width: .8rem; height: .8rem; margin-left: -.4rem; border-radius: 50%;
  background: var(--good); z-index: 1; }
.row.failed .bar i { background: var(--bad); }
@media (max-width: 34rem) {
  .figures { gap: .5rem; }
  .figures li { flex: 1 1 5rem; padding: .4rem .6rem; }
  article { grid-template-columns: 7rem 1fr; padding: .7rem; }
  .row { grid-template-columns: 7.2rem minmax(2.5rem, 1fr) 4rem 4.6rem; gap: .4rem; font-size: .95em; }
}
@media print { input[name=show] + label { display: none; } article { break-inside: avoid; } }
"""
