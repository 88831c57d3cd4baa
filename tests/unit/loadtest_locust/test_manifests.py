"""The Kubernetes manifests of the load test agree with each other and with the program."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from loadtest.locust.settings import add_options

MANIFESTS = Path(__file__).parents[3] / "k8s" / "loadtest"
OBJECTS: list[dict[str, Any]] = [
    document
    for path in sorted(MANIFESTS.glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text("utf-8"))
]
#: Options of locust itself that the manifests set.
LOCUST_VARIABLES = {
    "LOCUST_HOST",
    "LOCUST_USERS",
    "LOCUST_SPAWN_RATE",
    "LOCUST_WEB_HOST",
    "LOCUST_MASTER_BIND_HOST",
    "LOCUST_MASTER_NODE_HOST",
    "LOCUST_MASTER_NODE_PORT",
}


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in OBJECTS if each["kind"] == kind}


DEPLOYMENTS = of_kind("Deployment")


def pod(deployment: str) -> dict[str, Any]:
    template: dict[str, Any] = DEPLOYMENTS[deployment]["spec"]["template"]
    return template


def container(deployment: str) -> dict[str, Any]:
    (only,) = pod(deployment)["spec"]["containers"]
    return dict(only)


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


class Collector:
    """Stands for locust's parser, and collects the environment variables of our options."""

    def __init__(self) -> None:
        self.variables: set[str] = set()
        self.epilog: str | None = None

    def set_defaults(self, **_: Any) -> None:
        pass

    def add_argument(self, *_: str, env_var: str, **__: Any) -> None:
        self.variables.add(env_var)


def test_there_is_one_master_and_there_are_workers() -> None:
    assert set(DEPLOYMENTS) == {"voltaro-loadtest-master", "voltaro-loadtest-worker"}
    assert DEPLOYMENTS["voltaro-loadtest-master"]["spec"]["replicas"] == 1
    assert DEPLOYMENTS["voltaro-loadtest-worker"]["spec"]["replicas"] > 1


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_deployment_selects_its_own_pods_and_no_others(name: str) -> None:
    selector = DEPLOYMENTS[name]["spec"]["selector"]["matchLabels"]
    chosen = [each for each in DEPLOYMENTS if selects(selector, pod(each)["metadata"]["labels"])]
    assert chosen == [name]


def test_the_service_leads_to_named_ports_of_the_master() -> None:
    (service,) = of_kind("Service").values()
    chosen = [
        name
        for name in DEPLOYMENTS
        if selects(service["spec"]["selector"], pod(name)["metadata"]["labels"])
    ]
    assert chosen == ["voltaro-loadtest-master"]
    ports = {port["name"]: port["containerPort"] for port in container(chosen[0])["ports"]}
    for port in service["spec"]["ports"]:
        assert ports[port["targetPort"]] == port["port"]
    assert container(chosen[0])["readinessProbe"]["httpGet"]["port"] in ports


def test_workers_look_for_the_master_where_the_service_is() -> None:
    (service,) = of_kind("Service").values()
    environment = {
        each["name"]: each["value"] for each in container("voltaro-loadtest-worker")["env"]
    }
    ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
    assert environment["LOCUST_MASTER_NODE_HOST"] == service["metadata"]["name"]
    assert environment["LOCUST_MASTER_NODE_PORT"] == str(ports["workers"])


def test_only_workers_reach_the_port_that_tells_the_api_key() -> None:
    (policy,) = of_kind("NetworkPolicy").values()
    master, worker = (pod(f"voltaro-loadtest-{each}") for each in ("master", "worker"))
    assert selects(policy["spec"]["podSelector"]["matchLabels"], master["metadata"]["labels"])
    (rule,) = policy["spec"]["ingress"]
    (source,) = rule["from"]
    assert selects(source["podSelector"]["matchLabels"], worker["metadata"]["labels"])
    assert not selects(source["podSelector"]["matchLabels"], master["metadata"]["labels"])
    (port,) = rule["ports"]
    assert port["port"] in {each["name"] for each in container("voltaro-loadtest-master")["ports"]}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_variable_is_one_that_is_read(name: str) -> None:
    collector = Collector()
    add_options(collector)
    names = {each["name"] for each in container(name)["env"]}
    for source in container(name).get("envFrom", ()):
        names |= set(of_kind("ConfigMap")[source["configMapRef"]["name"]]["data"])
    assert names <= collector.variables | LOCUST_VARIABLES | {"VOLTARO_DATABASE_URL"}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_pods_need_no_rights(name: str) -> None:
    spec = pod(name)["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    security = container(name)["securityContext"]
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"]["drop"] == ["ALL"]
    mounted = {mount["name"] for mount in container(name)["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["volumes"]}


def test_both_run_the_same_image_and_the_program_that_exists() -> None:
    assert len({container(name)["image"] for name in DEPLOYMENTS}) == 1
    for name in DEPLOYMENTS:
        command = container(name)["command"]
        assert command[:4] == ["python", "-P", "-m", "loadtest.locust"]
        assert ("--master" in command) == (name == "voltaro-loadtest-master")
        assert ("--worker" in command) == (name == "voltaro-loadtest-worker")
