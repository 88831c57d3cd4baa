"""What programs tell errors of one kind apart by: stable names, which the API says as `code`.

A code that was released keeps its meaning. An error without one of these has the name of its kind.
Each operation of the API lists those that it may answer with, and a test holds that against the
code that raises them (tests/architecture/test_error_codes.py).
"""

from enum import StrEnum
from typing import Self

_ID = "0197b7a6-5f0e-7b3c-9b8e-3c1d2a4f5e6d"


class ErrorCode(StrEnum):
    """A code: its name, and what an answer with it says, as an example."""

    example: str

    def __new__(cls, name: str, example: str) -> Self:
        """Make a member of its name and its example."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.example = example
        return member


class NotFoundCode(ErrorCode):
    """What there is not."""

    ACCOUNT_LINK = (
        "account_link_not_found",
        "this link does not work any more: it was used, or its time is over. Ask for another one",
    )
    ALERT = "alert_not_found", f"there is no alert {_ID}"
    ALERT_RULE = "alert_rule_not_found", f"there is no alert rule {_ID}"
    API_KEY = "api_key_not_found", f"there is no API key {_ID}"
    AUDIT_ENTRY = "audit_entry_not_found", "there is no entry '4711' in the audit log"
    CLIENT_CERTIFICATE = (
        "client_certificate_not_found",
        f"station 'CS-0042' has no client certificate {_ID}",
    )
    COMMAND = "command_not_found", f"there is no command {_ID}"
    COMMAND_BATCH = "command_batch_not_found", f"there is no command batch {_ID}"
    COMPOSITE_SCHEDULE = (
        "composite_schedule_not_found",
        (
            "station 'CS-0042' has told no composite schedule of EVSE 1: ask it with the "
            "command GetCompositeSchedule"
        ),
    )
    DEAD_LETTER = "dead_letter_not_found", f"there is no dead letter {_ID}"
    EVENT = "event_not_found", "there is no event 4711: it has not happened, or is kept no longer"
    FILE = "file_not_found", f"there is no file {_ID}"
    FILE_CONTENT = (
        "file_content_not_found",
        f"file {_ID} has no content: it was removed, or is still to come",
    )
    FIRMWARE_UPDATE = "firmware_update_not_found", f"there is no firmware update {_ID}"
    ID_TOKEN = "id_token_not_found", "there is no id token '04A2B3C4D5'"
    ID_TOKEN_GROUP = "id_token_group_not_found", "there are no rules of a group 'FLEET-7'"
    JOB = "job_not_found", f"there is no job {_ID}"
    LOCATION = "location_not_found", "there is no location 'depot-north'"
    LOG = "log_not_found", f"there is no log request {_ID}"
    MAINTENANCE_WINDOW = (
        "maintenance_window_not_found",
        f"station 'CS-0042' has no maintenance window {_ID}",
    )
    ORGANIZATION = "organization_not_found", "there is no organization 'lake-hotel'"
    QUIRK = "quirk_not_found", f"there is no quirk '{_ID}'"
    REPORT = "report_not_found", f"there is no report {_ID}"
    REPORT_CONTENT = (
        "report_content_not_found",
        f"run {_ID} has no file: it is still to come, or was kept for its time",
    )
    REPORT_RUN = "report_run_not_found", f"report {_ID} has no run {_ID}"
    RESERVATION = "reservation_not_found", "station 'CS-0042' has no reservation 7"
    SESSION = "session_not_found", f"there is no session {_ID}"
    SIGNING_REQUEST = "signing_request_not_found", f"there is no certificate signing request {_ID}"
    STATION = "station_not_found", "there is no station 'CS-0042'"
    TRANSACTION = "transaction_not_found", "station 'CS-0042' has no transaction '1042'"
    WEBHOOK_DELIVERY = (
        "webhook_delivery_not_found",
        (f"webhook endpoint {_ID} has no delivery {_ID}: it never had, or it is not kept any more"),
    )
    WEBHOOK_ENDPOINT = "webhook_endpoint_not_found", f"there is no webhook endpoint {_ID}"
    USER = "user_not_found", f"there is no user {_ID}"
    USER_SESSION = "user_session_not_found", "this session has ended: sign in again"
    UNKNOWN_STATION = (
        "unknown_station_not_found",
        (
            "no unknown station 'CS-0042' is listed: it has not come yet, was forgotten, or "
            "is registered already"
        ),
    )


class ConflictCode(ErrorCode):
    """What is in the way."""

    ALERT_RESOLVED = "alert_resolved", f"alert {_ID} is over: its condition has ended"
    ALERT_RULES_EXHAUSTED = (
        "alert_rules_exhausted",
        (
            "an organization may have 100 alert rules, and has as many: remove one, or have one "
            "rule concern more"
        ),
    )
    LAST_ADMINISTRATOR = (
        "last_administrator",
        "this is the last administrator of the installation: make somebody else one before",
    )
    ORGANIZATION_BELOW_ITSELF = (
        "organization_below_itself",
        "organization 'lake-hotel' is or stands below 'lake': nothing can stand below itself",
    )
    ORGANIZATION_EXISTS = (
        "organization_exists",
        "the organization_id 'lake-hotel' is taken: choose another",
    )
    ORGANIZATION_IN_USE = (
        "organization_in_use",
        (
            "stations belong to organization 'lake-hotel' or stand below it: give them to "
            "another one, or remove them, first"
        ),
    )
    ORGANIZATION_IS_DEFAULT = (
        "organization_is_default",
        "the default organization cannot be removed",
    )
    SECOND_FACTOR_EXISTS = (
        "second_factor_exists",
        "there is a second factor already: remove it before",
    )
    SECOND_FACTOR_REPLACED = (
        "second_factor_replaced",
        "this is not the second factor that was begun last: begin anew",
    )
    USER_EXISTS = (
        "user_exists",
        "there is a user with the e-mail address ada@example.org already",
    )
    CERTIFICATE_NAME_TAKEN = (
        "certificate_name_taken",
        (
            "certificates of station 'CS-0007' have this id or serial number as their common "
            "name: no two stations may be called alike"
        ),
    )
    CERTIFICATE_OF_ANOTHER_STATION = (
        "certificate_of_another_station",
        "this certificate is another station's: each has one of its own (A00.FR.427)",
    )
    COMMAND_NOT_CANCELLABLE = (
        "command_not_cancellable",
        f"command {_ID} has been sent to its station already",
    )
    DEAD_LETTER_DECIDED = (
        "dead_letter_decided",
        f"dead letter {_ID} has been dismissed already: nothing is left to decide",
    )
    DEAD_LETTER_NOT_ASSIGNABLE = (
        "dead_letter_not_assignable",
        f"dead letter {_ID} is a start, which makes a session of its own: replay it",
    )
    DEAD_LETTER_NOT_REPLAYABLE = (
        "dead_letter_not_replayable",
        (
            f"dead letter {_ID} is a MeterValuesRecorded that was understood: only a refused "
            "message can be given another payload"
        ),
    )
    DEAD_LETTER_UNREADABLE = (
        "dead_letter_unreadable",
        (
            f"dead letter {_ID} cannot be read again: it was kept by a version that kept it "
            "for people only, or holds what no text can hold. Dismiss it, and correct the "
            "session by a review if it concerns one"
        ),
    )
    EVENT_NOT_KEPT = "event_not_kept", f"the event of delivery {_ID} is not kept any more"
    FILE_CONTENT_CLOSED = (
        "file_content_closed",
        (
            f"file {_ID} takes no content any more: it was removed, is there already, or was "
            "tried 3 times"
        ),
    )
    FILE_NOT_FIRMWARE = "file_not_firmware", f"file {_ID} is no firmware that is stored here"
    FILE_STORAGE_NOT_SET_UP = (
        "file_storage_not_set_up",
        (
            "no storage of files is set up here: set VOLTARO_FILES_DIRECTORY or "
            "VOLTARO_FILES_S3_BUCKET"
        ),
    )
    FILE_UPLOAD_UNDER_WAY = (
        "file_upload_under_way",
        f"file {_ID} is being uploaded now: send it again when that has failed",
    )
    FILE_URL_TOO_LONG = (
        "file_url_too_long",
        (
            "our URL would have 530 characters, and OCPP allows 512: give the file a shorter "
            "name, or VOLTARO_PUBLIC_URL a shorter path"
        ),
    )
    FILE_URLS_NOT_SET_UP = (
        "file_urls_not_set_up",
        (
            "stations cannot be given URLs of ours: set VOLTARO_PUBLIC_URL and "
            "VOLTARO_FILES_SIGNING_KEY, or name a `location` elsewhere"
        ),
    )
    ID_TOKEN_AMBIGUOUS = (
        "id_token_ambiguous",
        (
            "there are several id tokens '04A2B3C4D5': name the type of the one you mean "
            "(eMAID, ISO14443)"
        ),
    )
    ID_TOKEN_EXISTS = "id_token_exists", "there is an id token '04A2B3C4D5' already"
    ID_TOKEN_GROUP_EXISTS = "id_token_group_exists", "there is a group 'FLEET-7' already"
    IDEMPOTENCY_KEY_REUSED = (
        "idempotency_key_reused",
        (
            "idempotency key 'reset-1' was used for another command of station 'CS-0042' "
            f"({_ID}): use a new key for a new command"
        ),
    )
    JOB_ENDED = "job_ended", f"job {_ID} has succeeded already, and there is nothing to cancel"
    JOB_NOT_FAILED = (
        "job_not_failed",
        f"job {_ID} is running: only one that has failed is retried",
    )
    JOB_WAITS_ALREADY = (
        "job_waits_already",
        f"another job waits already to do what job {_ID} was to do",
    )
    LOCATION_EXISTS = "location_exists", "there is a location 'depot-north' already"
    LOCATION_IN_USE = (
        "location_in_use",
        (
            "stations stand at location 'depot-north': give them another location_id, or "
            "null, before it is removed"
        ),
    )
    RESERVATION_IDS_EXHAUSTED = (
        "reservation_ids_exhausted",
        "station 'CS-0042' has no reservation id left that is free",
    )
    RESERVATION_OVER = "reservation_over", "reservation 7 of station 'CS-0042' is over: expired"
    SESSION_ACTIVE = (
        "session_active",
        f"session {_ID} goes on: wait for its end, or decide `correct` with `ended_at` to end it",
    )
    SESSION_CHANGED = (
        "session_changed",
        (
            f"session {_ID} is not what was seen: `energy_wh` was 9000 and is 9200. Read it "
            "again, and decide upon what it is now"
        ),
    )
    SESSION_END_BEFORE_START = (
        "session_end_before_start",
        (
            f"session {_ID} began at 2026-11-01T08:00:00+00:00: it cannot end at "
            "2026-11-01T07:00:00+00:00"
        ),
    )
    SESSION_NOT_SETTLED = (
        "session_not_settled",
        f"session {_ID} is being worked out: try again in a few seconds",
    )
    SESSION_OF_ANOTHER_STATION = (
        "session_of_another_station",
        (
            f"dead letter {_ID} is of station 'CS-0042', and session {_ID} of 'CS-0007': it "
            "can only be given to a session of its own station"
        ),
    )
    SESSION_WITHOUT_ENERGY = (
        "session_without_energy",
        (
            f"nothing tells the energy of session {_ID}, so it cannot be accepted: decide "
            "`correct` with `energy_wh`, or `void`"
        ),
    )
    SIGNING_REQUEST_ANSWERED = (
        "signing_request_answered",
        (
            f"certificate signing request {_ID} is accepted: have the station send a new one "
            "with TriggerMessage SignChargingStationCertificate"
        ),
    )
    STATION_EXISTS = (
        "station_exists",
        "there is a station 'CS-0042' already, or one with its certificate_serial_number",
    )
    TRANSACTION_AT_ANOTHER_EVSE = (
        "transaction_at_another_evse",
        "transaction '1042' of station 'CS-0042' is at EVSE 2: set its TxProfile there",
    )
    TRANSACTION_ENDED = (
        "transaction_ended",
        "transaction '1042' of station 'CS-0042' has ended: a TxProfile is of one that goes on",
    )
    WEBHOOK_ENDPOINT_DISABLED = (
        "webhook_endpoint_disabled",
        f"webhook endpoint {_ID} is switched off: enable it first",
    )
    WEBHOOKS_NOT_SET_UP = (
        "webhooks_not_set_up",
        (
            "there are no webhooks here: whoever runs this installation has to set "
            "VOLTARO_ACCOUNTS_ENCRYPTION_KEYS before, which their secrets are encrypted with"
        ),
    )


class LimitCode(ErrorCode):
    """What is as much as one caller may have at once."""

    EXPORTS = (
        "too_many_exports",
        "2 exports of 'dashboard' are running, as many as may: wait until one of them ends",
    )
