"""Makes a mail of alerts: what one rule has to tell at a time, as text and as HTML."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from string import Template

from control.notices.alert_words import duration, time, words_of, zone
from control.notices.templates import Html, fill, joined
from shared.domain.notices.alerts import AlertRule, Severity
from shared.store.notices.alert_notifications import Told

_LISTED_MAX = 50
"""More than these are counted: nobody reads a thousand lines at night."""
_SUBJECT_MAX_LENGTH = 150
_COLOURS = {Severity.INFO: "#2563a8", Severity.WARNING: "#a15c00", Severity.CRITICAL: "#b3261e"}

_TEXT = Template("""\
$title

$sections
$count_left$link$footer
""")
_HTML = Template("""\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>$title</title></head>
<body style="margin:0;padding:24px 12px;background:#f2f4f7;color:#1b1f24;\
font:15px/1.45 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif">
<table role="presentation" width="100%" cellspacing="0" cellpadding="0"><tr><td align="center">
<table role="presentation" width="100%" cellspacing="0" cellpadding="0" \
style="max-width:640px;background:#ffffff;border-top:4px solid $colour;text-align:left">
<tr><td style="padding:20px 24px 4px">
<div style="font-size:12px;font-weight:bold;text-transform:uppercase;letter-spacing:.05em;\
color:$colour">$severity</div>
<h1 style="margin:2px 0 0;font-size:20px;line-height:1.3">$title</h1>
</td></tr>
$sections
<tr><td style="padding:12px 24px 20px">$count_left$link
<p style="margin:12px 0 0;font-size:12px;color:#5b6570">$footer</p></td></tr>
</table></td></tr></table>
</body>
</html>
""")
_SECTION = Template("""\
<tr><td style="padding:14px 24px 0;font-size:13px;font-weight:bold;color:#5b6570">$heading</td></tr>
$items""")
_ITEM = Template("""\
<tr><td style="padding:8px 24px;border-bottom:1px solid #e4e8ec">
<div style="font-weight:bold">$headline</div>
<div style="color:#5b6570;font-size:13px">$facts</div></td></tr>
""")
_LEFT = Template('<p style="margin:0 0 12px">$left</p>')
_LINK = Template(
    '<a href="$url" style="display:inline-block;padding:8px 16px;background:#1b1f24;'
    'color:#ffffff;text-decoration:none">Open Voltaro</a>'
)


@dataclass(frozen=True, slots=True)
class AlertMail:
    """A mail, as it is sent."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class _Section:
    heading: str
    told: Sequence[Told]


def alert_mail(
    rule: AlertRule,
    told: Sequence[Told],
    *,
    now: datetime,
    dashboard_url: str | None,
    unacknowledged_for_s: float | None = None,
) -> AlertMail:
    """Return the mail that tells these alerts of one rule.

    Args:
        rule: what asked for them.
        told: in the order in which they fired.
        now: when it is made.
        dashboard_url: where people look further; None for no link.
        unacknowledged_for_s: if others are told now, because nobody has acknowledged them so long.
    """
    sections = list(_sections(told, unacknowledged_for_s))
    title = _title(rule, sections, unacknowledged_for_s)
    footer = _footer(rule, told, now)
    left = len(told) - _LISTED_MAX
    count_left = f"And {left} more." if left > 0 else ""
    listed = list(_up_to(sections, _LISTED_MAX))
    text = _TEXT.substitute(
        title=title,
        sections="\n".join(_section_text(rule, each, now) for each in listed),
        count_left=f"{count_left}\n\n" if count_left else "",
        link=f"{dashboard_url}\n\n" if dashboard_url else "",
        footer=footer,
    )
    html = fill(
        _HTML,
        title=title,
        severity=rule.severity,
        colour=_COLOURS[rule.severity],
        sections=joined(_section_html(rule, each, now) for each in listed),
        count_left=fill(_LEFT, left=count_left) if count_left else "",
        link=fill(_LINK, url=dashboard_url) if dashboard_url else "",
        footer=footer,
    )
    return AlertMail(f"[{rule.severity}] {title}"[:_SUBJECT_MAX_LENGTH], text, html)


def _sections(told: Sequence[Told], unacknowledged_for_s: float | None) -> Iterator[_Section]:
    if unacknowledged_for_s is not None:
        yield _Section("Nobody has acknowledged", told)
        return
    resolved = [each for each in told if each.alert.resolved_at is not None]
    for heading, some in (
        ("New", [each for each in told if each.alert.resolved_at is None]),
        ("Came and went meanwhile", [each for each in resolved if each.is_new]),
        ("Over", [each for each in resolved if not each.is_new]),
    ):
        if some:
            yield _Section(heading, some)


def _up_to(sections: Sequence[_Section], count: int) -> Iterator[_Section]:
    for section in sections:
        if count > 0:
            yield _Section(section.heading, section.told[:count])
        count -= len(section.told)


def _title(
    rule: AlertRule, sections: Sequence[_Section], unacknowledged_for_s: float | None
) -> str:
    if unacknowledged_for_s is not None:
        count = len(sections[0].told)
        what = sections[0].told[0].alert.subject if count == 1 else f"{count} alerts"
        return f"{rule.name}: {what} not acknowledged for {duration(unacknowledged_for_s)}"
    if len(sections) == 1 and len(sections[0].told) == 1:
        (section,) = sections
        ending = "" if section.heading == "New" else f" ({section.heading.lower()})"
        return f"{rule.name}: {section.told[0].alert.subject}{ending}"
    counts = ", ".join(f"{len(each.told)} {each.heading.lower()}" for each in sections)
    return f"{rule.name}: {counts}"


def _words(rule: AlertRule, each: Told, now: datetime) -> tuple[str, dict[str, str]]:
    quiet = rule.quiet_hours
    where = zone(each.time_zone, None if quiet is None else quiet.time_zone)
    words = words_of(each.alert, where)
    alert = each.alert
    facts = {}
    if alert.location_id is not None:
        facts["Location"] = each.location_name or alert.location_id
    facts |= words.facts
    if alert.since is not None and alert.resolved_at is None:
        facts["For"] = duration((now - alert.since).total_seconds())
    if alert.resolved_at is not None:
        facts["Over since"] = time(alert.clear_since or alert.resolved_at, where)
    if alert.acknowledged_by is not None:
        facts["Acknowledged by"] = alert.acknowledged_by
    return words.headline, facts


def _section_text(rule: AlertRule, section: _Section, now: datetime) -> str:
    lines = [f"{section.heading}:"]
    for each in section.told:
        headline, facts = _words(rule, each, now)
        lines.append(f"- {headline}")
        lines += [f"    {name}: {value}" for name, value in facts.items()]
    return "\n".join(lines) + "\n"


def _section_html(rule: AlertRule, section: _Section, now: datetime) -> Html:
    items = []
    for each in section.told:
        headline, facts = _words(rule, each, now)
        said = " · ".join(f"{name}:\N{NO-BREAK SPACE}{value}" for name, value in facts.items())
        items.append(fill(_ITEM, headline=headline, facts=said))
    return fill(_SECTION, heading=section.heading, items=joined(items))


def _footer(rule: AlertRule, told: Sequence[Told], now: datetime) -> str:
    quiet = rule.quiet_hours
    where = zone(told[0].time_zone, None if quiet is None else quiet.time_zone)
    return (
        f"Rule {rule.name!r} of organization {rule.organization_id}, at {time(now, where)}. "
        "Acknowledge an alert, or silence it, in Voltaro; there its rule says who is told."
    )
