"""A pod, run as the kubelet runs one: an application, and the sidecar that it needs.

    the sidecar starts ── its startup probe answers ──► the application starts
    delete: preStop hooks of both, at once ──► SIGTERM to the application ── it is gone ──► SIGTERM
            to the sidecar
    the grace period is over: SIGKILL to the application, SIGTERM to the sidecar, SIGKILL 2 s later

That is a native sidecar (Kubernetes from 1.29 on). A plain container gets its SIGTERM when its hook
is over, and waits for nobody.
"""

import contextlib
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from gateway import http_get
from waiting import eventually

# What a container has after its SIGTERM, however much of the grace period hooks and others used up.
AT_LEAST = 2.0


@dataclass
class Ending:
    """How a pod ended. Times are of the monotonic clock, exit codes those of Popen."""

    began: float
    hook: int | None = None  # exit code of the sidecar's preStop hook
    hook_said: str = ""
    application: int | None = None
    application_gone: float | None = None
    sidecar_told: float | None = None  # its SIGTERM
    sidecar: int | None = None
    sidecar_gone: float | None = None

    @property
    def seconds(self):
        return self.sidecar_gone - self.began


class Pod:
    """`sidecar`: a Gateway with a `probes` address, not started. `command`: of the application;
    `environment`: its variables. `grace`: terminationGracePeriodSeconds. `hook`: how long
    `sidebus drain`, the sidecar's preStop hook, may take, as its --grace has it; None: there is no
    hook. `native`: else the sidecar is a plain container.
    """

    def __init__(self, sidecar, probes, command, environment, grace, hook, native=True):
        self.sidecar = sidecar
        self._probes = probes
        self._command, self._environment = command, environment
        self._grace, self._hook, self._is_native = grace, hook, native
        self._application = None
        self.hook_is_over = threading.Event()
        self._application_is_gone = threading.Event()

    def start(self, seconds=30):
        """Returns when the application was started."""
        self.sidecar.launch()
        eventually(lambda: self.probe("/startupz") or not self.sidecar.running, "startup", seconds)
        assert self.sidecar.running, self.sidecar.log()
        self._application = subprocess.Popen(self._command, env=self._environment)
        return self

    def probe(self, path):
        """Whether an HTTP probe succeeds."""
        with contextlib.suppress(OSError):
            return http_get(f"http://{self._probes}{path}")[0] == 200
        return False

    @property
    def running(self):
        """Whether the application is."""
        return self._application.poll() is None

    def delete(self, application_hook=lambda: None):
        """Ends it, and returns how. `application_hook`: the application's preStop hook, run in a
        thread; what it raises is raised here.
        """
        assert self.sidecar.running, "a sidecar that ends by itself is started again"
        ending = Ending(time.monotonic())
        with ThreadPoolExecutor(2) as threads:
            of_application = threads.submit(self._end_application, ending, application_hook)
            of_sidecar = threads.submit(self._end_sidecar, ending)
            of_application.result()
            of_sidecar.result()
        return ending

    def complete(self, seconds=60):
        """Waits until the application ends by itself, as a Job's does, and ends the pod then."""
        eventually(lambda: not self.running, "the end of the application", seconds)
        return self.delete()

    def close(self):
        """SIGKILL to what still runs."""
        if self._application is not None:
            self._application.kill()
            self._application.wait()

    def _left(self, ending):
        return max(0.0, ending.began + self._grace - time.monotonic())

    def _end_application(self, ending, hook):
        try:
            if self.running:
                hook()
            self._application.send_signal(signal.SIGTERM)
            try:
                self._application.wait(max(self._left(ending), AT_LEAST))
            except subprocess.TimeoutExpired:
                self._application.kill()
            ending.application = self._application.wait()
            ending.application_gone = time.monotonic()
        finally:
            self._application_is_gone.set()

    def _end_sidecar(self, ending):
        if self._hook is not None:
            self._run_hook(ending)
        self.hook_is_over.set()
        if self._is_native:
            self._application_is_gone.wait(self._left(ending))
        assert self.sidecar.running, "it ended before its SIGTERM"
        ending.sidecar_told = time.monotonic()
        self.sidecar.signal(signal.SIGTERM)
        try:
            ending.sidecar = self.sidecar.wait(max(self._left(ending), AT_LEAST))
        except AssertionError:
            self.sidecar.kill()
            ending.sidecar = -signal.SIGKILL
        ending.sidecar_gone = time.monotonic()

    def _run_hook(self, ending):
        hook = self.sidecar.begin("drain", f"--grace={self._hook}")
        try:
            ending.hook_said, errors = hook.communicate(timeout=self._left(ending))
            ending.hook_said += errors
        except subprocess.TimeoutExpired:
            hook.kill()
        ending.hook = hook.wait()
