"""How the pages of drift and retraining look: light and dark, wide and narrow, on paper."""

from mldebt_assets.plots.look import COLOURS, GRID, INK, MUTED, PAPER, SHADE

# In the dark the colours are the lighter ones of the same palette: Okabe and Ito, 2008.
STYLE = f"""
:root {{ color-scheme: light dark; --paper: {PAPER}; --card: #FFFFFF; --ink: {INK};
  --muted: {MUTED}; --line: {GRID}; --shade: {SHADE}; --ok: {COLOURS["candidate"]};
  --warning: {COLOURS["incumbent"]}; --unknown: {COLOURS["baseline"]}; }}
@media (prefers-color-scheme: dark) {{ :root {{ --paper: #14191F; --card: #1C232B;
  --ink: #E7EBEF; --muted: #A3AEB9; --line: #323C47; --shade: #4A5763; --ok: #56B4E9;
  --warning: #E69F00; --unknown: #A9B2BB; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; max-width: 74rem; padding: 2.2rem 1.5rem 3rem; background: var(--paper);
  color: var(--ink); overflow-wrap: anywhere;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }}
p {{ margin: 0; }}
.label {{ color: var(--muted); font-size: .78rem; font-weight: 600; letter-spacing: .05em;
  text-transform: uppercase; }}
h1 {{ margin: .1rem 0 1rem; font-size: 1.9rem; line-height: 1.2; }}
h2 {{ margin: 0; font-size: 1.2rem; }}
h3 {{ margin: 0; font-size: .98rem; }}
.ok {{ --tone: var(--ok); }} .warning {{ --tone: var(--warning); }}
.unknown {{ --tone: var(--unknown); }}
.first {{ display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }}
.verdict, .decision {{ background: var(--card); border: 1px solid var(--line);
  border-left: .45rem solid var(--tone, var(--shade)); border-radius: .6rem;
  padding: .9rem 1.2rem 1rem; }}
.what {{ font-size: 1.45rem; font-weight: 700; line-height: 1.3; margin-bottom: .3rem; }}
.verdict .what {{ color: var(--tone); }}
.facts {{ display: flex; flex-wrap: wrap; gap: .3rem 2.2rem; margin: 1rem 0 0; }}
.facts dt {{ color: var(--muted); font-size: .8rem; }}
.facts dd {{ margin: 0; font-weight: 600; }}
section, details {{ margin-top: 2.2rem; }}
table {{ border-collapse: collapse; width: 100%; margin-top: .6rem; font-size: .9rem; }}
th, td {{ padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }}
th {{ white-space: nowrap; }}
.mark {{ color: var(--tone); font-weight: 650; white-space: nowrap; }}
.together {{ margin-top: .7rem; color: var(--muted); font-size: .9rem; }}
.heads {{ display: flex; flex-wrap: wrap; gap: .3rem 1.5rem; align-items: baseline;
  justify-content: space-between; }}
.key {{ color: var(--muted); font-size: .86rem; }}
.key i {{ display: inline-block; width: 1.3rem; height: .75rem; margin: 0 .15rem 0 .7rem; }}
.key .fill {{ background: var(--shade); }}
.key .line {{ border-top: 2px solid var(--warning); height: .35rem; }}
.cards {{ display: grid; gap: 1rem; margin-top: .8rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }}
article {{ background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  border-top: .25rem solid var(--tone); padding: .8rem 1rem; display: flex; flex-direction: column;
  gap: .5rem; break-inside: avoid; }}
.head {{ display: flex; gap: .8rem; justify-content: space-between; align-items: baseline; }}
.distance {{ font-weight: 700; white-space: nowrap; color: var(--tone);
  font-variant-numeric: tabular-nums; }}
svg {{ display: block; width: 100%; height: auto; overflow: visible; }}
svg text {{ fill: var(--muted); font-size: 11px; }}
svg .fill {{ fill: var(--shade); }}
svg .line {{ fill: none; stroke: var(--warning); stroke-width: 2; stroke-linejoin: round; }}
svg .axis {{ fill: none; stroke: var(--muted); stroke-width: 1; }}
svg .over {{ fill: var(--warning); }}
svg .under {{ fill: none; stroke: var(--muted); stroke-width: 1; }}
svg .limit {{ fill: none; stroke: var(--ink); stroke-width: 1; stroke-dasharray: 3 3; }}
.numbers {{ display: flex; flex-wrap: wrap; gap: .1rem .9rem; font-size: .82rem;
  font-variant-numeric: tabular-nums; }}
.numbers b {{ color: var(--muted); font-weight: 500; }}
.reason {{ margin-top: auto; color: var(--muted); font-size: .82rem; }}
summary {{ cursor: pointer; }} summary h2 {{ display: inline; }}
footer {{ margin-top: 2.2rem; color: var(--muted); font-size: .84rem; }}
@media print {{ :root {{ --paper: #FFF; --card: #FFF; --ink: #000; --muted: #444; }}
  body {{ padding: 0; max-width: none; font-size: 9pt; }} }}
"""
