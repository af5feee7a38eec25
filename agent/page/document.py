"""The page as HTML: the same bytes for everybody. What it shows comes as events, and
static/status.js puts it in as text.

1. Landmarks, one h1, a link that skips to the content, a caption for every table, a table beside
   every drawing.
2. No inline script, style or handler, and nothing from elsewhere.

It holds nothing of any gateway.
"""

_HEADINGS = {
    "streams": (
        "Streams: what was measured last",
        ("Stream", "Frequency", "ROCOF", "Heard after", "Its clock", "Says of itself"),
    ),
    "phasors": ("Phasors", ("Channel", "Magnitude", "Angle")),
    "sources": (
        "Sources: each line that is read",
        ("Source", "State", "Heard", "Sealed", "Opened", "Faults", "Trouble"),
    ),
    "clocks": ("Sources of time", ("Source", "Gateway is ahead by", "Within", "What became of it")),
    "gaps": ("Gaps that were stated, by cause", ("Cause", "Statements")),
    "receipts": (
        "What the record said last",
        ("Heard", "What", "Observations", "In the log at", "Worth"),
    ),
}


def _table(name: str) -> str:
    caption, headings = _HEADINGS[name]
    cells = "".join(f'<th scope="col">{one}</th>' for one in headings)
    return (
        f'<table id="{name}"><caption>{caption}</caption>'
        f"<thead><tr>{cells}</tr></thead><tbody></tbody></table>"
    )


def _drawing(name: str, title: str) -> str:
    return (
        f'<svg id="{name}" role="img" aria-labelledby="{name}-title">'
        f'<title id="{name}-title">{title}</title></svg>'
    )


HTML = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Gridseal gateway</title>
<link rel="stylesheet" href="static/status.css">
<link rel="icon" href="data:,">
<script src="static/status.js" type="module"></script>
</head>
<body>
<a href="#content" class="skip">Skip to the content</a>
<header><p class="brand">Gridseal <span>gateway</span></p><p id="utc"></p></header>
<main id="content">
<h1 id="gateway">Gateway</h1>
<p id="heard" role="status">Waiting for the gateway.</p>
<nav aria-label="On this page"><a href="#measured">Measured</a> <a href="#state">The gateway</a>
<a href="#receipts">Receipts</a> <a href="#sources">Sources</a></nav>
<noscript><p>This page moves by a script. Without one: <code>gridseal-agent status</code>.</p>
</noscript>
<section aria-labelledby="troubles-h">
<h2 id="troubles-h">Trouble</h2>
<ul id="troubles"></ul>
</section>
<section id="measured" aria-labelledby="measured-h">
<h2 id="measured-h">Measured now</h2>
<div class="figures">
<div class="figure" id="dial-box">
<h3 id="chosen">No stream yet</h3>
{_drawing("dial", "Phasor diagram of the chosen stream")}
<p id="scale"></p>
<p class="choice"><label><input type="checkbox" id="relative"> Angles from the first voltage</label>
</p>
<div id="words"></div>
{_table("phasors")}
</div>
<div class="figure" id="trace-box">
<h3>Frequency, the last minute</h3>
{_drawing("trace", "Frequency of all streams over the last minute, the chosen one thick")}
{_table("streams")}
</div>
</div>
</section>
<section id="state" aria-labelledby="state-h">
<h2 id="state-h">The gateway</h2>
<dl id="facts"></dl>
{_table("clocks")}
{_table("gaps")}
{_table("receipts")}
{_table("sources")}
</section>
</main>
<footer><p><span id="rate">No update yet</span>. For programs: <a href="status.json">status.json</a>
and <a href="metrics">metrics</a>.</p></footer>
</body>
</html>
""".encode()
