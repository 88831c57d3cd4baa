"""What schemathesis sent, what came back, and what of that is not as the document says."""

import base64
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema_rs

from control.problems import CODES
from shared.domain.commands import COMMANDS
from tests.integration.control.players import DOCUMENT

RULES = {
    "this is no cursor of this list": "only `next_cursor` of the same list is one",
    "a list that is asked for by": "by which time it is asked for says how it is sorted",
    "this lies outside the calendar": "what begins in year 9999 may end beyond it",
    "this time lies outside the calendar": "a time of year 1 or 9999 may lie beyond it in UTC",
    "this is no time: leave it out instead": "one instant at either end of the calendar",
    "nothing checks a password": "which profile a password goes with: the station has one already",
    "a maintenance window ends after it starts": "the other end may stand in the database",
    "this time is over already": "a rule of the clock",
    "has not begun yet": "a rule of the clock",
    "stations are not sent to": "a rule of this installation's settings",
    "there is no such time zone": "which there are, the time zone database of the machine says",
    "meter values of more than": "a rule of two members",
    "there is no mail server here": "a rule of this installation's settings",
    "it is no URL": "how all clients read a URL is more than a pattern can say",
    "cannot be read": "what is in a certificate no schema says",
    "a batch has one timeout_s of its own": "commands are described once, for batches as well",
    "no station matches": "what a filter finds has to be there",
    "there is no station": "what a list of stations names has to be there",
    "there is no location": "what a body names has to be there",
    "there is no organization": "what a body names has to be there",
    "belong to the default organization alone": "who asks stands in no schema",
    "not registered": "what a list of stations names has to be there",
    "and the key would never count": "a rule of the clock",
    "it is no certificate": "what is in a certificate no schema says",
    "it is no chain of certificates": "what is in a certificate no schema says",
    "name at least one criterion": "a member that is null is no criterion",
    "this is about one station": "commands are described once, for batches as well",
}
"""Why a request that fits its schema is a 422 all the same, by a part of the answer's detail.

What a schema can say belongs into the schema, and not here. Rules of several members name no member
but the whole, and need no line.
"""

WAITING = frozenset(
    {
        "GET /v1/commands/{command_id}",
        "POST /v1/stations/{station_id}/commands",
        "POST /v1/stations/{station_id}/reservations",
        "POST /v1/stations/{station_id}/reservations/{reservation_id}/cancel",
    }
)
"""What waits for a station for as long as its caller says, which may be longer than the test."""


@dataclass
class Report:
    """Counts, and every failure in words."""

    operations: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    by_rule: Counter[str] = field(default_factory=Counter)
    waited: int = 0
    failures: list[str] = field(default_factory=list)

    def table(self, title: str) -> str:
        """Return the counts, to print."""
        sent, there = sum(self.statuses.values()), sum(map(len, DOCUMENT["paths"].values()))
        lines = [
            "",
            f"schemathesis {title}: {sent} requests, {len(self.operations)} of {there} operations",
            *(f"  {count:7} answers {status}" for status, count in sorted(self.statuses.items())),
            *(f"  {count:7} times {name}" for name, count in sorted(self.checks.items())),
            *(f"  {count:7} refused by: {rule}" for rule, count in sorted(self.by_rule.items())),
            f"  {self.waited:7} still waited for a station",
            f"  {len(self.failures):7} failures",
        ]
        return "\n".join(lines)


def read_report(path: Path, output: str) -> Report:
    """Read what schemathesis wrote down."""
    report = Report()
    for line in path.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if "ScenarioFinished" in event:
            recorder = event["ScenarioFinished"]["recorder"]
            report.operations.add(recorder["label"])
            for case_id, interaction in recorder.get("interactions", {}).items():
                checks = recorder["checks"].get(case_id, [])
                case = recorder["cases"].get(case_id, {}).get("value", {})
                _count(report, recorder["label"], case, interaction, checks)
        elif "NonFatalError" in event or "FatalError" in event:
            told = json.dumps(event)
            if "ReadTimeout" not in told or not any(f'"{name}"' in told for name in WAITING):
                report.failures.append(f"schemathesis itself: {told[:2000]}")
    assert report.operations, output
    return report


def _count(
    report: Report,
    name: str,
    case: Mapping[str, Any],
    interaction: Mapping[str, Any],
    checks: list[dict[str, Any]],
) -> None:
    answer = interaction.get("response")
    if answer is None and name in WAITING:
        report.waited += 1
        return
    if answer is None:
        report.failures.append(f"{name}: no answer to {interaction['request']}"[:1000])
        return
    status: int = answer["status_code"]
    report.statuses[status] += 1
    told = _text(answer.get("content"))
    for check in checks:
        report.checks[f"{check['name']}: {check['status']}"] += 1
        uri = interaction["request"]["uri"]
        if check["status"] == "failure" and not (
            _excused(report, check["name"], status, told)
            or (check["name"] == "response_schema_conformance" and _is_chosen(case, uri, told))
        ):
            sent = f"{interaction['request']['method']} {uri}"
            body = _text(interaction["request"].get("body"))[:500]
            report.failures.append(
                f"{name}: {check['name']} with {status}\n  {sent}\n  {body}\n"
                f"  answered {told[:600]}\n  {json.dumps(check)[:600]}\n  tighten or widen the "
                "schema; what no schema can say is a rule of tests/contract/report.py"
            )
    for problem in _undocumented(case, status, told):
        report.failures.append(f"{name}: {problem}")


def _excused(report: Report, check: str, status: int, told: str) -> bool:
    if status == 413 and check in {"positive_data_acceptance", "negative_data_rejection"}:
        return True  # too long as a whole, which no schema of its members says
    if check == "positive_data_acceptance" and status == 422:
        problem = json.loads(told)
        rule = next((rule for rule in RULES if rule in problem["detail"]), None)
        fields = [error["field"].rpartition(".")[2] for error in problem.get("errors", ())]
        if fields and all(field == "(whole)" or field in COMMANDS for field in fields):
            rule = "a rule of several members"
        if rule is not None:
            report.by_rule[rule] += 1
            return True
    return False


def _is_chosen(case: Mapping[str, Any], uri: str, told: str) -> bool:
    """Tell whether an answer has the members that were chosen and no other, each as documented."""
    said = parse_qs(urlsplit(uri).query).get("fields")
    if said is None:
        return False
    chosen = {name for each in said for name in each.split(",")}
    operation = DOCUMENT["paths"][case["path"]]["get"]
    schema = _resolved(operation["responses"]["200"]["content"]["application/json"]["schema"])
    answer = json.loads(told)
    if "next_cursor" in schema["properties"]:
        shown, items = _resolved(schema["properties"]["items"]["items"]), answer["items"]
    else:
        shown, items = schema, [answer]
    validator = jsonschema_rs.Draft202012Validator(
        {
            "properties": shown["properties"],
            "required": sorted(chosen),
            "maxProperties": len(chosen),
            "components": DOCUMENT["components"],
        },
        validate_formats=True,
    )
    return all(validator.is_valid(item) for item in items)


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _undocumented(case: Mapping[str, Any], status: int, told: str) -> Iterator[str]:
    """Yield the code of an answer if its operation does not list it."""
    operation = DOCUMENT["paths"].get(case.get("path"), {}).get(str(case.get("method")).lower())
    if operation is None or status < 400 or status == 405:
        return
    listed = operation["responses"].get(str(status), {}).get(CODES, ())
    code = json.loads(told).get("code")
    if code not in listed:
        yield (
            f"it answered {status} with the code {code}, and lists {sorted(listed)}: add it to the "
            "route's responses=problems.responses(…)"
        )


def _text(content: object) -> str:
    if isinstance(content, dict) and "$base64" in content:
        return base64.b64decode(content["$base64"]).decode("utf-8", "replace")
    return "" if content is None else str(content)
