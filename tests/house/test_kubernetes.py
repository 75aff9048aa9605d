"""The cluster runs what one host runs: the manifests say the same as docker-compose.yml."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings

from tests.house.test_environment import variables_explained
from voting_portal.facts import FACTS

ROOT = Path(settings.BASE_DIR)
MANIFESTS = {path.stem: path.read_text() for path in ROOT.glob("deploy/kubernetes/*.yaml")}
# A variable stands for its default.
COMPOSE = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (ROOT / "docker-compose.yml").read_text())
# PostgreSQL and Redis run outside the cluster, nginx in the pods of web.
ELSEWHERE = {"postgres", "backup", "replica", "redis", "nginx"}
COMMANDS = re.compile(
    r"celery --quiet --app=voting_portal (?:worker|beat)(?: --[\w=/-]+)+|gunicorn --config \S+ \S+"
    r"|python manage\.py run_\w+(?: cmpp)?|python manage\.py \w+(?: --?\w[\w-]*| WARNING| default)*"
)


def commands(text: str) -> set[str]:
    """The commands of the portal, however the lists of their words are written."""
    words = re.sub(r"[\[\],\"]|\n\s+- ", " ", text)
    return set(COMMANDS.findall(re.sub(r"\s+", " ", words)))


def named(kind: str) -> set[str]:
    found = set()
    for text in MANIFESTS.values():
        for part in text.split("\n---\n"):
            if re.search(rf"^kind: {kind}$", part, re.MULTILINE):
                found |= set(re.findall(r"^metadata:\s+\{?\s*name: ([\w-]+)", part, re.MULTILINE))
    return found - {"every-pod", "proxy"}  # patches of the others


def values() -> dict[str, str]:
    """The variables that the cluster sets."""
    return dict(re.findall(r'^  ([A-Z_]+): "?([^"\n]*)"?$', MANIFESTS["settings"], re.MULTILINE))


def test_every_command_of_one_host_runs_in_the_cluster_and_no_other():
    of_compose = commands(COMPOSE)

    assert len(of_compose) >= 8
    assert commands("\n".join(MANIFESTS.values())) == of_compose


def test_every_service_of_one_host_is_a_deployment_or_the_job():
    services = re.findall(r"^  ([\w-]+):$", COMPOSE.partition("\nservices:")[2], re.MULTILINE)
    of_compose = set(services[: services.index("inside")] if "inside" in services else services)

    of_cluster = named("Deployment") | named("Job")

    assert of_cluster == of_compose - ELSEWHERE - {"outside"}


def test_what_may_run_more_than_once_scales_and_survives_a_drain():
    several = named("Deployment") - {"beat", "gateway"}

    assert named("HorizontalPodAutoscaler") == several - {"sequencer", "pgbouncer"}
    assert named("PodDisruptionBudget") == several


def test_every_manifest_and_patch_is_applied():
    applied = (ROOT / "deploy/kustomization.yaml").read_text()

    assert set(re.findall(r"kubernetes/([\w-]+)\.yaml", applied)) >= set(MANIFESTS)


def test_variables_are_known_and_those_of_one_host_are_set():
    of_compose = set(
        re.findall(r"^    ([A-Z_]+): .", COMPOSE.partition("\nservices:")[0], re.MULTILINE)
    )
    known = set(variables_explained())

    assert of_compose <= set(values())
    assert {name.removesuffix("_FILE") for name in values()} - known <= {"KEYSTORE"}


def test_secret_files_are_those_of_one_host():
    of_compose = set(re.findall(r"/run/secrets/(\w+)$", COMPOSE, re.MULTILINE))
    of_cluster = set(re.findall(r"/run/secrets/portal/(\w+)$", MANIFESTS["settings"], re.MULTILINE))

    assert of_compose - {"replication_passfile"} <= of_cluster  # of PostgreSQL's own containers
    assert of_cluster - of_compose == {"metrics_token"}


def test_probes_ask_under_a_name_that_is_answered():
    allowed = values()["ALLOWED_HOSTS"].split(",")
    asked = {
        host for text in MANIFESTS.values() for host in re.findall(r"Host, value: (\S+?)\}", text)
    }

    assert asked == set(allowed)


def test_a_pod_ends_after_its_requests():
    for name in ("web", "web-staff"):
        grace = int(re.findall(r"terminationGracePeriodSeconds: (\d+)", MANIFESTS[name])[0])
        wait = int(re.findall(r'sleep, "(\d+)"', MANIFESTS[name])[0])
        nginx_waits = int(re.findall(r'sleep, "(\d+)"', MANIFESTS["proxy"])[0])
        config = (ROOT / "deploy/gunicorn.conf.py").read_text()
        graceful = int(re.findall(r"graceful_timeout = (\d+)", config)[0])

        assert nginx_waits < wait
        assert wait + graceful < grace


def test_workers_scale_by_what_waits_and_by_a_metric_that_there_is():
    workers = MANIFESTS["workers"].split("\n---\n")
    scaled = {
        name[1]: (metric[1], metric[2], metric[3])
        for part in workers
        if "HorizontalPodAutoscaler" in part
        and (name := re.search(r"metadata: \{name: ([\w-]+)\}", part))
        and (metric := re.search(r"name: (portal_\w+)\s+selector: .*\{(\w+): (\w+)\}", part))
    }
    told = {(fact.name, fact.label, value) for fact in FACTS for value in fact.values}

    assert set(scaled) == {"worker-sending", "worker-periodic", "worker-registers"}
    assert set(scaled.values()) <= told


def test_only_the_holders_web_servers_go_through_the_pool():
    pooled = {name for name, text in MANIFESTS.items() if "@pgbouncer:6432" in text}

    assert pooled == {"web"}
