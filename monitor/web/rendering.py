"""How does data become a page? Templates that escape everything, with the words and drawings of the reports."""

import datetime as dt
import functools
import shlex
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from monitor.check import Interval, load_checks
from monitor.oncall.freshness import WORDS
from monitor.oncall.words import ago
from monitor.production.items import date_of
from monitor.report import wording
from monitor.report.filters import FILTERS
from monitor.web.navigation import PAGES, is_here
from monitor.web.security.forgery import FIELD, code_of
from monitor.web.state import dashboard_of
from monitor.web.static import static_url


def render(request: Request, template: str, status: int = 200, **data: Any) -> HTMLResponse:
    """A page. Beside `data` the template knows what stands in `frame`; code is a hidden field of every form."""
    dashboard = dashboard_of(request)
    frame = {
        "loop_name": dashboard.settings.loop,
        "settings": dashboard.settings,
        "now": dashboard.clock(),
        "visitor": request.state.visitor,
        "code": hidden_code(request),
        "pages": [(page, is_here(page, request.scope["path"])) for page in PAGES],
        "here": request.scope["path"],
        "freeze": dashboard.freeze(),
    }
    return HTMLResponse(environment().get_template(template).render({**frame, **data}), status)


def hidden_code(request: Request) -> Markup:
    """The field without which no form of ours is taken."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, code_of(request.state.cookie))


def when(moment: dt.datetime | None, absent: str = "never") -> Markup | str:
    """A moment in UTC; a pointer over it, or a tap, shows the visitor's own time."""
    if moment is None:
        return absent
    utc = moment.astimezone(dt.UTC)
    return Markup('<time datetime="{}">{}</time>').format(utc.isoformat(timespec="seconds"), wording.moment(utc))


def instant(moment: str) -> dt.datetime:
    """A moment as JSON writes it."""
    return dt.datetime.fromisoformat(moment)


def interval(plain: Mapping[str, float | None]) -> Interval:
    """A value with its interval, as JSON writes it."""
    return Interval(plain["value"], plain["low"], plain["high"])


def argument(text: str) -> str:
    """A stranger's name as one argument of a command that somebody may copy into a shell.

    >>> print(argument("ckpt-8"), argument("x; rm -rf ~"))
    ckpt-8 'x; rm -rf ~'
    """
    return shlex.quote(wording.name(text, 512))


def question_of(check: str) -> str:
    """What a check asks; "" of an alert that stands on none."""
    known = load_checks()
    return known[check].question if check in known else ""


@functools.cache
def environment() -> Environment:
    """The templates of the dashboard, autoescaped, with the reports' filters and `when`, `ago`, `static`."""
    made = Environment(
        loader=PackageLoader("monitor.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(FILTERS, when=when, ago=ago, instant=instant, interval=interval, date_of=date_of)
    made.filters.update(question_of=question_of, argument=argument)
    made.globals.update(static=static_url, severities=wording.SEVERITIES, stage_words=WORDS)
    made.globals.update(release=version("reward-drift-monitor"))
    return made
