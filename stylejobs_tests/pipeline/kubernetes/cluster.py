"""A Kubernetes API on loopback that runs the containers of jobs as processes of this machine.

It speaks what Dagster's run launcher uses, places pods by node selector, taints and free GPUs as
a scheduler does, and checks each job against Kubernetes' published schema.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

SCHEMA = "1.33"
_GPU = "nvidia.com/gpu"
# What the image brings: the installed package. All else must be in the pod's specification.
_IMAGE = {
    "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
    "PYTHONPATH": str(Path(__file__).parents[3]),
    "HOME": str(Path.home()),
}


@dataclass
class Node:
    """A machine: pods with a matching selector that tolerate its taints may run on it."""

    name: str
    labels: dict[str, str] = field(default_factory=dict)
    taints: list[dict[str, str]] = field(default_factory=list)
    gpus: int = 0
    is_cordoned: bool = False

    def takes(self, spec: dict[str, Any]) -> bool:
        if self.is_cordoned:
            return False
        wanted = (spec.get("nodeSelector") or {}).items()
        tolerations = spec.get("tolerations") or []
        return wanted <= self.labels.items() and all(
            any(_tolerates(each, taint) for each in tolerations) for taint in self.taints
        )


def _tolerates(toleration: dict[str, str], taint: dict[str, str]) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return toleration.get("key") == taint["key"] and toleration.get("value") == taint["value"]


def gpus_of(spec: dict[str, Any]) -> int:
    """GPUs that a pod's containers ask for."""
    limits = [c.get("resources", {}).get("limits") or {} for c in spec["containers"]]
    return sum(int(each.get(_GPU, 0)) for each in limits)


@dataclass
class Pod:
    """The one pod of a job.

    Attributes:
        job: the job as it was sent.
        node: where it runs; None while it waits for a place.
        waits_for: why it does not run.
    """

    job: dict[str, Any]
    log: Path
    node: Node | None = None
    process: subprocess.Popen[bytes] | None = None
    phase: str = "Pending"
    waits_for: str = "Unschedulable"
    started: float | None = None
    ended: float | None = None

    @property
    def name(self) -> str:
        return str(self.job["metadata"]["name"])

    @property
    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.job["spec"]["template"]["spec"]
        return spec

    @property
    def run_id(self) -> str:
        return str(self.job["metadata"]["labels"]["dagster/run-id"])


class Cluster:
    """The cluster's state; every change happens under its lock.

    Args:
        folder: for the pods' logs and the kubeconfig.
        config_maps: the cluster's, by name.

    Attributes:
        has_images: whether nodes can pull the images of pods.
    """

    def __init__(
        self, folder: Path, nodes: list[Node], config_maps: dict[str, dict[str, str]]
    ) -> None:
        self._folder = folder
        self.nodes = nodes
        self.config_maps = config_maps
        self.has_images = True
        self.pods: dict[str, Pod] = {}
        self._lock = threading.RLock()

    def create(self, job: dict[str, Any]) -> Pod:
        import kubernetes_validate

        kubernetes_validate.validate(
            {"apiVersion": "batch/v1", "kind": "Job", **job}, SCHEMA, strict=True
        )
        with self._lock:
            pod = Pod(job, self._folder / f"{job['metadata']['name']}.log")
            self.pods[pod.name] = pod
        return pod

    def evict(self, pod: Pod, how: signal.Signals = signal.SIGKILL) -> None:
        """Take the pod's node away from it."""
        with self._lock:
            assert pod.process is not None
            os.killpg(pod.process.pid, how)

    def drain(self, node: Node) -> None:
        """Let no more pods onto the node, and ask those on it to stop."""
        with self._lock:
            node.is_cordoned = True
            for pod in self.pods.values():
                if pod.node is node and pod.phase == "Running":
                    self.evict(pod, signal.SIGTERM)

    def delete(self, name: str) -> None:
        with self._lock:
            pod = self.pods.pop(name)
            if pod.process and pod.process.poll() is None:
                os.killpg(pod.process.pid, signal.SIGTERM)

    def tick(self) -> None:
        """Note what ended and start what has a place."""
        with self._lock:
            for pod in self.pods.values():
                if pod.phase == "Running" and pod.process and pod.process.poll() is not None:
                    pod.phase = "Failed" if pod.process.returncode else "Succeeded"
                    pod.ended = time.time()
            for pod in self.pods.values():
                if pod.phase == "Pending" and (node := self._place(pod)):
                    if self.has_images:
                        self._start(pod, node)
                    else:
                        pod.node, pod.waits_for = node, "ImagePullBackOff"

    def _place(self, pod: Pod) -> Node | None:
        for node in self.nodes:
            used = sum(
                gpus_of(p.spec)
                for p in self.pods.values()
                if p.node is node and p.phase == "Running"
            )
            if node.takes(pod.spec) and used + gpus_of(pod.spec) <= node.gpus:
                return node
        return None

    def _start(self, pod: Pod, node: Node) -> None:
        (container,) = pod.spec["containers"]
        named: dict[str, str] = {}
        for source in container.get("envFrom") or ():
            named |= self.config_maps[source["configMapRef"]["name"]]
        named |= {e["name"]: e["value"] for e in container.get("env") or () if "value" in e}
        with pod.log.open("wb") as log:
            pod.process = subprocess.Popen(
                [*(container.get("command") or ()), *(container.get("args") or ())],
                env={**_IMAGE, **named},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        pod.node, pod.phase, pod.started = node, "Running", time.time()

    def shut_down(self) -> None:
        with self._lock:
            for pod in self.pods.values():
                if pod.process and pod.process.poll() is None:
                    os.killpg(pod.process.pid, signal.SIGKILL)

    # What the API shows

    def job_object(self, pod: Pod) -> dict[str, Any]:
        count = {"Pending": "active", "Running": "active", "Succeeded": "succeeded"}
        status: dict[str, Any] = {count.get(pod.phase, "failed"): 1}
        if pod.started:
            status["startTime"] = _stamp(pod.started)
        return {"apiVersion": "batch/v1", "kind": "Job", **pod.job, "status": status}

    def pod_object(self, pod: Pod) -> dict[str, Any]:
        (container,) = pod.spec["containers"]
        state: dict[str, Any] = {"waiting": {"reason": pod.waits_for}}
        if pod.phase == "Running":
            state = {"running": {"startedAt": _stamp(pod.started or 0)}}
        elif pod.process and pod.process.returncode is not None:
            state = {"terminated": {"exitCode": pod.process.returncode % 256, "reason": pod.phase}}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod.name, "labels": {"job-name": pod.name}},
            "spec": pod.spec,
            "status": {
                "phase": pod.phase,
                "containerStatuses": [
                    {
                        "name": container["name"],
                        "image": container["image"],
                        "imageID": "",
                        "ready": pod.phase == "Running",
                        "restartCount": 0,
                        "state": state,
                    }
                ],
            },
        }


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _routes(cluster: Cluster) -> list[Route]:
    batch = "/apis/batch/v1/namespaces/{namespace}/jobs"
    core = "/api/v1/namespaces/{namespace}"

    def found(request: Request) -> Pod | None:
        return cluster.pods.get(request.path_params["name"])

    def missing(request: Request) -> Response:
        status = {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
        return JSONResponse(status, 404)

    def selected(request: Request) -> list[Pod]:
        wanted = request.query_params.get("labelSelector", "") or request.query_params.get(
            "fieldSelector", ""
        )
        return [p for p in cluster.pods.values() if not wanted or wanted.endswith(f"={p.name}")]

    async def create_job(request: Request) -> Response:
        try:
            pod = cluster.create(json.loads(await request.body()))
        except Exception as error:  # the schema's verdict, as an API server gives it
            return JSONResponse({"kind": "Status", "message": str(error), "code": 422}, 422)
        return JSONResponse(cluster.job_object(pod), 201)

    def jobs(request: Request) -> Response:
        items = [cluster.job_object(pod) for pod in selected(request)]
        return JSONResponse({"kind": "JobList", "apiVersion": "batch/v1", "items": items})

    def job(request: Request) -> Response:
        pod = found(request)
        if pod is None:
            return missing(request)
        if request.method == "DELETE":
            cluster.delete(pod.name)
        return JSONResponse(cluster.job_object(pod))

    def pods(request: Request) -> Response:
        items = [cluster.pod_object(pod) for pod in selected(request)]
        return JSONResponse({"kind": "PodList", "apiVersion": "v1", "items": items})

    def pod(request: Request) -> Response:
        pod = found(request)
        return JSONResponse(cluster.pod_object(pod)) if pod else missing(request)

    def log(request: Request) -> Response:
        pod = found(request)
        return PlainTextResponse(pod.log.read_text()) if pod else missing(request)

    def events(_: Request) -> Response:
        return JSONResponse({"kind": "EventList", "apiVersion": "v1", "items": []})

    return [
        Route(batch, create_job, methods=["POST"]),
        Route(batch, jobs),
        Route(batch + "/{name}", job, methods=["GET", "DELETE"]),
        Route(batch + "/{name}/status", job),
        Route(core + "/pods", pods),
        Route(core + "/pods/{name}", pod, methods=["GET", "DELETE"]),
        Route(core + "/pods/{name}/log", log),
        Route(core + "/events", events),
    ]


@contextmanager
def cluster_running(
    folder: Path, nodes: list[Node], config_maps: dict[str, dict[str, str]]
) -> Iterator[tuple[Cluster, Path]]:
    """A cluster and the kubeconfig that leads to it."""
    cluster = Cluster(folder, nodes, config_maps)
    server = uvicorn.Server(
        uvicorn.Config(
            Starlette(routes=_routes(cluster)), host="127.0.0.1", port=0, log_level="warning"
        )
    )
    stopped = threading.Event()

    def schedule() -> None:
        while not stopped.wait(0.1):
            cluster.tick()

    threads = [threading.Thread(target=server.run), threading.Thread(target=schedule)]
    for thread in threads:
        thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield cluster, kubeconfig_file(folder, f"http://127.0.0.1:{port}")
    finally:
        stopped.set()
        server.should_exit = True
        for thread in threads:
            thread.join()
        cluster.shut_down()


def kubeconfig_file(folder: Path, url: str) -> Path:
    """Lets clients find the API at `url`."""
    path = folder / "kubeconfig.yaml"
    context = {"cluster": "loopback", "user": "loopback", "namespace": "stylejobs"}
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "loopback",
                "clusters": [{"name": "loopback", "cluster": {"server": url}}],
                "users": [{"name": "loopback", "user": {}}],
                "contexts": [{"name": "loopback", "context": context}],
            }
        )
    )
    return path
