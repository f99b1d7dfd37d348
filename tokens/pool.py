"""The arithmetic of the address pool: host numbers within the hub's network. Host 1 is the hub's own."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

HUB_HOST = 1


class UnfitAddressError(ValueError):
    """An address that no spoke of this network can have; the message says why."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The hosts of one network that spokes can lease: 2 up to the one before the broadcast address."""

    network: IPv4Network

    @property
    def first_host(self) -> int:
        return HUB_HOST + 1

    @property
    def last_host(self) -> int:
        return self.network.num_addresses - 2

    @property
    def size(self) -> int:
        return self.last_host - self.first_host + 1

    def address_of(self, host: int) -> IPv4Address:
        """The address of a host number."""
        return self.network[host]

    def host_of(self, text: str) -> int:
        """The host number of an address a person wrote, with or without a prefix length. Raises UnfitAddressError."""
        address = self._parse(text)
        if address not in self.network:
            raise UnfitAddressError(f"{address} is outside {self.network}.")
        host = int(address) - int(self.network.network_address)
        special = {
            0: "the network address",
            HUB_HOST: "the hub's own address",
            self.last_host + 1: "the broadcast address",
        }
        if host in special:
            raise UnfitAddressError(f"{address} is {special[host]}.")
        return host

    def _parse(self, text: str) -> IPv4Address:
        address_text, slash, length = text.partition("/")
        if slash and length not in {"32", str(self.network.prefixlen)}:
            raise UnfitAddressError(f"The prefix length must be {self.network.prefixlen}, as the network's.")
        try:
            return IPv4Address(address_text)
        except ValueError:
            raise UnfitAddressError("Must be an IPv4 address such as " + f"{self.network[self.first_host]}.") from None
