"""Every error of the simulator.

* `SimulatorError`
    * `ConnectorNotReady`: a charge cannot be started or stopped there now
    * `ChargeRefused`: the CSMS did not accept the id token
    * `UnexpectedSilence`: what was waited for did not happen in time
    * `UnreadableMoment`: the CSMS has sent a time that is none
"""


class SimulatorError(Exception):
    """Base of all errors of the simulator."""


class ConnectorNotReady(SimulatorError):  # noqa: N818  # reads as what it is
    """The connector cannot do what was asked in its present state."""


class ChargeRefused(SimulatorError):  # noqa: N818  # reads as what it is
    """The id token may not charge."""


class UnexpectedSilence(SimulatorError):  # noqa: N818  # reads as what it is
    """Nothing of the kind happened within the time given."""


class UnreadableMoment(SimulatorError):  # noqa: N818  # reads as what it is
    """A text should be a date and time, and is not."""
