"""The local view's page."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="30">
<title>{{ board.title }}</title>
<style>
:root { --line: #d9d9de; --ink-soft: #55555c; --accent: #2f6db5; --card: #fff; --ground: #f4f4f6; --ink: #1c1c20;
        --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3a3a42; --ink-soft: #a9a9b3; --accent: #7fb0ea; --card: #1d1d22; --ground: #131317;
          --ink: #ececf1; --bad: #ff8a80; }
}
body { margin: 0; padding: 1rem 1.5rem; background: var(--ground); color: var(--ink);
       font: 15px/1.45 system-ui, sans-serif; }
header, nav { display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; align-items: baseline; }
h1 { font-size: 1.4rem; margin: 0 1rem 0 0; }
h2 { font-size: 1.1rem; margin: 1.5rem 0 .5rem; }
h3 { font-size: .95rem; margin: 0; }
a { color: var(--accent); }
a[aria-current] { color: inherit; font-weight: 600; text-decoration: none; }
.row { display: grid; grid-template-columns: repeat(24, minmax(0, 1fr)); gap: .75rem; }
.panel { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .6rem .75rem; }
.panel svg { max-width: 100%; height: auto; }
.panel p, .quiet { margin: .1rem 0 .4rem; color: var(--ink-soft); font-size: .82rem; }
.number { font-size: 1.7rem; line-height: 1.2; }
.number small { font-size: .8rem; color: var(--ink-soft); display: block; }
.bad { color: var(--bad); }
table { border-collapse: collapse; font-size: .82rem; }
td { padding: .1rem .75rem .1rem 0; }
td + td { text-align: right; font-variant-numeric: tabular-nums; }
summary { font-size: .82rem; cursor: pointer; color: var(--ink-soft); }
@media (max-width: 60rem) { .panel { grid-column: span 24 !important; } }
</style>
</head>
<body>
<header>
<h1>{{ board.title }}</h1>
<nav aria-label="Dashboards">
{% for each, title in boards.items() %}<a href="/{{ each }}?hours={{ hours }}"
{%- if each == name %} aria-current="page"{% endif %}>{{ title }}</a>
{% endfor %}</nav>
<nav aria-label="Time">
{% for each, title in choices %}<a href="/{{ name }}?hours={{ each }}"
{%- if each == hours %} aria-current="true"{% endif %}>{{ title }}</a>
{% endfor %}</nav>
<span class="quiet">until {{ until }}; drawn anew every half minute</span>
</header>
{% if problem %}<p class="bad" role="alert">{{ problem }}</p>{% endif %}
{% if alerts %}<section aria-label="Alerts"><h2>Alerts</h2><ul>
{% for each in alerts %}<li><strong class="{{ 'bad' if each.state == 'firing' }}">{{ each.name }}</strong>
({{ each.severity }}, {{ each.state }}): {{ each.summary }} <span class="quiet">{{ each.runbook }}</span></li>
{% endfor %}</ul></section>{% endif %}
<main>
{% if not problem %}{% for row in board.rows %}<section><h2>{{ row.title }}</h2><div class="row">
{% for panel in row.panels %}{% set found = answer(panel) %}
<article class="panel" style="grid-column: span {{ panel.width }}">
<h3>{{ panel.title }}</h3><p>{{ panel.description }}</p>
{% if found.problem %}<p class="bad">{{ found.problem }}</p>
{% elif not found.lines %}<p>Nothing yet.</p>
{% elif panel.shape == "number" %}{% for line in found.lines %}{% set value = line.values[-1][1] %}
<div class="number{% if panel.limit is not none and value > panel.limit %} bad{% endif %}">{{ text(value, panel.unit) }}
{% if found.lines | length > 1 %}<small>{{ line.name }}</small>{% endif %}</div>{% endfor %}
{% else %}{{ drawn(found) }}
<details><summary>Newest values</summary><table>
{% for line in found.lines %}<tr><td>{{ line.name }}</td><td>{{ text(line.values[-1][1], panel.unit) }}</td></tr>
{% endfor %}</table></details>{% endif %}
</article>{% endfor %}
</div></section>
{% endfor %}{% endif %}</main>
</body>
</html>
"""
