"""Tells people of alerts, by mail: grouped, not in quiet hours, and others if nobody answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog

from control.jobs.notices.alerts import Clock, utc_now
from control.jobs.periodic import each_by_itself
from control.jobs.settings import WorkerSettings
from control.mail import NOT_SENT, Mailer, is_for_good, retry_after_s
from control.notices.alert_mail import alert_mail
from shared.domain.notices.alerts import AlertRule
from shared.store.notices import alert_notifications
from shared.store.notices.alert_notifications import Mail, Told, Untold
from shared.store.pool import Connection, Database
from shared.telemetry import metrics
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

_JOB = "alert_mails"
_AT_ONCE = 20
_TOLD_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class _Turn:
    """What one look at a rule may do."""

    connection: Connection
    rule: AlertRule


class AlertMailer:
    """Makes mails of what is to be told, and sends those that are due.

    Args:
        db: where alerts are.
        settings: how long to wait for others, and where mail is handed over.
        clock: tells the time.
    """

    def __init__(self, db: Database, settings: WorkerSettings, *, clock: Clock = utc_now) -> None:
        self._db = db
        self._settings = settings
        self._clock = clock
        self._mailer = Mailer(settings)

    async def run(self) -> int:
        """Make mails, and send what is due; return how many were sent."""
        await self._compose()
        if not self._settings.can_mail:
            return 0
        due = await alert_notifications.claim_due(
            self._db,
            now=self._clock(),
            limit=_AT_ONCE,
            # Nobody else takes them while the last of them is being sent.
            lease_s=(_AT_ONCE + 1) * self._settings.smtp_timeout_s,
        )
        return await each_by_itself(self._db, _JOB, due, self._send)

    async def _compose(self) -> None:
        async with self._db.acquire() as connection, connection.transaction():
            if not await alert_notifications.take_turn(connection):
                return
            for untold in await alert_notifications.find_untold(connection, now=self._clock()):
                await self._tell(connection, untold)
            for rule in await alert_notifications.find_escalating(connection):
                if not rule.keeps_quiet(self._clock()):
                    await self._escalate(_Turn(connection, rule))

    async def _tell(self, connection: Connection, untold: Untold) -> None:
        now, rule = self._clock(), untold.rule
        take = partial(
            alert_notifications.take_untold,
            connection,
            untold.rule_id,
            now=now,
            limit=_TOLD_AT_ONCE,
        )
        if rule is None or not (rule.emails or rule.escalation):
            await take()  # nobody is told
            return
        due_at = rule.tells_at(untold.first_at, group_wait_s=self._settings.alerts_group_wait_s)
        if rule.keeps_quiet(now) or now < due_at:
            return
        # Whoever has acknowledged an alert before anybody was told knows it.
        told = [
            each
            for each in await take()
            if each.alert.acknowledged_at is None or each.alert.resolved_at is not None
        ]
        turn = _Turn(connection, rule)
        if told:
            await self._mail(turn, rule.emails, told, step=0)
            await alert_notifications.note_told(connection, rule.rule_id, now=now)
        # Whoever was told because nobody answered is told that it is over.
        for number, step in enumerate(rule.escalation, start=1):
            over = [each for each in told if not each.is_new and each.escalated_steps >= number]
            await self._mail(turn, step.emails, over, step=number)

    async def _escalate(self, turn: _Turn) -> None:
        # From the last step down: none is taken by two in one run.
        for number, step in reversed(list(enumerate(turn.rule.escalation, start=1))):
            told = await alert_notifications.take_escalated(
                turn.connection,
                turn.rule.rule_id,
                step=number,
                after_s=step.after_s,
                now=self._clock(),
                limit=_TOLD_AT_ONCE,
            )
            await self._mail(turn, step.emails, told, step=number, for_s=step.after_s)

    async def _mail(
        self,
        turn: _Turn,
        recipients: Sequence[str],
        told: Sequence[Told],
        *,
        step: int,
        for_s: float | None = None,
    ) -> None:
        if not recipients or not told:
            return
        if not self._settings.can_mail:
            metrics.alert_notifications.labels("email", "failed").inc(len(recipients))
            log.warning(
                "nobody is mailed of alerts: set VOLTARO_SMTP_HOST", rule_id=turn.rule.rule_id
            )
            return
        now = self._clock()
        mail = alert_mail(
            turn.rule,
            told,
            now=now,
            dashboard_url=self._settings.dashboard_url,
            unacknowledged_for_s=for_s,
        )
        await alert_notifications.add(
            turn.connection,
            turn.rule,
            recipients,
            [each.alert.alert_id for each in told],
            step=step,
            subject=mail.subject,
            body=mail.text,
            html=mail.html,
            now=now,
        )

    async def _send(self, mail: Mail) -> bool:
        domain = (self._settings.mail_from or "").rpartition("@")[2].strip(" >") or "localhost"
        try:
            await self._mailer.send(
                to=mail.recipient,
                subject=mail.subject,
                text=mail.body,
                html=mail.html,
                headers={"Message-ID": f"<{mail.notification_id}@{domain}>"},
            )
        except NOT_SENT as error:
            await self._note_failure(mail, error)
            return False
        await alert_notifications.note_sent(self._db, mail.notification_id, now=self._clock())
        metrics.alert_notifications.labels("email", "sent").inc()
        return True

    async def _note_failure(self, mail: Mail, error: BaseException) -> None:
        now = self._clock()
        again = now + timedelta(seconds=retry_after_s(mail.tries))
        give_up_at = mail.created_at + timedelta(seconds=self._settings.alert_mails_keep_trying_s)
        ends = is_for_good(error) or again > give_up_at
        metrics.alert_notifications.labels("email", "failed" if ends else "again").inc()
        log.warning(
            "a mail of alerts could not be sent",
            notification_id=mail.notification_id,
            error=describe_error(error),
            again=not ends,
        )
        await alert_notifications.note_failure(
            self._db,
            mail.notification_id,
            error=describe_error(error),
            next_try_at=None if ends else again,
        )
