"""Keeps the requests of a survey within the rates at which AWS accepts them."""

from __future__ import annotations

import time
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from functions.enrolment.rate import Rate


class Pacer:
    """One token bucket, shared by threads.

    ``now`` returns seconds that never decrease. In a period of ``s`` seconds at most
    ``burst + s * per_second`` calls of :meth:`wait` return.
    """

    def __init__(
        self,
        rate: Rate,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1 / rate.per_second
        self._tolerance = (rate.burst - 1) * self._interval
        self._now = now
        self._sleep = sleep
        self._lock = Lock()
        # When the bucket is full again, if nothing more is taken.
        self._full_at = now()

    def wait(self) -> None:
        """Take a token, and sleep until it is there.

        Lambda functions of this project do not sleep until something has happened at AWS; the
        workflow waits for that. This sleep only spaces requests: it takes at most as many
        intervals as threads share the pacer.
        """
        with self._lock:
            now = self._now()
            start = max(now, self._full_at - self._tolerance)
            self._full_at = max(now, self._full_at) + self._interval
        if start > now:
            self._sleep(start - now)


class Pacing:
    """The pacers of one account.

    ``rates`` are by service or by operation, in the spelling of IAM (``guardduty``,
    ``organizations:ListAccounts``). An operation with a rate of its own has a bucket of its own;
    the other operations of a service share the service's. Every Region has buckets of its own. What
    has no rate is not paced.
    """

    def __init__(
        self,
        rates: Mapping[str, Rate],
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rates = rates
        self._pacer = partial(Pacer, now=now, sleep=sleep)
        self._pacers: dict[tuple[str, str], Pacer] = {}
        self._lock = Lock()

    def attach(self, client: Any) -> None:
        """Pace a boto3 client: every request that it sends, thus every page and every retry."""
        service, region = client.meta.service_model.service_name, client.meta.region_name

        def before_send(event_name: str, **_: object) -> None:
            self.wait(service, event_name.rpartition(".")[2], region)

        # First, because what comes later may answer the request in place of AWS, as tests do.
        client.meta.events.register_first("before-send", before_send)

    def wait(self, service: str, operation: str, region: str) -> None:
        """Wait until a request may be sent."""
        own = f"{service}:{operation}"
        name = own if own in self._rates else service
        if name not in self._rates:
            return
        with self._lock:
            key = (name, region)
            if key not in self._pacers:
                self._pacers[key] = self._pacer(self._rates[name])
            pacer = self._pacers[key]
        pacer.wait()
