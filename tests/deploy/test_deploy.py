"""Do the files of the installation fit each other and the program? Nothing here starts a container."""

import re
import shlex
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.cli import Commands
from monitor.commands.lazy import load
from monitor.settings import load_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
UNITS = {path.name: path.read_text() for path in sorted((DEPLOY / "systemd").glob("*.service"))}
COMMAND = re.compile(r"reward-drift (?=[a-z-])[^;&|>#\n`]*")
SECRET = re.compile(r"""(?i)(password|secret|token|key)[\w.]*\s*[:=]\s*["']?[\w/+$]|://[^/\s:@]+:[^/\s@]+@""")


def _commands() -> dict[str, str]:
    """Where -> the command line of ours that stands there."""
    lines = {
        f"unit {name}": re.findall(r"^ExecStart=\S+/(reward-drift .*)$", text, re.M) for name, text in UNITS.items()
    }
    for name, service in OURS.items():
        said = service["command"]
        lines[f"service {name}"] = COMMAND.findall(said[-1]) if said[0] == "sh" else [shlex.join(said)]
    for path in (DEPLOY / "README.md", ROOT / "README.md"):
        shown = "\n".join(re.findall(r"^```sh\n(.*?)^```", path.read_text(), re.M | re.S))
        lines[f"{path.parent.name}/{path.name}"] = re.findall(rf"^(?:\$ )?({COMMAND.pattern})", shown, re.M)
    return {f"{where} {number}": line for where, found in lines.items() for number, line in enumerate(found)}


@pytest.mark.parametrize("line", _commands().values(), ids=_commands().keys())
def test_each_command_is_one_that_the_program_has(line: str) -> None:
    name, *words = shlex.split(line)[1:]
    assert name in Commands.entries, f"no command {name}"
    command = load(name, Commands.entries[name])
    while hasattr(command, "commands"):
        context = command.make_context(name, words)  # a group may put a name before arguments that have none
        name, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
        assert name is not None, f"no such command: {line}"
    command.make_context(line, words)  # raises for an option or argument that it does not have


def test_every_service_of_ours_and_every_unit_runs_a_command() -> None:
    where = {name.rpartition(" ")[0] for name in _commands()}
    assert {f"service {name}" for name in OURS} | {f"unit {name}" for name in UNITS} <= where


def test_the_settings_load() -> None:
    settings = load_settings(DEPLOY / "reward-drift.yaml")
    assert settings.kafka is not None
    address = f"{SERVICES['kafka']['hostname']}:19092"
    assert settings.kafka.bootstrap == (address,)
    assert f"INSIDE://{address}" in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    made = shlex.split(SERVICES["topics"]["command"][-1].partition(";")[0])[3:]
    assert sorted(made) == sorted([*settings.kafka.topics, *settings.kafka.routed.topics])


@pytest.mark.parametrize(
    "image", sorted({s["image"] for s in SERVICES.values()} | set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)))
)
def test_images_are_pinned_to_a_full_version(image: str) -> None:
    assert re.search(r":\d+\.\d+[\w.-]*$", image)


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_on_loopback_alone(name: str) -> None:
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_has_a_memory_limit_and_restarts(name: str) -> None:
    service = SERVICES[name]
    assert service["mem_limit"]
    assert service["restart"] in ("on-failure", "unless-stopped")
    assert name in ("topics", "router") or service["healthcheck"]["test"]


@pytest.mark.parametrize(
    "name", [name for name, service in SERVICES.items() if service.get("command", [""])[0] == "sh"]
)
def test_what_a_shell_runs_is_well_formed(name: str) -> None:
    script = SERVICES[name]["command"][-1].replace("$$", "$")
    subprocess.run(["sh", "-n", "-c", script], check=True)


@pytest.mark.parametrize("name", OURS)
def test_our_services_run_with_nothing_they_do_not_need(name: str) -> None:
    service = OURS[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_database_is_reached_from_inside_alone() -> None:
    assert COMPOSE["networks"]["inside"]["internal"]
    assert SERVICES["postgres"]["networks"] == ["inside"]


def test_what_is_mounted_is_there_and_what_is_named_is_declared() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DEPLOY / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"]
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_no_secret_stands_in_a_file() -> None:
    ignored = (DEPLOY / ".gitignore").read_text().split()
    assert "secrets/" in ignored
    assert "environment" in ignored
    for path in [*DEPLOY.rglob("*")]:
        if path.is_file() and path.relative_to(DEPLOY).parts[0] not in ("secrets", "environment"):
            for line in path.read_text().splitlines():
                told = line.partition("#")[0]
                assert not SECRET.search(told) or "/run/secrets/" in told or "$" in told, f"{path.name}: {line}"


def test_the_image_has_the_drivers_and_no_torch() -> None:
    (extras,) = re.findall(r"'\.\[(.*?)\]'", DOCKERFILE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert extras.split(",") == ["kafka", "postgres", "web"]
    wanted = [
        *project["dependencies"],
        *(one for extra in extras.split(",") for one in project["optional-dependencies"][extra]),
    ]
    assert not [one for one in wanted if one.startswith(("torch", "transformers"))]


def test_the_image_runs_as_a_user_without_rights_and_holds_only_what_it_needs() -> None:
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last_stage, re.M)
    assert "pip" not in last_stage
    assert not re.search(r"^ADD |apt-get|curl |sudo ", DOCKERFILE, re.M)
    allowed = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().split() if line.startswith("!")}
    copied = {
        part
        for line in re.findall(r"^COPY (?!--from)(.*)", DOCKERFILE, re.M)
        for part in line.split()[:-1]
        if not part.startswith("--")
    }
    assert copied == allowed
    assert all((ROOT / part).exists() for part in copied)


def test_the_password_is_handed_over_by_a_script_that_runs() -> None:
    script = DEPLOY / "with-password.sh"
    assert script.stat().st_mode & stat.S_IXUSR
    assert "COPY --chmod=755 deploy/with-password.sh /usr/local/bin/with-password" in DOCKERFILE


@pytest.mark.parametrize("name", UNITS)
def test_units_are_hardened(name: str) -> None:
    for setting in ("NoNewPrivileges=true", "ProtectSystem=strict", "ProtectHome=true", "PrivateTmp=true"):
        assert setting in UNITS[name].splitlines()


@pytest.mark.parametrize("name", ["consume", "serve"])
def test_what_stays_up_has_a_memory_limit_and_restarts(name: str) -> None:
    unit = UNITS[f"reward-drift-{name}.service"].splitlines()
    assert {"Restart=on-failure", "RestartSec=15", "TimeoutStopSec=60"} <= set(unit)
    assert any(line.startswith("MemoryMax=") for line in unit)


def test_the_unit_that_reads_streams_has_a_memory_limit_and_restarts_after_failures() -> None:
    unit = UNITS["reward-drift-consume.service"].splitlines()
    assert "MemoryMax=1G" in unit
    assert "Restart=on-failure" in unit
