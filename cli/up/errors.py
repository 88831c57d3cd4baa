"""What can keep the local cluster from running, in the user's words."""


class UpError(Exception):
    """The cluster cannot start or go on.

    The message is shown to the user as it is: it says what happened, to what, and what to do.
    """
