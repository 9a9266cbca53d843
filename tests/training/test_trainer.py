"""Whole runs on a few chips made by code: steps, resuming, budgets, bad input."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from detector.config.compose import load_config
from detector.data.labelled import DataError
from detector.errors import ConfigError, OutputError, WeightsError
from detector.models.card import ModelCard
from detector.models.detector import DetectorSettings, load_detector
from detector.models.mirrors import MIRRORS, Mirror, twins
from detector.training import checkpoint, gather, launch, trackers
from detector.training.checkpoint import TrainingError, load_state, save_state
from detector.training.export import export_weights
from detector.training.options import TrainConfig
from detector.training.session import settings_from, train
from detector.training.settings import ModelSettings, TrainerSettings, TrainingSettings
from detector.training.start import load_start, save_weights
from detector.training.trainer import PortTrainer, cosine
from tests.data import fakes
from tests.training.chips import lines


def test_a_run_trains_channels_last_and_goes_on(
    settings: TrainingSettings, chips: list[Any]
) -> None:
    run = PortTrainer(settings, chips)
    seen: dict[str, Any] = {}

    def look(it: Any) -> None:
        weight = it.model.model[0].conv.weight
        seen["model"] = weight.is_contiguous(memory_format=torch.channels_last)
        batch = it.preprocess_batch(next(iter(it.train_loader)))
        seen["batch"] = batch["img"].is_contiguous(memory_format=torch.channels_last)

    run.add_callback("on_train_start", look)
    run.train()
    assert seen == {"model": True, "batch": True}
    assert run.accumulate == 1  # nbs = batch: every batch is a step
    first = lines(settings)
    assert [line["epoch"] for line in first] == [1]
    assert all(line["train/angle_loss"] > 0 for line in first)
    state = load_state(Path(settings.out) / "last.pt", "yolo11n-obb.yaml")
    assert state is not None
    assert (state.epoch, state.ema_updates) == (1, 2)

    longer = replace(settings, trainer=replace(settings.trainer, epochs=2))
    again = PortTrainer(longer, chips)
    again.train()
    assert [line["epoch"] for line in lines(settings)] == [1, 2]
    after = load_state(Path(settings.out) / "last.pt", "yolo11n-obb.yaml")
    assert after is not None
    assert (after.epoch, after.ema_updates) == (2, 4)
    assert after.elapsed_s > state.elapsed_s


def test_frozen_norms_keep_the_averages_they_came_with(
    settings: TrainingSettings, chips: list[Any]
) -> None:
    frozen = replace(settings, model=ModelSettings(start="", freeze=2, freeze_norms=True))
    run = PortTrainer(frozen, chips)
    before: dict[str, torch.Tensor] = {}
    run.add_callback(
        "on_train_start",
        lambda it: before.update({n: t.clone() for n, t in it.model.state_dict().items()}),
    )
    run.train()
    after = run.model.state_dict()
    changed = {n for n, t in after.items() if not torch.equal(t, before[n])}
    assert not {n for n in changed if "running" in n}
    assert not {n for n in changed if n.startswith(("model.0.", "model.1."))}
    assert "model.5.conv.weight" in changed


def test_mirrored_scores_lie_on_the_anchors_of_the_view(
    settings: TrainingSettings, chips: list[Any]
) -> None:
    run = PortTrainer(replace(settings, trainer=replace(settings.trainer, mirrored=1.0)), chips)
    found: list[tuple[torch.Tensor, torch.Tensor]] = []

    def compare(it: Any) -> None:
        images = torch.rand(2, 3, 64, 64)
        straight = it.ema.ema(images)[0][:, 4:-1].transpose(1, 2)
        for across, down in ((True, False), (False, True), (True, True)):
            mirror = Mirror(across, down)
            number = MIRRORS.index(mirror)
            it._draws = SimpleNamespace(integers=lambda _, number=number: number)
            axes = [axis for axis, turned in ((2, down), (3, across)) if turned]
            # Mirrored twice, the image is itself; the anchors are those of the mirrored view.
            scores = it._mirrored_scores(images.flip(axes))
            found.append((scores[:, twins(mirror, 64, (8, 16, 32))], straight))

    run.add_callback("on_train_epoch_end", compare)
    run.train()
    assert len(found) == 3
    for scores, straight in found:
        assert scores.shape == (2, 84, 2)
        torch.testing.assert_close(scores, straight)
    assert [line["epoch"] for line in lines(settings)] == [1]
    with pytest.raises(TrainingError, match="second head"):
        PortTrainer(
            replace(
                run.settings,
                out=settings.out + "-26",
                model=ModelSettings(architecture="yolo26n-obb.yaml", start=""),
            ),
            chips,
        ).train()


def test_a_time_budget_ends_at_a_clean_checkpoint(
    settings: TrainingSettings, chips: list[Any]
) -> None:
    torch.set_num_threads(1)
    budget = replace(settings, trainer=replace(settings.trainer, hours=1e-6, threads=0))
    PortTrainer(budget, chips).train()
    assert torch.get_num_threads() == os.cpu_count()  # Ultralytics leaves one of two
    torch.set_num_threads(1)
    assert len(lines(budget)) == 1
    state = load_state(Path(budget.out) / "last.pt", "yolo11n-obb.yaml")
    assert state is not None
    assert state.ema_updates == 1  # stopped after its first batch
    assert all(torch.isfinite(t).all() for t in state.ema.values())


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(
    settings: TrainingSettings, chips: list[Any]
) -> None:
    PortTrainer(settings, chips).train()
    before = (Path(settings.out) / "last.pt").read_bytes()
    longer = replace(settings, trainer=replace(settings.trainer, epochs=2))
    run = PortTrainer(longer, chips)

    def poison(it: Any) -> None:
        next(it.model.parameters()).data.fill_(float("nan"))

    run.add_callback("on_train_batch_start", poison)
    with pytest.raises(TrainingError, match=r"not finite in epoch 2, on the chips .*\.npy"):
        run.train()
    assert (Path(settings.out) / "last.pt").read_bytes() == before
    assert len(lines(settings)) == 1


def test_a_checkpoint_of_another_architecture_is_refused(tmp_path: Path) -> None:
    state = checkpoint.RunState("yolo11s-obb.yaml", 1, 2.0, {}, {}, 3, {})
    save_state(tmp_path / "last.pt", state)
    assert load_state(tmp_path / "last.pt", "yolo11s-obb.yaml") == state
    with pytest.raises(TrainingError, match=r"of yolo11s-obb\.yaml, not of yolo11n"):
        load_state(tmp_path / "last.pt", "yolo11n-obb.yaml")


def test_checkpoints_are_never_unpickled(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "run",))

    torch.save({"architecture": Evil()}, tmp_path / "last.pt")
    with pytest.raises(TrainingError, match="not a checkpoint of this program"):
        load_state(tmp_path / "last.pt", "yolo11n-obb.yaml")
    assert not (tmp_path / "run").exists()


def test_memory_that_runs_out_halves_the_batch_and_says_so(
    settings: TrainingSettings, chips: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    run = PortTrainer(settings, chips)
    sizes: list[int] = []
    whole = run.preprocess_batch

    def scarce(batch: dict[str, Any]) -> dict[str, Any]:
        sizes.append(len(batch["img"]))
        if sizes[-1] > 1:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return whole(batch)

    run.preprocess_batch = scarce
    with caplog.at_level("WARNING"):
        run.train()
    assert sizes == [2, 1, 1, 1, 1]  # the epoch starts anew, all four views of it
    assert run.accumulate == 2  # a step still sees two views
    assert caplog.messages == ["memory ran out; the batch is halved to 1 and goes on"]
    assert [line["epoch"] for line in lines(settings)] == [1]


def test_a_full_disk_leaves_the_previous_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.pt"
    state = checkpoint.RunState("a-obb.yaml", 1, 2.0, {}, {}, 3, {})
    save_state(path, state)

    def full(content: Any, target: Path) -> None:
        Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match=r"No space left.*the previous one is intact"):
        save_state(path, replace(state, epoch=2))
    assert load_state(path, "a-obb.yaml") == state
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


def test_starting_weights_load_what_fits_and_report_the_rest(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 4))
    path = tmp_path / "w.safetensors"
    fits = torch.full((3, 2), 0.5, dtype=torch.float16)
    save_file({"0.weight": fits, "1.weight": torch.zeros(9, 9), "x": torch.zeros(1)}, path)
    report = load_start(model, str(path))
    assert report.loaded == ("0.weight",)
    assert set(report.fresh) == {"0.bias", "1.weight", "1.bias"}
    assert set(report.unused) == {"1.weight", "x"}
    assert (model[0].weight == 0.5).all()
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="none of its 1 tensors fits"):
        load_start(model, str(path))
    with pytest.raises(WeightsError, match="cannot read starting weights"):
        load_start(model, str(tmp_path / "gone.safetensors"))


def test_only_finite_weights_are_exported(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, {"a": torch.ones(2), "n.num_batches_tracked": torch.ones(1)}, "x-obb.yaml")
    assert list(load_file(path)) == ["a"]
    assert load_file(path)["a"].dtype == torch.float16
    for bad in (float("nan"), 1e6):  # 1e6 leaves fp16
        with pytest.raises(TrainingError, match="tensor 'a' has no finite fp16 values"):
            save_weights(path, {"a": torch.tensor([bad])}, "x-obb.yaml")
    assert (load_file(path)["a"] == 1).all()


def test_exported_weights_load_as_a_detector(settings: TrainingSettings, chips: list[Any]) -> None:
    PortTrainer(settings, chips).train()
    manifest = {"hash": "h", "images": {"x": 3}, "places": ["p"]}
    path = export_weights(settings, Path(settings.out) / "w", manifest, lines(settings))
    card = ModelCard.read(path.with_suffix(".yaml"))
    assert card.training["epochs"] == 1
    assert card.training["places"] == ["p"]
    assert "angle_loss" in card.training["losses"]
    detector = load_detector(DetectorSettings(str(path), backend="torch", conf=0.0, threads=1))
    (boxes,) = detector.detect(np.zeros((1, 64, 64, 3), np.uint8))
    assert np.isfinite(boxes.corners).all()
    with pytest.raises(TrainingError, match="no checkpoint to export"):
        export_weights(replace(settings, out=settings.out + "x"), path.parent, {}, [])
    # What calibration wrote into the card stays when a finished run is asked for again.
    card_path = path.with_suffix(".yaml")
    card_path.write_text(card_path.read_text().replace("ship: 0.25", "ship: 0.4"))
    yards = replace(settings, views=replace(settings.views, stack_gsd_min=0.2, stack_gsd_max=0.45))
    export_weights(yards, path.parent, manifest, [])
    assert ModelCard.read(card_path).conf["ship"] == 0.4
    other = export_weights(yards, path.parent, manifest, [], name="other")
    assert ModelCard.read(other.with_suffix(".yaml")).gsd_read_m == 0.3


def test_trackers_get_every_epoch(
    settings: TrainingSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    logged: list[Any] = []
    fake = SimpleNamespace(
        set_experiment=logged.append,
        start_run=lambda run_name: logged.append(run_name),  # noqa: PLW0108 - by keyword
        log_metrics=lambda numbers, step: logged.append((numbers, step)),
    )
    monkeypatch.setattr(trackers, "import_module", lambda name: fake)
    monkeypatch.setattr(trackers, "find_spec", lambda name: name)
    (track,) = trackers.open_trackers(TrainerSettings(mlflow=True), tmp_path / "run")
    track({"train/a": 1.5}, 3)
    assert logged == ["quaywatch", "run", ({"train/a": 1.5}, 3)]
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"trainer\.tensorboard=true needs a package"):
        trackers.open_trackers(TrainerSettings(tensorboard=True), tmp_path)


def test_several_gpus_are_launched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.delenv("RANK", raising=False)
    assert launch.needs_launch("0,1")
    assert not launch.needs_launch("0")
    assert not launch.needs_launch("cpu")
    assert launch.is_first_process()
    commands: list[list[str]] = []

    def run(command: list[str], check: bool) -> Any:
        commands.append(command)
        return SimpleNamespace(returncode=int(len(commands) > 1))

    monkeypatch.setattr(launch.subprocess, "run", run)
    launch.launch("0,1,2", ["train", "network=m"])
    assert commands[0][-5:] == ["3", "-m", "detector", "train", "network=m"]
    with pytest.raises(TrainingError, match="GPUs 0,1 failed"):
        launch.launch("0,1", ["train"])
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("RANK", "1")
    assert not launch.needs_launch("0,1")
    assert not launch.is_first_process()


def test_rates_fall_by_half_a_cosine() -> None:
    assert [cosine(p, 0.2) for p in (0, 0.5, 1, 3)] == pytest.approx([1, 0.6, 0.2, 0.2])


def test_the_dev_split_and_its_places_are_refused(tmp_path: Path) -> None:
    root = fakes.port_pool(tmp_path / "pool")
    cache = str(tmp_path / "cache")
    data = gather.DataSettings(root=str(root), cache=cache, leave_out=(), teacher="")
    assert [i.image.name for i in gather.gather(data)] == ["o.png", "u.png"]
    with pytest.raises(DataError, match="never trained on"):
        gather.gather(replace(data, split="dev"))
    with pytest.raises(DataError, match="no image of the split"):
        gather.gather(replace(data, sources=("nothing",)))
    text = (root / "index.csv").read_text().replace("p4", "p1")
    (root / "index.csv").write_text(text)
    with pytest.raises(DataError, match=r"o\.png shows a place of the dev split"):
        gather.gather(data)


def test_a_teacher_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = fakes.port_pool(tmp_path / "pool")
    asked = []

    def orient(images: list[Any], detector: Any) -> Any:
        for image in images:
            asked.append(image.image.name)
            yield replace(
                image,
                corners=image.envelopes,
                class_ids=np.zeros(1, np.int64),
                labelling=("oriented", image.labelling[1]),
            )

    monkeypatch.setattr(gather, "orient_ships", orient)
    monkeypatch.setattr(gather, "load_detector", lambda settings: None)
    cache = str(tmp_path / "cache")
    data = gather.DataSettings(root=str(root), cache=cache, leave_out=(), teacher="port-n")
    first, second = gather.gather(data), gather.gather(data)
    assert asked == ["h.png"]
    assert [i.image.name for i in first] == ["o.png", "h.png", "u.png"]
    assert all(len(i.envelopes) == 0 for i in first)
    assert first[1].taught == (True, True)
    np.testing.assert_allclose(first[1].corners, second[1].corners)
    assert gather.manifest_hash(first) == gather.manifest_hash(second)
    assert gather.manifest_hash(first) != gather.manifest_hash(first[:2])
    text = (root / "index.csv").read_text().replace("h.png,HRSC2016", "h.png,SIMD")
    (root / "index.csv").write_text(text)
    assert gather.gather(data)[1].taught == (False, True)  # most of its ships have no box


@pytest.mark.parametrize(
    "experiment", ["none", "smoke", "port-n-base", "port-n-yards", "port-n", "port-n3", "port-n4"]
)
@pytest.mark.parametrize("network", ["n", "s", "m", "l", "yolo26n"])
def test_every_recipe_and_network_composes(experiment: str, network: str) -> None:
    config = load_config("train", TrainConfig, [f"experiment={experiment}", f"network={network}"])
    found = settings_from(config)
    assert config.experiment == experiment
    assert found.model.architecture.endswith(f"{network[-1]}-obb.yaml")
    if experiment.startswith("port-n"):
        assert found.mix.sources["xView"] == 4.0
        assert found.model.freeze_norms


@pytest.mark.parametrize("words", [[], ["experiment=port-n-base"], ["experiment=port-n-blocks"]])
def test_weights_to_start_from_are_asked_for(words: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    config = load_config("train", TrainConfig, [*words, f"out={out}"])
    with pytest.raises(ConfigError, match=r"Say network\.start=file\.safetensors, or .*=random"):
        train(config)
    assert not out.exists()


def test_random_is_a_start_of_its_own() -> None:
    config = load_config("train", TrainConfig, ["network.start=random"])
    assert settings_from(config).model.start == ""
    config = load_config("train", TrainConfig, ["network.start=a.safetensors"])
    assert settings_from(config).model.start == "a.safetensors"


def test_bad_words_are_named() -> None:
    config = load_config("train", TrainConfig, ["mix.sources=xView"])
    with pytest.raises(ConfigError, match="'xView' is not name:weight"):
        settings_from(config)
    config = load_config("train", TrainConfig, ["views.stack_gsd_min=0.5"])
    with pytest.raises(ConfigError, match=r"stack_gsd_min=0\.5 .* views\.stack_gsd_max=0\.45"):
        settings_from(config)
    with pytest.raises(ConfigError, match=r"bath.*did you mean"):
        load_config("train", TrainConfig, ["trainer.bath=3"])
    with pytest.raises(ConfigError, match=r"'model'; did you mean 'network=s'\?"):
        load_config("train", TrainConfig, ["model=s"])
    with pytest.raises(ConfigError, match=r"unknown option 'model' *$"):
        load_config("train", TrainConfig, ["model=" + 300 * "x"])
    with pytest.raises(ConfigError, match="experiment"):
        load_config("train", TrainConfig, ["experiment=nothing"])
