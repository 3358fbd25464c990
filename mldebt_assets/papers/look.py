"""How the papers look: one small style sheet for screens, light and dark, and for print."""

CSS = """
:root {
  color-scheme: light dark;
  --ink: #1b1f24; --soft: #59636e; --line: #d9dee3; --paper: #ffffff; --tint: #f4f6f8;
  --accent: #0b5cad;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6e9ec; --soft: #9aa4ae; --line: #353c44; --paper: #14181c; --tint: #1d2329;
    --accent: #6cb0f5;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 60rem; padding: 2.5rem 1.25rem 4rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
}
header { border-left: 4px solid var(--accent); padding-left: 1rem; }
.kind {
  margin: 0; color: var(--accent); font-size: .8rem; font-weight: 600;
  letter-spacing: .06em; text-transform: uppercase;
}
h1 { margin: .1rem 0 .3rem; font-size: 1.9rem; line-height: 1.2; }
.lead { margin: 0; color: var(--soft); font-size: 1.1rem; }
h2 {
  margin: 2.4rem 0 .7rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line);
  font-size: 1.2rem;
}
.figures {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .75rem;
  margin: 1.6rem 0 0;
}
.figures div { background: var(--tint); border-radius: 6px; padding: .7rem .9rem; }
.figures dt { color: var(--soft); font-size: .8rem; }
.figures dd { margin: 0; font-size: 1.2rem; font-weight: 600; overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: .6rem 0 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td {
  padding: .38rem .75rem .38rem 0; border-bottom: 1px solid var(--line);
  text-align: left; vertical-align: top;
}
thead th { color: var(--soft); font-weight: 600; white-space: nowrap; }
.facts th { width: 13rem; color: var(--soft); font-weight: 500; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
code {
  font: .86em/1.4 ui-monospace, SFMono-Regular, Menlo, "Liberation Mono", monospace;
  white-space: nowrap;
}
.facts code { white-space: normal; overflow-wrap: anywhere; }
ul { padding-left: 1.2rem; } li { margin: .25rem 0; }
@media (max-width: 40rem) { .facts th { width: 8rem; } }
@media print {
  :root {
    --ink: #000; --soft: #444; --line: #bbb; --paper: #fff; --tint: #f2f2f2; --accent: #000;
  }
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2 { break-after: avoid; } tr, .figures div { break-inside: avoid; }
}
"""
