"""Loss scaling: how float16 training keeps small gradients from becoming zero."""

MAX_SCALE = 2.0**127
"""The largest power of two that float32 holds."""


def update_loss_scale(
    scale: float, found_inf: bool, good_steps: int, growth_every: int = 2000
) -> tuple[float, int]:
    """The factor that the next update's loss is multiplied by, and the good updates since a change.

    scale, good_steps: those of the update just computed. found_inf: whether its gradients held a
    number that is not finite; that update is then skipped, the scale halved and the count begun
    anew. Otherwise the update counts as good, and after growth_every of them in a row the scale
    doubles and the count begins anew. A scale that doubling would take past 2¹²⁷ stays.
    → (scale, good_steps). Raises ValueError if growth_every is below 1 or scale is not above 0.
    Source: Micikevicius et al. 2018, §3.2; the numbers are those of torch's GradScaler.
    """
    if growth_every < 1 or not scale > 0:
        raise ValueError(
            "A loss scale is above 0 and grows after 1 good update at least; "
            f"got scale {scale}, growth_every {growth_every}."
        )
    if found_inf:
        return scale / 2, 0
    if good_steps + 1 < growth_every:
        return scale, good_steps + 1
    return (scale if 2 * scale > MAX_SCALE else 2 * scale), 0
