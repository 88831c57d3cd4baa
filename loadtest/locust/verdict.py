"""The end of a run: what is said about it, and the exit code."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Self

import msgspec

from loadtest.locust.finding import Finding
from loadtest.locust.ledger import Ledger
from loadtest.locust.profiles import RunPlan
from loadtest.locust.resources import Growth, describe, missed_growth
from loadtest.locust.settings import Settings
from loadtest.locust.thresholds import CALLS, Kind, Measured, missed, together


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a run besides the statistics.

    Attributes:
        acknowledged: What the CSMS has confirmed.
        loaded_s: How long the load was on.
        undelivered: Messages that were not confirmed in the end; the stations still have them.
        silent_workers: Workers that never said what became of their stations.
        generator_errors: Errors of our own.
        finding: What is stored; a sentence if nobody can tell, None if nobody was to look.
        growths: Of the memory of each process that was watched, by name; None if it told nothing.
    """

    acknowledged: Ledger
    loaded_s: float
    undelivered: int
    silent_workers: int
    generator_errors: int
    finding: Finding | str | None
    growths: Mapping[str, Growth | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is said about a run.

    Attributes:
        text: For people: what was measured, and a sentence for everything that was missed.
        exit_code: 0 if everything was met, 1 if not.
    """

    text: str
    exit_code: int

    @classmethod
    def of(
        cls, plan: RunPlan, settings: Settings, measured: Mapping[str, Measured], outcome: Outcome
    ) -> Self:
        """Judge a run."""
        failures = [
            *_failures(outcome),
            *missed(settings.thresholds, measured),
            *missed_growth(outcome.growths, settings.thresholds.max_memory_growth),
        ]
        text = "\n".join(
            [
                _headline(plan, outcome.loaded_s),
                *(f"  {line}" for line in _figures(measured, outcome)),
                *(f"  MISSED: {sentence}" for sentence in failures),
                "  Everything that was asked was met." if not failures else "",
            ]
        ).rstrip()
        return cls(text=text, exit_code=1 if failures else 0)


def _headline(plan: RunPlan, loaded_s: float) -> str:
    return (
        f"Load test {plan.profile}: {plan.users} stations for {loaded_s:.0f} s of "
        f"{plan.run_time_s:g} s, in {len(plan.processes)} process(es)"
    )


def _figures(measured: Mapping[str, Measured], outcome: Outcome) -> list[str]:
    lines = []
    for subject, kinds in (
        ("handshakes", (Kind.CONNECT,)),
        ("calls of stations", CALLS),
        ("remote commands", (Kind.COMMAND,)),
    ):
        figures = together(measured, kinds)
        if figures.count:
            lines.append(
                f"{subject}: {figures.count} ({figures.count / outcome.loaded_s:.1f}/s), "
                f"{figures.failures} failed, {_latencies(figures)}"
            )
    put_off = measured.get(Kind.PUT_OFF, Measured())
    if put_off.count:
        lines.append(
            f"handshakes put off with 503 and Retry-After: {put_off.count}, "
            f"{put_off.failures} of them not for the first time"
        )
    losses = measured.get(Kind.LOSS, Measured())
    if losses.count:
        lines.append(
            f"connections: {losses.count - losses.failures} closed by the CSMS in order, "
            f"{losses.failures} lost"
        )
    lines.append(f"generator's own lag: {_latencies(together(measured, (Kind.GENERATOR,)))}")
    if isinstance(outcome.finding, Finding):
        lines.append(f"messages about charges: {outcome.finding.sentence}")
        lines += outcome.finding.examples
    lines.append(f"not confirmed when the run ended: {outcome.undelivered}")
    lines += describe(outcome.growths)
    return lines


def _latencies(figures: Measured) -> str:
    return ", ".join(f"p{share * 100:g} {figures.percentile_ms(share):g} ms" for share in _SHARES)


_SHARES = (0.5, 0.95, 0.99)


def _failures(outcome: Outcome) -> list[str]:
    """Return what is wrong with a run whatever was asked of it."""
    sentences = []
    finding = outcome.finding
    if isinstance(finding, str):
        sentences.append(f"What was acknowledged was not looked up: {finding}")
    elif finding is not None and finding.lost:
        sentences.append(f"{finding.lost} acknowledged messages are not stored.")
    if isinstance(finding, Finding) and finding.twice:
        sentences.append(f"{finding.twice} messages are stored more than once.")
    if outcome.silent_workers:
        sentences.append(
            f"{outcome.silent_workers} process(es) did not say what became of their stations."
        )
    if outcome.generator_errors:
        sentences.append(
            f"The generator itself failed {outcome.generator_errors} times; its log says how."
        )
    return sentences


def look_up(acknowledged: Ledger, settings: Settings) -> Finding | str | None:
    """Look up what was acknowledged, in a process of its own: it needs asyncio.

    Args:
        acknowledged: What is looked up.
        settings: Say where the ledger is kept, and where to look if the environment names no
            database.

    Returns:
        What was found; a sentence if nobody can tell, None if nobody was to look.
    """
    encoded = msgspec.msgpack.encode(acknowledged)
    if settings.ledger_file is not None:
        kept = Path(settings.ledger_file)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(encoded)
    if settings.skip_storage_check:
        return None
    environment = {**os.environ, "VOLTARO_LOAD_API_URL": settings.api_url}
    if settings.api_key is not None:
        environment["VOLTARO_LOAD_API_KEY"] = settings.api_key
    with NamedTemporaryFile(prefix="load-ledger-") as file:
        file.write(encoded)
        file.flush()
        command = [sys.executable, "-P", "-m", "loadtest.locust.storage_check", "--json", file.name]
        try:
            result = subprocess.run(
                command,
                env=environment,
                capture_output=True,
                timeout=settings.check_timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"it took longer than the {settings.check_timeout_s:g} s of --check-timeout."
    try:
        return msgspec.json.decode(result.stdout, type=Finding)
    except msgspec.MsgspecError:
        return result.stderr.decode(errors="replace").strip()
