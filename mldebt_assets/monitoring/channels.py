"""Where alerts go: any service that apprise knows, by one address each, from the environment alone.

The addresses hold credentials: they come into no message, log, cursor or file, only the service's
name and a digest.
"""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mldebt_assets.core.errors import AlertAddressError
from mldebt_assets.core.fingerprint import sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mldebt_assets.monitoring.standing import Severity

VARIABLE = "MLDEBT_ALERTS"
LEAST_VARIABLE = "MLDEBT_ALERTS_SEVERITY"
# As apprise separates them: by white space or commas before the next address.
BETWEEN = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")
DELIVERY_SECONDS = 8.0
DIGITS = 12
SEVERITIES: tuple[Severity, ...] = ("warn", "error")


@dataclass(frozen=True)
class Channel:
    """One address: ``service`` is what comes before its ``://``, ``key`` a digest of all of it."""

    number: int
    service: str
    key: str
    address: str = field(repr=False)

    @property
    def name(self) -> str:
        """How it is called where its address must not be: ``slack (address 1)``."""
        return f"{self.service} (address {self.number})"

    def require(self) -> Any:
        """Return apprise's object for the address.

        Raises: AlertAddressError if apprise knows no such service, or misses a part of it.
        """
        import apprise

        quiet()
        asset = apprise.AppriseAsset(app_id="mldebt", app_desc="mldebt", async_mode=False)
        made = None
        if not re.search(r"\s", self.address):
            made = apprise.Apprise.instantiate(self.address, asset=asset, suppress_exceptions=True)
        if made is None:
            raise AlertAddressError.of(VARIABLE, self.number, self.service)
        return made

    def deliver(self, title: str, body: str, kind: str) -> bool:
        """Send one message within ``DELIVERY_SECONDS``; return whether the service took it.

        Raises: AlertAddressError as :meth:`require`.
        """
        import apprise

        one = apprise.Apprise(asset=apprise.AppriseAsset(app_id="mldebt", async_mode=False))
        one.add(self.require())
        return bool(
            one.notify(
                title=title,
                body=body,
                notify_type=kind,
                body_format=apprise.NotifyFormat.TEXT,
                timeout=DELIVERY_SECONDS,
            )
        )


def quiet() -> None:
    """Keep apprise's own log away: what it says of a bad address holds the address."""
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)


def channels(environment: Mapping[str, str] = os.environ) -> list[Channel]:
    """Return the channels that ``MLDEBT_ALERTS`` names, in its order, each once.

    >>> [c.name for c in channels({"MLDEBT_ALERTS": "slack://a/b/c, mailto://u:p@example.org"})]
    ['slack (address 1)', 'mailto (address 2)']
    """
    found: dict[str, Channel] = {}
    addresses = BETWEEN.split(environment.get(VARIABLE, "").strip(" \t\r\n,"))
    for number, address in enumerate(filter(None, addresses), start=1):
        digest = sha256(address.encode())[:DIGITS]
        scheme, separator, _ = address.partition("://")
        found.setdefault(digest, Channel(number, scheme if separator else "?", digest, address))
    return list(found.values())


def wanted(environment: Mapping[str, str] = os.environ) -> tuple[Severity, ...]:
    """Return the severities that are told: all, or with ``MLDEBT_ALERTS_SEVERITY=error`` that one.

    Raises: AlertAddressError where it says anything but warn or error.

    >>> wanted({}), wanted({"MLDEBT_ALERTS_SEVERITY": "ERROR"})
    (('warn', 'error'), ('error',))
    """
    least = environment.get(LEAST_VARIABLE, "").strip().lower() or "warn"
    if least not in SEVERITIES:
        raise AlertAddressError.of_severity(LEAST_VARIABLE, least, SEVERITIES)
    return SEVERITIES[SEVERITIES.index(least) :]
