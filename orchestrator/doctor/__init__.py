"""What is reachable, missing, too old or too full: looked at before any card's time is spent.

Every probe answers with findings and never raises, so that all problems are reported at once. `nightreel doctor` shows
all of them; a night asks first, and refuses to start when it cannot succeed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from orchestrator.comfyui.errors import WorkflowError
from orchestrator.comfyui.workflow import Workflow
from orchestrator.doctor import machine, servers, services
from orchestrator.doctor.cards import cards
from orchestrator.doctor.findings import Finding, Grade, Probe, guarded
from orchestrator.doctor.instances import Examined, compare, examine_instance, steps_nobody_can_do
from orchestrator.doctor.restarts import restart_way
from orchestrator.settings import InstanceSettings, Settings
from steps.base import ComfyStep, Step
from steps.registry import default_steps

__all__ = ["Finding", "Grade", "examine", "fatal"]

AT_ONCE = 16


def examine(settings: Settings, steps: Sequence[Step] | None = None) -> list[Finding]:
    """Look at everything that a night with these settings needs. Blocks for some seconds.

    Args:
        settings: From config.yaml.
        steps: The pipeline; the default one if absent.
    """
    workflows, findings = _workflows(default_steps() if steps is None else steps)
    probes: list[tuple[str, Probe]] = [
        (probe.__name__, partial(probe, settings)) for probe in (*machine.ALL, *servers.ALL)
    ]
    for language, paths in sorted(settings.zim.items()):
        probes.append((f"ZIM {language}", partial(services.archives, language, paths, settings.home / "engines")))
    for which, endpoint in (("text", settings.llm.text), ("vision", settings.llm.vision)):
        server = servers.serving(settings, which)
        if endpoint.url is not None or server is None:
            probes.append((f"LLM {which}", partial(services.language_model, which, endpoint)))
        else:
            findings.append(Finding(f"LLM {which}", Grade.OK, f"the server {server} ({endpoint.model})"))
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="doctor") as pool:
        machine_answers = [pool.submit(guarded, name, probe) for name, probe in probes]
        instance_answers = [pool.submit(_instance, one, workflows) for one in settings.comfyui.instances]
    findings += [finding for answer in machine_answers for finding in answer.result()]
    examined = [answer.result() for answer in instance_answers]
    findings += _instances(settings, examined, workflows)
    findings += guarded("canary", partial(_canary, settings, workflows))
    findings += guarded("prompts", partial(_prompts, settings))
    return findings


def fatal(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings with which a night cannot succeed.

    What is wrong with one ComfyUI instance does not stop a night while others can do its work.
    """
    problems = [one for one in findings if one.grade is Grade.PROBLEM]
    unusable = {one.instance for one in problems if one.instance and one.step is None and _decides(one)}
    named = {one.instance for one in findings if one.instance}
    if named and named <= unusable:
        return [one for one in problems if one.instance is None or one.step is None]
    return [one for one in problems if one.instance is None]


def _decides(finding: Finding) -> bool:
    return not finding.subject.endswith(": restart")


def _workflows(steps: Sequence[Step]) -> tuple[dict[str, Workflow], list[Finding]]:
    workflows: dict[str, Workflow] = {}
    findings = []
    for step in steps:
        if isinstance(step, ComfyStep):
            try:
                workflows[step.name] = Workflow.load(step.workflow)
            except WorkflowError as error:
                remedy = "correct the file, or name another workflow for the step"
                findings.append(Finding(f"step {step.name}", Grade.PROBLEM, str(error), remedy, step=step.name))
    return workflows, findings


def _canary(settings: Settings, workflows: Mapping[str, Workflow]) -> Iterator[Finding]:
    from orchestrator.canary import suits

    wanted = settings.comfyui.canary
    if wanted in ("off", "basic") or not settings.comfyui.instances:
        return
    problem = "there is no such step with a workflow"
    if wanted in workflows:
        problem = suits(workflows[wanted], settings.step_options(preview=False))
    if problem:
        found = f"comfyui.canary is {wanted}: {problem}"
        yield Finding("canary", Grade.PROBLEM, found, "write basic, off, or the name of a step such as clean_pic")
    else:
        yield Finding("canary", Grade.OK, f"the workflow of {wanted}")


def _prompts(settings: Settings) -> Iterator[Finding]:
    from steps.prompts import problems

    folder = settings.home / "prompts"
    remedy = "correct the file, or move it away: then the packaged prompt is used"
    found = [Finding("prompts", Grade.PROBLEM, problem, remedy) for problem in problems(folder)]
    if found or folder.is_dir():
        yield from found or [Finding("prompts", Grade.OK, f"your own in {folder}")]


def _instance(settings: InstanceSettings, workflows: Mapping[str, Workflow]) -> Examined:
    name = f"instance {settings.name}"
    try:
        examined = examine_instance(settings, workflows)
    except Exception as error:
        found = f"looking at it failed: {type(error).__name__}: {error}"
        broken = Finding(name, Grade.PROBLEM, found, "this is a defect; please report it", settings.name)
        return Examined(settings, None, (broken,))
    if settings.role != "work":
        return examined
    way = guarded(name, partial(restart_way, settings.name, settings.restart), instance=settings.name)
    return Examined(settings, examined.stats, (*examined.findings, *way))


def _instances(settings: Settings, examined: Sequence[Examined], workflows: Mapping[str, Workflow]) -> list[Finding]:
    if not settings.comfyui.instances:
        found = f"no instance is listed: {settings.comfyui.embedded.cards} embedded cards make previews on the CPU"
        return [Finding("ComfyUI", Grade.OK, found, "list your cards under `comfyui.instances` for the real thing")]
    answered = [(one.settings, one.stats) for one in examined]
    together = [*compare(examined), *guarded("cards", partial(cards, answered))]
    shared = [
        Examined(one.settings, one.stats, (*one.findings, *(it for it in together if it.instance == one.settings.name)))
        for one in examined
    ]
    listed = [finding for one in shared for finding in one.findings]
    listed += [one for one in together if one.instance is None]
    return [*listed, *steps_nobody_can_do(shared, list(workflows))]
