"""Samplers, their noise and their steps. They take their time, tell how far they are, and hand the recipe on."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.embedded.nodes.base import Family, NodeContext, NodeOutput, gives
from orchestrator.embedded.values import AvLatent, Conditioning, Guider, Latent, Model, Noise, Sigmas

SAMPLING = Family()


def sampled(latent: Latent | AvLatent, told: Conditioning, *, seed: int) -> Latent | AvLatent:
    """Put what a sampler was told into the recipe.

    Of several samplers in a row, the first one's seed counts: later ones only refine. A picture that is sampled along
    with a sound that is kept will say that sound; a sound that is not kept is lost.
    """
    if isinstance(latent, AvLatent):
        video = sampled(latent.video, told, seed=seed)
        assert isinstance(video, Latent)
        if latent.audio.is_kept:
            return AvLatent(replace(video, speech=latent.audio.audio), latent.audio)
        return AvLatent(video, replace(latent.audio, audio=None))
    return replace(
        latent,
        start=told.start or latent.start,
        end=told.end or latent.end,
        references=told.references or latent.references,
        prompt=told.text or latent.prompt,
        seed=latent.seed if latent.sampled else seed,
        fps=told.fps or latent.fps,
        sampled=True,
    )


def take_steps(context: NodeContext, steps: int) -> None:
    """Take the steps of a sampler, one after the other."""
    for step in range(1, steps + 1):
        context.step(step, steps)


@SAMPLING.node("KSampler")
def k_sampler(
    context: NodeContext,
    *,
    model: Model,
    seed: int,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Conditioning,
    negative: Conditioning,
    latent_image: Latent | AvLatent,
    denoise: float,
) -> NodeOutput:
    """Sample from beginning to end."""
    take_steps(context, steps)
    return gives(sampled(latent_image, positive, seed=seed))


@SAMPLING.node("KSamplerAdvanced")
def k_sampler_advanced(
    context: NodeContext,
    *,
    model: Model,
    add_noise: str,
    noise_seed: int,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Conditioning,
    negative: Conditioning,
    latent_image: Latent | AvLatent,
    start_at_step: int,
    end_at_step: int,
    return_with_leftover_noise: str,
) -> NodeOutput:
    """Sample some of the steps; another sampler does the rest."""
    take_steps(context, max(0, min(end_at_step, steps) - start_at_step))
    return gives(sampled(latent_image, positive, seed=noise_seed))


@SAMPLING.node("SamplerCustom")
def sampler_custom(
    context: NodeContext,
    *,
    model: Model,
    add_noise: bool,
    noise_seed: int,
    cfg: float,
    positive: Conditioning,
    negative: Conditioning,
    sampler: Model,
    sigmas: Sigmas,
    latent_image: Latent | AvLatent,
) -> NodeOutput:
    """Sample with given steps."""
    take_steps(context, sigmas.steps)
    result = sampled(latent_image, positive, seed=noise_seed)
    return gives(result, result)


@SAMPLING.node("SamplerCustomAdvanced")
def sampler_custom_advanced(
    context: NodeContext,
    *,
    noise: Noise,
    guider: Guider,
    sampler: Model,
    sigmas: Sigmas,
    latent_image: Latent | AvLatent,
) -> NodeOutput:
    """Sample with given noise, guidance and steps."""
    take_steps(context, sigmas.steps)
    result = sampled(latent_image, guider.positive, seed=noise.seed)
    return gives(result, result)


@SAMPLING.node("RandomNoise")
def random_noise(context: NodeContext, *, noise_seed: int) -> NodeOutput:
    """Noise from a seed."""
    return gives(Noise(noise_seed))


@SAMPLING.node("DisableNoise")
def disable_noise(context: NodeContext) -> NodeOutput:
    """No noise."""
    return gives(Noise(0))


@SAMPLING.node("KSamplerSelect")
def k_sampler_select(context: NodeContext, *, sampler_name: str) -> NodeOutput:
    """Name a sampler."""
    return gives(Model("sampler", sampler_name))


@SAMPLING.node("CFGGuider")
def cfg_guider(
    context: NodeContext, *, model: Model, positive: Conditioning, negative: Conditioning, cfg: float
) -> NodeOutput:
    """Guide a model by what it should and should not do."""
    return gives(Guider(model, positive, negative))


@SAMPLING.node("DualCFGGuider")
def dual_cfg_guider(
    context: NodeContext,
    *,
    model: Model,
    cond1: Conditioning,
    cond2: Conditioning,
    negative: Conditioning,
    cfg_conds: float,
    cfg_cond2_negative: float,
    style: str,
) -> NodeOutput:
    """Guide a model by two descriptions, of which the first one is shown."""
    return gives(Guider(model, cond1, negative))


@SAMPLING.node("BasicGuider")
def basic_guider(context: NodeContext, *, model: Model, conditioning: Conditioning) -> NodeOutput:
    """Guide a model by one description."""
    return gives(Guider(model, conditioning))


def _even(steps: int) -> Sigmas:
    return Sigmas(tuple(1.0 - step / steps for step in range(steps + 1)))


@SAMPLING.node("Flux2Scheduler")
def flux2_scheduler(context: NodeContext, *, steps: int, width: int, height: int) -> NodeOutput:
    """Steps for a size."""
    return gives(_even(steps))


@SAMPLING.node("BasicScheduler")
def basic_scheduler(context: NodeContext, *, model: Model, scheduler: str, steps: int, denoise: float) -> NodeOutput:
    """The last steps of a longer way, when only a part is to be changed."""
    if denoise <= 0.0:
        return gives(Sigmas(()))
    return gives(_even(steps))


@SAMPLING.node("LTXVScheduler")
def ltxv_scheduler(
    context: NodeContext,
    *,
    steps: int,
    max_shift: float,
    base_shift: float,
    stretch: bool,
    terminal: float,
    latent: Latent | None = None,
) -> NodeOutput:
    """Steps for a clip."""
    return gives(_even(steps))


@SAMPLING.node("KarrasScheduler")
def karras_scheduler(context: NodeContext, *, steps: int, sigma_max: float, sigma_min: float, rho: float) -> NodeOutput:
    """Steps that get finer."""
    return gives(_even(steps))


@SAMPLING.node("ExponentialScheduler")
def exponential_scheduler(context: NodeContext, *, steps: int, sigma_max: float, sigma_min: float) -> NodeOutput:
    """Steps that get finer evenly."""
    return gives(_even(steps))


@SAMPLING.node("BetaSamplingScheduler")
def beta_scheduler(context: NodeContext, *, model: Model, steps: int, alpha: float, beta: float) -> NodeOutput:
    """Steps dense at both ends."""
    return gives(_even(steps))


@SAMPLING.node("SDTurboScheduler")
def turbo_scheduler(context: NodeContext, *, model: Model, steps: int, denoise: float) -> NodeOutput:
    """Few steps."""
    return gives(_even(steps))


@SAMPLING.node("ManualSigmas")
def manual_sigmas(context: NodeContext, *, sigmas: str) -> NodeOutput:
    """Steps as written."""
    return gives(Sigmas(tuple(float(part) for part in sigmas.replace(";", ",").split(",") if part.strip())))


@SAMPLING.node("SplitSigmas")
def split_sigmas(context: NodeContext, *, sigmas: Sigmas, step: int) -> NodeOutput:
    """Cut the way in two."""
    return gives(Sigmas(sigmas.values[: step + 1]), Sigmas(sigmas.values[step:]))


@SAMPLING.node("SplitSigmasDenoise")
def split_sigmas_denoise(context: NodeContext, *, sigmas: Sigmas, denoise: float) -> NodeOutput:
    """Cut the way in two by the share of the second part."""
    kept = round(sigmas.steps * denoise)
    return gives(Sigmas(sigmas.values[: len(sigmas.values) - kept]), Sigmas(sigmas.values[-(kept + 1) :]))


@SAMPLING.node("FlipSigmas")
def flip_sigmas(context: NodeContext, *, sigmas: Sigmas) -> NodeOutput:
    """Go the way backwards."""
    return gives(Sigmas(sigmas.values[::-1]))
