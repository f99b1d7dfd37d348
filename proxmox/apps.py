from django.apps import AppConfig


class ProxmoxConfig(AppConfig):
    name = "proxmox"
    verbose_name = "Proxmox VE"
