"""`detector train`: public datasets in, weights out."""

from __future__ import annotations

from detector.cli.command import EXIT_DONE, Command
from detector.training.options import TrainConfig

DESCRIPTION = """
Trains the network on labelled images. A recipe is named with experiment=: `smoke` runs in half
a minute on rendered ports and needs no imagery, `port-n` is told in
docs/research/training-log.md. The same command with the same out= continues a run that was
stopped, and leaves one that is finished.

Memory that runs out: in the first epoch after a start on one GPU the batch is halved, and it says
so. Later, or on several GPUs, the run ends; the same command with a smaller trainer.batch goes on.

The group of networks is network=: n, s, m, l (YOLO11-obb) and yolo26n to yolo26l.
"""


def run(config: TrainConfig) -> int:
    """Train as `config` says."""
    from detector.training.session import train

    result = train(config)
    print(
        f"{result.epochs} epochs, loss {result.first_loss:.2f} -> {result.last_loss:.2f}, "
        f"weights in {result.weights}"
    )
    return EXIT_DONE


COMMAND = Command(
    name="train",
    summary="train the network on labelled images",
    description=DESCRIPTION,
    config="train",
    schema=TrainConfig,
    run=run,
    examples=(
        ("detector train experiment=smoke", "half a minute on rendered ports"),
        (
            "detector train experiment=port-n trainer.hours=2.5 out=runs/port-n",
            "on the port pool, for two and a half hours",
        ),
        (
            "detector train network=m trainer=gpu trainer.device=0,1",
            "a larger network on two GPUs",
        ),
    ),
)
