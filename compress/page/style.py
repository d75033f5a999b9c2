"""The page's style: light or dark as its reader prefers, one column on a telephone, dark letters on paper.

Amber is the teacher and green what was made of it: two colours that are told apart by people who do not tell red
from green, and each has a mark of its own.
"""

STYLE = """
:root { color-scheme: light; --page: #f6f8fa; --paper: #ffffff; --ink: #0f172a; --soft: #52606f;
  --rule: #e3e8ee; --student: #0f766e; --teacher: #b45309; --plain: #64748b; --wash: #f1f5f4; }
@media screen and (prefers-color-scheme: dark) { :root { color-scheme: dark; --page: #0b1220; --paper: #111c30;
  --ink: #eef2f7; --soft: #a9b6c8; --rule: #26344b; --student: #2dd4bf; --teacher: #fbbf24; --plain: #94a3b8;
  --wash: #16233a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); overflow-wrap: anywhere;
  font: 16px/1.55 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 36px 20px 56px; }
h1, h2, h3, p, ul, figure, dl, dd, pre { margin: 0; padding: 0; }
h1 { font-size: 1.9rem; line-height: 1.25; letter-spacing: -0.02em; font-weight: 680; text-wrap: balance; }
h2 { font-size: 1.2rem; letter-spacing: -0.01em; margin: 40px 0 4px; text-wrap: balance; }
h3 { font-size: 0.98rem; line-height: 1.35; }
.over { font-size: 0.76rem; font-weight: 620; text-transform: uppercase; letter-spacing: 0.08em; color: var(--soft); }
.lead { color: var(--soft); max-width: 46rem; }
.hero { display: grid; gap: 12px; }
.hero .line { display: flex; align-items: center; gap: 12px; flex-wrap: wrap; }
.pill { display: inline-block; padding: 3px 11px; border-radius: 999px; color: #fff; font-weight: 650;
  font-size: 0.7rem; letter-spacing: 0.06em; text-transform: uppercase; white-space: nowrap; }
.hero .pill { font-size: 0.84rem; padding: 5px 15px; }
.pass { background: #0b7a4b; } .fail { background: #b3261e; } .inconclusive { background: #8a5a00; }
.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: 14px; margin-top: 26px; }
.tile { background: var(--paper); border: 1px solid var(--rule); border-radius: 14px; padding: 15px 18px 16px; }
.tile b { display: block; font-size: 1.75rem; line-height: 1.25; letter-spacing: -0.02em; font-weight: 680;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
.tile p { font-size: 0.86rem; line-height: 1.4; color: var(--soft); }
.tile p.over { font-size: 0.72rem; }
.grid { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; }
.card { background: var(--paper); border: 1px solid var(--rule); border-radius: 14px; padding: 16px 18px; }
figcaption { font-size: 0.86rem; line-height: 1.45; color: var(--soft); }
figure svg { display: block; width: 100%; height: auto; margin-top: 12px; }
figcaption { margin-top: 6px; }
.sheet { background: var(--paper); border: 1px solid var(--rule); border-radius: 14px; overflow: hidden; }
section > * + * { margin-top: 14px; } section > h2 + * { margin-top: 6px; }
section > h2 + .lead { margin-top: 2px; } section > h3 { margin-top: 22px; }
table { width: 100%; border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums;
  overflow-wrap: break-word; }
th, td { text-align: left; padding: 9px 14px; border-top: 1px solid var(--rule); vertical-align: top; }
thead th { border-top: 0; font-weight: 600; color: var(--soft); font-size: 0.8rem; vertical-align: bottom; }
thead th.n { white-space: normal; }
tbody th { font-weight: 500; min-width: 6.5em; overflow-wrap: anywhere; }
#gates tbody th { min-width: 11.5em; }
.n { text-align: right; white-space: nowrap; }
tr.best > * { font-weight: 680; background: var(--wash); }
small { color: var(--soft); font-weight: 400; font-size: 0.92em; }
.list { padding-left: 38px; } li { margin: 4px 0; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 6px 20px; font-size: 0.92rem; }
.facts dt { color: var(--soft); } .facts dd { white-space: pre-line; min-width: 0; }
code, pre { font: 0.86em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { columns: 22rem 2; column-gap: 36px; white-space: pre-wrap; padding: 14px 16px; background: var(--wash);
  border-radius: 10px; }
footer { margin-top: 36px; font-size: 0.84rem; color: var(--soft); }

svg { font: 12.5px ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
svg text { fill: var(--ink); font-variant-numeric: tabular-nums; }
svg .soft, svg .tick { fill: var(--soft); font-size: 11.5px; }
svg .figure { font-size: 12px; }
svg .best { font-weight: 680; }
svg .teacher { --c: var(--teacher); } svg .student { --c: var(--student); } svg .plain { --c: var(--plain); }
svg .rule { stroke: var(--rule); }
svg .right-line { stroke: var(--soft); stroke-width: 1.5; stroke-dasharray: 1.5 5; stroke-linecap: round; }
svg .kept { stroke: var(--soft); stroke-dasharray: 4 4; }
svg .path { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; }
svg .path.teacher { stroke-dasharray: 6 4; }
svg .interval { stroke: var(--c); stroke-width: 2; stroke-linecap: round; }
svg .thin { stroke: var(--c); stroke-width: 1.5; }
svg .half { fill: var(--c); fill-opacity: 0.35; }
svg .mark { fill: var(--c); stroke: var(--paper); stroke-width: 1.2; }
svg .bubble { fill: var(--c); fill-opacity: 0.13; stroke: var(--c); stroke-width: 1.4; }
svg .bubble.ships { fill-opacity: 0.38; stroke-width: 2; }
svg .dots { fill: none; stroke: var(--c); stroke-width: 4.5; stroke-opacity: 0.6; stroke-linecap: round; }
svg .dots.teacher { stroke-linecap: square; stroke-width: 3.6; }
svg .core { fill: var(--c); }
svg .leader { stroke: var(--soft); stroke-width: 0.8; }
svg .cell { fill: var(--c); }

@media screen and (max-width: 760px) {
  main { padding: 24px 14px 40px; }
  h1 { font-size: 1.35rem; }
  .tiles { grid-template-columns: repeat(2, 1fr); gap: 10px; }
  .tile { padding: 12px 14px; } .tile b { font-size: 1.4rem; }
  .grid { grid-template-columns: minmax(0, 1fr); }
  .card { padding: 14px 12px; } .list { padding-left: 30px; }
  .facts { grid-template-columns: 1fr; gap: 0; } .facts dd { margin-bottom: 8px; }
  thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  tbody, tr, tbody th, td { display: block; }
  tr { padding: 10px 14px; border-top: 1px solid var(--rule); } tbody tr:first-child { border-top: 0; }
  tr.best { background: var(--wash); }
  th, td { border: 0; padding: 1px 0; }
  tbody th { font-weight: 650; }
  td { display: flex; justify-content: space-between; gap: 16px; text-align: right; white-space: normal; }
  td:empty { display: none; }
  td[data-head]::before { content: attr(data-head); color: var(--soft); text-align: left; font-weight: 400; }
  td.wide { display: block; text-align: left; } td.wide::before { content: none; }
}
@media print {
  @page { margin: 14mm; }
  html { font-size: 9.5pt; } table { font-size: 0.8rem; }
  body { background: #fff; font-size: 1rem; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { padding: 0; max-width: none; }
  th, td { padding: 5px 8px; } .tile, .card { padding: 10px 12px; } .list { padding-left: 30px; }
  pre { columns: 14rem 3; font-size: 0.75rem; }
  h2 { break-after: avoid; margin-top: 22px; } .lead { break-after: avoid; break-inside: avoid; }
  figure, .tile, tr, .card, .sheet, pre { break-inside: avoid; } h3 { break-after: avoid; }
}
"""
