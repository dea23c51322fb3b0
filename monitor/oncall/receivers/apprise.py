"""How does a message reach e-mail and the long tail of places? Through Apprise, the one door to it.

Apprise dials by itself. Where its URL names a host, that host is resolved and checked first by the rules of every
other receiver, and redirects are off; but it then resolves the name once more, honours proxies of the environment, and
reads the answer. Whoever must exclude a resolver that lies the second time uses one of the receivers of our own.
"""

import logging
from typing import Any

from monitor.oncall.receivers.endpoint import TIMEOUT_SECONDS, Resolve, checked_addresses, resolve_host, within
from monitor.oncall.receivers.port import DeliveryFailed, Message


class AppriseReceiver:
    """Hands each message to the service that an Apprise URL names. The URL is the secret.

    timeout_seconds: for all of a message; a service that takes longer is left behind in its thread.
    """

    def __init__(
        self,
        url: str,
        *,
        allow_private: bool = False,
        timeout_seconds: float = TIMEOUT_SECONDS,
        resolve: Resolve = resolve_host,
    ) -> None:
        self._url, self.allow_private, self.timeout_seconds = url, allow_private, timeout_seconds
        self.resolve = resolve

    def send(self, message: Message) -> None:
        """Raises DeliveryFailed unless the service took it."""
        service = self.service()
        self._check_hosts(service)
        try:
            is_taken = within(
                self.timeout_seconds,
                lambda: service.notify(body="\n".join(_body(message)), title=message.lines[0], body_format="text"),
            )
        except TimeoutError:
            raise DeliveryFailed(f"no answer within {self.timeout_seconds:g} s") from None
        if not is_taken:
            raise DeliveryFailed("the service did not take it")

    def service(self) -> Any:
        """The service that the URL names. Raises DeliveryFailed if there is none, or Apprise is not installed."""
        try:
            import apprise
        except ModuleNotFoundError:
            raise DeliveryFailed("it needs pip install 'reward-drift-monitor[notify]'") from None
        logging.getLogger("apprise").disabled = True  # it tells URLs and answers
        service = apprise.Apprise.instantiate(self._url, asset=apprise.AppriseAsset(http_redirects=False))
        if service is None:
            raise DeliveryFailed("its URL is none that Apprise knows")
        service.verify_certificate = True
        return service

    def _check_hosts(self, service: Any) -> None:
        """Every host that the URL may name; services on the internet name none, and what stands there is a token."""
        names_host = any("{host}" in template for template in service.templates)
        hosts: set[str] = {service.host if names_host else "", getattr(service, "smtp_host", "")}
        for host in filter(None, hosts):
            if "." not in host and ":" not in host and not self.allow_private:
                raise DeliveryFailed("its host is no full name, and allow_private is not set")
            checked_addresses(
                host,
                service.port or 443,
                encrypted=bool(service.secure),
                allow_private=self.allow_private,
                seconds=self.timeout_seconds,
                resolve=self.resolve,
            )


def _body(message: Message) -> list[str]:
    return [*message.lines[1:], *(f"{name}: {url}" for name, url in message.links.items())] or [message.lines[0]]
