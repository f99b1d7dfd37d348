from django.apps import AppConfig


class WireguardConfig(AppConfig):
    name = "wireguard"
    verbose_name = "WireGuard"

    def ready(self) -> None:
        from wireguard import checks  # noqa: F401 - importing registers them
