import { createHash } from 'node:crypto'

/** The one style sheet, within each page: dark where the reader's system is, readable at the width of a phone. */
export const style = `
:root {
  color-scheme: light dark;
  --text: #1c2128; --dim: #55606d; --back: #ffffff; --soft: #f3f5f7; --line: #cbd2da; --link: #0a53be;
  --green: #11602b; --green-back: #dcf5e3; --red: #97151a; --red-back: #fde3e2; --orange: #7c3500; --orange-back: #ffe8d4;
  --yellow: #5f4700; --yellow-back: #fff1c2; --blue: #12419a; --blue-back: #dfeafd; --grey: #414b57; --grey-back: #e6eaee;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #dfe4ea; --dim: #a3adb9; --back: #14181d; --soft: #1d232a; --line: #3a444f; --link: #82b4ff;
    --green: #a6ecb9; --green-back: #12391f; --red: #ffc0bd; --red-back: #551a1b; --orange: #ffc99e; --orange-back: #4d2a0c;
    --yellow: #f5dc8c; --yellow-back: #413405; --blue: #b5d1ff; --blue-back: #173463; --grey: #c8d0d9; --grey-back: #303943;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 72rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); overflow-wrap: anywhere; }
header { display: flex; flex-wrap: wrap; gap: 0 .5rem; color: var(--dim); }
header nav::before { content: "/" / ""; margin-right: .5rem; }
h1 { margin: .25rem 0 1rem; font-size: 1.5rem; line-height: 1.3; }
h2 { margin: 2rem 0 .5rem; font-size: 1.15rem; }
a { color: var(--link); }
a:focus-visible, [tabindex]:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
code, pre, td, dd, bdi { unicode-bidi: isolate; }
code, pre { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: .9em; }
pre { margin: .5rem 0; padding: .75rem; white-space: pre-wrap; background: var(--soft); border: 1px solid var(--line); border-radius: .25rem; tab-size: 8; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 0; }
dt { color: var(--dim); }
dd { margin: 0; }
ol.story { margin: 0; padding: 0; list-style: none; }
ol.story time { color: var(--dim); font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .35rem .75rem .35rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
thead th { color: var(--dim); font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 400; }
.runs th:first-child { min-width: 9rem; }
.runs td:nth-child(4) { min-width: 8rem; }
.runs td:nth-child(5) { min-width: 12rem; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
.verdict { display: inline-block; padding: 0 .5em; border-radius: .25rem; white-space: nowrap; color: var(--grey); background: var(--grey-back); }
.passed { color: var(--green); background: var(--green-back); }
.failed, .timed-out { color: var(--red); background: var(--red-back); }
.errored { color: var(--orange); background: var(--orange-back); }
.not-applied { color: var(--yellow); background: var(--yellow-back); }
.running { color: var(--blue); background: var(--blue-back); }
@media (max-width: 40rem) {
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .5rem; }
  .runs thead { position: absolute; clip-path: inset(50%); }
  .runs tr { display: flex; flex-wrap: wrap; gap: 0 .75rem; padding: .35rem 0; border-bottom: 1px solid var(--line); }
  .runs tbody th, .runs td { padding: 0; border: 0; }
  .runs tbody th, .runs td:nth-child(n+4) { flex-basis: 100%; }
  .runs td:empty { display: none; }
  .runs td:nth-child(4)::before { content: "needs "; color: var(--dim); }
}
`

/** What the Content-Security-Policy says of it: no other style is applied, whatever a page holds. */
export const styleSource = `'sha256-${createHash('sha256').update(style).digest('base64')}'`
