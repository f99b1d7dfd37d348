from django.apps import AppConfig


class WireguardConfig(AppConfig):
    name = "wireguard"
    verbose_name = "WireGuard"
