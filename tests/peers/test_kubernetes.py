"""The manifests as kubectl renders them, against the strict schemas of two Kubernetes versions."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
VALIDATE = ROOT / ".data" / "peers" / "bin" / "kubernetes-validate"
KUBECTL = shutil.which("kubectl")
CONTAINERS = ("portal", "nginx", "pgbouncer")

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(not VALIDATE.exists(), reason="no Kubernetes schemas: make peers"),
    pytest.mark.skipif(KUBECTL is None, reason="LEFT OUT: no kubectl to render the manifests"),
]


@pytest.fixture(scope="module")
def rendered() -> str:
    done = subprocess.run(
        [str(KUBECTL), "kustomize", "deploy"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


def faults(manifests: str, directory: Path, version: str) -> list[str]:
    file = directory / "rendered.yaml"
    file.write_text(manifests)
    done = subprocess.run(
        [str(VALIDATE), "--kubernetes-version", version, "--strict", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (done.stdout + done.stderr).splitlines()
    assert lines
    return [line for line in lines if "passed for resource" not in line]


@pytest.mark.parametrize("version", ["1.32", "1.37"])
def test_every_object_has_the_form_that_the_cluster_asks_for(rendered, tmp_path, version):
    assert faults(rendered, tmp_path, version) == []


def test_a_misspelt_field_is_found(rendered, tmp_path):
    wrong = rendered.replace("readinessProbe:", "readynessProbe:", 1)

    assert wrong != rendered
    assert faults(wrong, tmp_path, "1.37")


def test_every_container_has_no_rights_and_an_image(rendered):
    pods = [part for part in rendered.split("\n---\n") if "\n      containers:\n" in part]

    assert len(pods) >= 7
    for pod in pods:
        containers = sum(pod.count(f"\n        name: {name}\n") for name in CONTAINERS)
        assert containers == pod.count("readOnlyRootFilesystem: true")
        assert containers == pod.count("allowPrivilegeEscalation: false")
        assert containers == len([line for line in pod.splitlines() if " image: " in line])
        assert "image: voting-portal" not in pod
        assert "runAsNonRoot: true" in pod
