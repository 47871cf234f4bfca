"""A headless Chromium, driven over a pipe by the Chrome DevTools Protocol: no port is opened."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
    *("--force-color-profile=srgb", "--remote-debugging-pipe"),
)
# The file descriptors at which Chromium reads commands and writes answers.
_COMMANDS, _ANSWERS = 3, 4


class PageError(AssertionError):
    """A command was refused, or a script on the page threw."""


@dataclass
class Browser:
    """A running Chromium; ``events`` are those that no command waited for."""

    commands: BinaryIO
    answers: BinaryIO
    events: list[dict[str, Any]] = field(default_factory=list)
    _number: int = 0
    _rest: bytes = b""

    def send(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """The result of a command."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        self.commands.write(json.dumps(message).encode() + b"\0")
        self.commands.flush()
        while True:
            answer = self._read()
            if answer.get("id") != self._number:
                self.events.append(answer)
                continue
            if "error" in answer:
                raise PageError(f"{method}: {answer['error']}")
            result: dict[str, Any] = answer["result"]
            return result

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self.answers.fileno(), 1 << 20)
            if not part:
                raise PageError("Chromium has ended")
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        read: dict[str, Any] = json.loads(message)
        return read


@dataclass
class Page:
    """One page of a browser."""

    browser: Browser
    session: str

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command about this page."""
        return self.browser.send(method, self.session, **parameters)

    def open(self, path: Path) -> None:
        """Open a file, and wait until its script has drawn it."""
        self.send("Page.navigate", url=path.as_uri())
        self.run(
            "new Promise((done) => { const look = () => document.documentElement?.dataset.ready"
            " ? done() : setTimeout(look, 5); look(); })"
        )

    def run(self, script: str) -> Any:
        """The value of an expression on the page, awaited if it is a promise."""
        result = self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in result:
            raise PageError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    def press(self, *keys: str) -> None:
        """Press keys, named as in ``KeyboardEvent.key``, and wait for the next frame."""
        for key in keys:
            typed = {"text": key} if len(key) == 1 else {}
            for kind in ("keyDown", "keyUp"):
                more = typed if kind == "keyDown" else {}
                self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, **more)
        self.run("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")

    def emulate(self, width: int, height: int, **media: str) -> None:
        """Set the size of the viewport, and media features such as ``prefers-color-scheme``."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [{"name": name, "value": value} for name, value in media.items()]
        self.send("Emulation.setEmulatedMedia", features=features)

    def screenshot(self, path: Path) -> None:
        """Write a PNG of what is in sight."""
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))

    def events(self, method: str) -> list[Mapping[str, Any]]:
        """The parameters of the events of this kind, so far."""
        return [
            event["params"]
            for event in self.browser.events
            if event.get("method") == method and event.get("sessionId") == self.session
        ]


def runs(program: Path) -> bool:
    """Whether a Chromium is there, opens a page on this machine."""
    try:
        done = subprocess.run(  # noqa: S603  # our own program
            [program, *_OPTIONS[:2], "--dump-dom", "about:blank"],
            env=_environment(program),
            capture_output=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return b"<html>" in done.stdout


@contextmanager
def chromium(program: Path, profile: Path) -> Iterator[Browser]:
    """A running Chromium, with the libraries beside its ``program`` if there are any.

    ``profile`` is an empty folder for what it stores.
    """
    (commands, to_browser), (from_browser, answers) = _pipe(), _pipe()

    def place() -> None:
        os.dup2(commands, _COMMANDS)
        os.dup2(answers, _ANSWERS)

    running = subprocess.Popen(  # noqa: S603  # our own program
        [program, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
        env=_environment(program) | {"HOME": str(profile)},
        preexec_fn=place,  # no other thread runs yet
        pass_fds=(_COMMANDS, _ANSWERS),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(commands)
    os.close(answers)
    with os.fdopen(to_browser, "wb") as writes, os.fdopen(from_browser, "rb") as reads:
        browser = Browser(writes, reads)
        try:
            yield browser
        finally:
            running.terminate()
            running.wait(20)


def _environment(program: Path) -> dict[str, str]:
    libraries = program.parent / "lib"
    found = {"LD_LIBRARY_PATH": str(libraries)} if libraries.is_dir() else {}
    return {"PATH": os.environ["PATH"], **found}


def _pipe() -> tuple[int, int]:
    """A pipe at descriptors that are not those of Chromium."""
    reads, writes = os.pipe()
    moved = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 10) for each in (reads, writes)]
    os.close(reads)
    os.close(writes)
    return moved[0], moved[1]


@contextmanager
def page_in(browser: Browser) -> Iterator[Page]:
    """A new page, in a context of its own."""
    context = browser.send("Target.createBrowserContext")["browserContextId"]
    target = browser.send("Target.createTarget", url="about:blank", browserContextId=context)
    attached = browser.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
    page = Page(browser, attached["sessionId"])
    for domain in ("Page", "Runtime", "Network", "Log"):
        page.send(f"{domain}.enable")
    try:
        yield page
    finally:
        browser.send("Target.disposeBrowserContext", browserContextId=context)
