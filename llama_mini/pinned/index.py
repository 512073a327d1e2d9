"""Where pip would look for a package on this machine: the user's own settings."""

import ast
import os
import subprocess
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class IndexSettings:
    """Where pip would look on this machine, and how it would connect. Field names are pip's."""

    index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    cert: str | None = None
    client_cert: str | None = None
    proxy: str | None = None
    timeout: float = 30.0


def index_settings() -> IndexSettings:
    """The user's settings: pip's configuration files and `PIP_…` variables, as pip reads them.

    Without pip in this environment, the variables alone.
    """
    values: dict[str, str] = {}
    lines = _pip_config_lines()
    # pip's order: what holds for all commands, then for this command, then the environment.
    for section in ("global", "download", ":env:"):
        for line in lines:
            name, separator, value = line.partition("=")
            where, _, key = name.rpartition(".")
            if separator and where == section:
                values[key.replace("_", "-")] = str(ast.literal_eval(value))

    def many(key: str) -> tuple[str, ...]:
        return tuple(values.get(key, "").split())

    no_index = values.get("no-index", "").lower() in ("1", "true", "yes", "on")
    indexes = (*(many("index-url") or _default_index()), *many("extra-index-url"))
    return IndexSettings(
        index_urls=() if no_index else tuple(dict.fromkeys(indexes)),
        find_links=many("find-links"),
        trusted_hosts=many("trusted-host"),
        cert=values.get("cert") or None,
        client_cert=values.get("client-cert") or None,
        proxy=values.get("proxy") or None,
        timeout=float(values.get("timeout") or values.get("default-timeout") or 30.0),
    )


def _default_index() -> tuple[str, ...]:
    from unearth import PackageFinder

    # A finder that is told of no place uses the public index, as pip does.
    return tuple(source["url"] for source in PackageFinder().sources)


def _pip_config_lines() -> list[str]:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return result.stdout.splitlines()
    return [
        f":env:.{name.removeprefix('PIP_').lower().replace('_', '-')}={value!r}"
        for name, value in os.environ.items()
        if name.startswith("PIP_")
    ]
