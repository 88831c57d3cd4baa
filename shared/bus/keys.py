"""Every key and channel in Redis, made nowhere else.

The part in braces is what Redis Cluster hashes, so that each script touches one slot.
"""


def owner(station_id: str) -> str:
    """Hash with `epoch`, `pod_id` and `connection_id`: whom to ask for a station."""
    return f"own:{{{station_id}}}"


def pod_lease(pod_id: str) -> str:
    """String that lives as long as the pod's lease."""
    return f"alive:{{{pod_id}}}"


def mark(pod_id: str, node: str, number: int) -> str:
    """String that says that a master of a cluster still has what a pod wrote there.

    Args:
        pod_id: the pod.
        node: the master's name.
        number: tried from 0 on, until the key falls on that master.
    """
    return f"mark:{{{pod_id}@{node}#{number}}}"


def probe(name: str) -> str:
    """String that is written to find out whether writes are taken.

    `name` is a pod's or a station's: it then stands beside what Redis holds of it.
    """
    return f"probe:{{{name}}}"


def pod_stream(pod_id: str) -> str:
    """Stream of what the pod is asked to do."""
    return f"pod:{{{pod_id}}}"


def outcomes(control_id: str) -> str:
    """Pub/sub channel on which a control process learns that a command has ended."""
    return f"outcomes:{{{control_id}}}"


def allowance(kind: str, name: str) -> str:
    """String that says when all requests that somebody may make are there again.

    `name` is a key's or a user's, or an address.
    """
    return f"allowance:{kind}:{{{name}}}"


def id_token(key: str) -> str:
    """String with an id token as it is kept, for a while; "" after a change, for a moment."""
    return f"token:{{{key}}}"


def id_token_group(key: str) -> str:
    """The same of a group's rules."""
    return f"group:{{{key}}}"


def authorization_changes() -> str:
    """Pub/sub channel on which pods learn what they must not remember any longer."""
    return "changes:{authorization}"


def event_words() -> str:
    """Pub/sub channel on which the number of the newest event is said."""
    return "words:{events}"
