"""New passwords that stations were sent, and where stations last came from."""

from shared.store.migrations.statements import execute, refuse

revision = "0014"
down_revision = "0013"

STATEMENTS = (
    # A password that was sent to a station counts beside the one before until it was used, or until
    # the station refused it: `new_password_accepted_at` is NULL while nobody knows. `last_address`
    # is where the station's last proven connection came from. Pods from before this migration know
    # the old password only, as they always did.
    """
    ALTER TABLE stations
        ADD COLUMN new_password_hash         text,
        ADD COLUMN new_password_command_id   uuid,
        ADD COLUMN new_password_sent_at      timestamptz,
        ADD COLUMN new_password_accepted_at  timestamptz,
        ADD COLUMN last_address              text
    """,
    # A command's secrets are needed until it is sent: `redacted_params` takes the place of `params`
    # then. `password_hash` is that of the password that the command gives its station. Pods from
    # before leave the secrets where they are, as they always did.
    """
    ALTER TABLE commands
        ADD COLUMN redacted_params  jsonb,
        ADD COLUMN password_hash    text
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
