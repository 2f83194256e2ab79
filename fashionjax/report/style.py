"""The look of the page, in its own colours for light and for dark."""

from fashionjax.report.theme import DARK, LIGHT, Theme


def _variables(theme: Theme, page: str) -> str:
    return (
        f"--page:{page};--surface:{theme.surface};--ink:{theme.ink};"
        f"--muted:{theme.muted};--line:{theme.grid};--accent:{theme.series[0]};"
    )


STYLE = (
    f"""
:root {{ {_variables(LIGHT, "#f6f6f7")} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_variables(DARK, "#111113")} }} }}
"""
    + """
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 1120px; margin: 0 auto; padding: 40px 20px 80px; }
h1 { font-size: 30px; line-height: 1.2; letter-spacing: -.02em; margin: 0 0 4px;
  overflow-wrap: anywhere; }
h2 { font-size: 20px; letter-spacing: -.01em; margin: 0 0 2px; }
section { margin-top: 48px; }
.note { color: var(--muted); margin: 0 0 16px; }
.cards { display: grid; gap: 12px; margin: 20px 0 12px;
  grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); }
.card, .facts, .charts figure, .panels figure, .scroll, pre, details {
  background: var(--surface); border: 1px solid var(--line); border-radius: 10px; }
.card { padding: 14px 16px; display: flex; flex-direction: column; }
.card .name { font-weight: 600; font-size: 13px; }
.card .value { font-size: 26px; font-weight: 650; letter-spacing: -.02em;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
.card .hint { color: var(--muted); font-size: 12px; line-height: 1.35; }
.facts { margin: 0; padding: 6px 16px; display: grid; column-gap: 32px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); }
.facts div { display: flex; gap: 12px; padding: 6px 0; }
.facts dt { color: var(--muted); flex: 0 0 120px; }
.facts dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
.command { color: var(--muted); margin: 14px 0 4px; }
pre { margin: 0; padding: 10px 16px; white-space: pre-wrap; overflow-wrap: anywhere;
  font: 13px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
figure { margin: 0; }
img { display: block; max-width: 100%; height: auto; }
.charts { display: grid; gap: 12px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); }
.charts figure { padding: 14px 14px 8px; }
.charts figcaption { font-weight: 600; margin-bottom: 6px; }
.charts img { width: 100%; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 6px 18px;
  margin: 0 0 14px; padding: 0; }
.chip { display: inline-block; width: 13px; height: 13px; border-radius: 4px;
  margin-right: 8px; vertical-align: -1px; flex: none;
  box-shadow: inset 0 0 0 1px rgba(128, 128, 128, .55); }
.panels { display: grid; gap: 12px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 340px), 1fr)); }
.panels figure { padding: 8px; }
.triple { display: grid; grid-template-columns: repeat(3, 1fr); gap: 4px; }
.triple img { width: 100%; border-radius: 5px; }
.panels figcaption { display: flex; flex-wrap: wrap; justify-content: space-between;
  gap: 0 12px; color: var(--muted); font-size: 12px; padding: 6px 2px 0; }
.panels figcaption span:first-child { color: var(--ink); overflow-wrap: anywhere; }
.scroll { overflow-x: auto; padding: 6px 16px; }
table { border-collapse: collapse; width: 100%; min-width: 480px; }
th, td { text-align: left; padding: 7px 16px 7px 0; border-top: 1px solid var(--line);
  font-weight: 400; font-variant-numeric: tabular-nums; }
thead th { color: var(--muted); font-size: 13px; border-top: 0; }
tbody th { white-space: nowrap; }
td .number { display: inline-block; width: 62px; text-align: right;
  margin-right: 12px; }
td .bar { display: inline-block; width: calc(100% - 80px); height: 7px;
  border-radius: 4px; background: var(--line); vertical-align: 1px; }
td .bar b { display: block; height: 100%; border-radius: 4px;
  background: var(--accent); }
.matrix { padding: 14px; }
.matrix img { width: 680px; margin: 0 auto; }
.matrix.wide img { width: 100%; min-width: 1000px; max-width: none; }
details { margin-top: 48px; padding: 12px 16px; }
summary { cursor: pointer; font-weight: 600; }
.metrics { min-width: 0; max-width: 480px; margin-top: 8px; }
@media (max-width: 600px) {
  main { padding: 24px 12px 60px; }
  h1 { font-size: 24px; }
  .cards { grid-template-columns: repeat(2, 1fr); }
  .facts div { flex-direction: column; gap: 0; }
  .facts dt { flex: none; font-size: 13px; }
  th, td { padding-right: 10px; }
  td .bar { display: none; }
  table { min-width: 0; }
}
"""
)
