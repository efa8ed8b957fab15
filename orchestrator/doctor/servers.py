"""Probes of language model servers that Nightreel starts or looks after, and of the CPU's share."""

from __future__ import annotations

import importlib.util
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from orchestrator.doctor.findings import Finding, Grade
from orchestrator.server_settings import ServerSettings
from orchestrator.settings import Settings

ANSWER_S = 5.0
PAGE = "docs/language-models.md"


def managed_servers(settings: Settings) -> Iterator[Finding]:
    """Look at every entry of `servers`, without starting any."""
    shared = [one for one in settings.comfyui.instances if one.role == "work"]
    for server in settings.servers:
        subject = f"server {server.name}"
        if server.command:
            yield from _command(subject, server)
        elif server.inside is not None:
            yield from _inside(subject, server)
        else:
            yield from _theirs(subject, server)
        if not shared:
            continue
        hosts = {one.host for one in shared}
        if server.gpus is None and server.host in hosts:
            found = "it does not say which cards it has: every card of its host is taken to be shared with it"
            yield Finding(subject, Grade.WARNING, found, "give it `gpus`, such as [0], or [] when it needs none")
        if server.gpus and any(one.gpu is None and one.host == server.host for one in shared):
            names = ", ".join(one.name for one in shared if one.gpu is None and one.host == server.host)
            found = f"{names} may be on its card: nobody says which card that is"
            yield Finding(subject, Grade.WARNING, found, "give every instance of that host its `gpu`")
        if _shares_a_card(server, settings) and server.kind == "other" and server.inside is None:
            yield from _cannot_rest(subject, server)


def _command(subject: str, server: ServerSettings) -> Iterator[Finding]:
    path = server.environment.get("PATH")
    if server.folder is not None and not server.folder.is_dir():
        yield Finding(subject, Grade.PROBLEM, f"{server.folder} is no folder", "correct its `folder`")
    program = shutil.which(server.command[0], path=path)
    if program is None:
        found = f"`{server.command[0]}`, the program of its command, is not installed here or not on PATH"
        yield Finding(subject, Grade.PROBLEM, found, "give the whole path of the program, as the first word")
        return
    if server.port and _is_taken(server.port):
        found = f"port {server.port} is taken: by another program, or by what a Nightreel left running"
        yield Finding(subject, Grade.WARNING, found, "end that program, or give the server another `port`")
    words = " ".join(server.command)
    if server.kind == "vllm":
        if "--enable-sleep-mode" not in server.command:
            found = "its command has no --enable-sleep-mode: to free its card it is ended, and loaded anew each time"
            yield Finding(subject, Grade.WARNING, found, "add the word --enable-sleep-mode to `command`")
        if "--host" not in words:
            found = "its command has no --host: vLLM then answers the whole network, its developer's routes too"
            yield Finding(subject, Grade.WARNING, found, "add the words --host and 127.0.0.1 to `command`")
    if server.kind == "sglang" and "--enable-memory-saver" not in server.command:
        found = "its command has no --enable-memory-saver: to free its card it is ended, and loaded anew each time"
        yield Finding(subject, Grade.WARNING, found, "add the word --enable-memory-saver to `command`")
    yield Finding(subject, Grade.OK, f"Nightreel starts {Path(program).name} when a step asks it ({program})")


def _inside(subject: str, server: ServerSettings) -> Iterator[Finding]:
    assert server.inside is not None
    if importlib.util.find_spec("vllm") is None:
        remedy = f"pip install 'nightreel[vllm]', or run it as a server of its own: {PAGE}"
        yield Finding(subject, Grade.PROBLEM, "vLLM is not installed in Nightreel's own environment", remedy)
    else:
        yield Finding(subject, Grade.OK, f"vLLM, inside Nightreel, loads {server.inside.model} when a step asks it")


def _theirs(subject: str, server: ServerSettings) -> Iterator[Finding]:
    import requests

    url = (server.url or "").rstrip("/")
    headers = {"Authorization": f"Bearer {server.api_key}"} if server.api_key else {}
    routes = {"vllm": "/is_sleeping", "llama-swap": "/running", "llama-server": "/models"}
    try:
        with requests.Session() as session:
            session.trust_env = False
            status = session.get(url + server.probe, headers=headers, timeout=ANSWER_S).status_code
            route = routes.get(server.kind)
            known = 200 if route is None else session.get(url + route, headers=headers, timeout=ANSWER_S).status_code
    except requests.RequestException as error:
        found = f"{url} does not answer: {type(error).__name__}"
        yield Finding(subject, Grade.PROBLEM, found, "start it, or correct its `url`")
        return
    if status != 200:
        found = f"{url}{server.probe} answers HTTP {status}"
        yield Finding(subject, Grade.PROBLEM, found, "correct its `url`, `probe` or `api_key`")
    elif known != 200:
        remedy = f"start it so that it has the route, or correct its `kind`; see {PAGE}"
        if server.kind == "vllm":
            remedy = f"start it with VLLM_SERVER_DEV_MODE=1 and --enable-sleep-mode; see {PAGE}"
        found = f"{url}{route} answers HTTP {known}: it cannot be asked to give its memory back"
        yield Finding(subject, Grade.WARNING, found, remedy)
    else:
        yield Finding(subject, Grade.OK, f"{url} answers ({server.kind})")


def _cannot_rest(subject: str, server: ServerSettings) -> Iterator[Finding]:
    if server.url is not None:
        found = "it shares a card with ComfyUI, and has no way to give its memory back"
        yield Finding(subject, Grade.WARNING, found, f"say its `kind`, or let Nightreel start it (`command`): {PAGE}")
    else:
        found = "it shares a card with ComfyUI: to free the card it is ended, and loaded anew each time"
        yield Finding(subject, Grade.WARNING, found, f"say its `kind`, if it is one that can sleep: {PAGE}")


def _shares_a_card(server: ServerSettings, settings: Settings) -> bool:
    if server.gpus == ():
        return False
    return any(
        one.role == "work"
        and one.host == server.host
        and (server.gpus is None or one.gpu is None or one.gpu in server.gpus)
        for one in settings.comfyui.instances
    )


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cpu_share(settings: Settings) -> Iterator[Finding]:
    """Compare what the work on the CPU may have with what there is."""
    from orchestrator.engines.cpu import CpuShare, cores_here

    local = settings.local
    there = len(cores_here())
    share = CpuShare.of(local.cores, niceness=0, time_limit_factor=1.0, feeds_cards=bool(settings.comfyui.instances))
    used = there if share.cores is None else len(share.cores)
    words = f"{used} of {there} cores for Whisper, FFmpeg and the like, {local.workers} at once"
    if local.cores is not None and local.cores > there:
        remedy = "correct local.cores, or drop the key"
        yield Finding("CPU", Grade.WARNING, f"local.cores is {local.cores}, and there are {there}", remedy)
    elif there < 2 and settings.comfyui.instances:
        found = "one core for everything: the cards wait while it is busy"
        yield Finding("CPU", Grade.WARNING, found, "give the machine that runs Nightreel two cores or more")
    elif local.workers > max(used, 2):
        found = f"{words}: they take the cores from each other"
        yield Finding("CPU", Grade.WARNING, found, f"set local.workers to {used}")
    else:
        yield Finding("CPU", Grade.OK, words)


def serving(settings: Settings, which: str) -> str | None:
    """Return the server by which a model of `llm` is served that has no address of its own."""
    return next((server.name for server in settings.servers if which in server.serves), None)


ALL = (managed_servers, cpu_share)
