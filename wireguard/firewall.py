"""The hub's own nftables table, as scripts for `nft -f`. Tables of others are never named, never touched."""

from wireguard.configtext import check_interface_name

TABLE = "inet wireguard_hub"

# Declaring before deleting works whether the table was there or not; one script is one transaction.
REMOVAL_TEXT = f"table {TABLE}\ndelete table {TABLE}\n"


def ruleset_text(interface: str, mode: str = "isolated") -> str:
    """A script that replaces our table by one for forwarding `mode`; ValueError when the mode is unknown.

    `isolated`: what enters by the hub's interface does not leave by it; spokes reach the hub, not each other.
    """
    if mode != "isolated":
        raise ValueError(f"The forwarding mode {mode!r} is not known; known is: isolated.")
    name = check_interface_name(interface)
    return (
        f"{REMOVAL_TEXT}"
        f"table {TABLE} {{\n"
        "\tchain forward {\n"
        "\t\ttype filter hook forward priority filter; policy accept;\n"
        f'\t\tiifname "{name}" oifname "{name}" drop\n'
        "\t}\n"
        "}\n"
    )
