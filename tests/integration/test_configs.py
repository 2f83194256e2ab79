import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax import builders, objectives
from fashionjax.constants import FIXED
from fashionjax.train.phases import make_phases
from fashionjax.train.run import open_run
from fashionjax.train.sharding import make_mesh, put_batch
from fashionjax.train.state import init_state, make_init
from fashionjax.train.step import make_train_step
from tests.integration.conftest import (
    FILES,
    load_config,
    load_module,
    shrink,
)

UNET_EXT = (
    "synthetic",
    "synthetic_full",
    "imaterialist2019",
    "ccp",
    "ccp4",
    "ccp_full",
    "ccp4_full",
)
DOCUMENT = ("synthetic_full", "imaterialist2019")


ARCHITECTURES = [name for name in FILES if "/" not in name]
"""The configs that others change, one for each model."""

NARROW = {
    "unet": {"decoder_features": (8, 8, 8, 8, 4)},
    "classic_unet": {"features": (4, 4, 8, 8, 8)},
    "multitask_unet": {"decoder_features": (8, 8, 8, 4), "branch_features": 8},
    "skip_fcn": {"features": 8},
    "fpn": {"pyramid_features": 8, "features": 8},
    "panoptic_fpn": {"pyramid_features": 32, "features": 32},
    "deeplabv3": {"features": 8},
    "deeplabv3plus": {"features": 8, "low_level_features": 4},
    "pspnet": {"features": 8},
    "ocrnet": {"features": 8, "key_features": 8},
}
"""By name of the model, attributes that make it small."""

ENCODERS = {
    "resnet18": {"features": 4, "stage_sizes": (1, 1, 1, 1)},
    "resnet34": {"features": 4, "stage_sizes": (1, 1, 1, 1)},
    # A channel in each of the 32 groups.
    "resnext50_32x4d": {"features": 16, "stage_sizes": (1, 1, 1, 1)},
    "resnext101_32x4d": {"features": 16, "stage_sizes": (1, 1, 1, 1)},
    "densenet121": {"features": 4, "stage_sizes": (1, 1, 1, 1)},
    "densenet169": {"features": 4, "stage_sizes": (1, 1, 1, 1)},
    "hrnet_w18": {
        "features": 4,
        "stem_features": 4,
        "num_modules": (1, 1, 1),
        "num_blocks": 1,
    },
}
"""By name of the encoder the same; with all its blocks it compiles for a minute."""


def _document(name):
    """The document's run of a config, on photos that a test can afford."""
    _, _, dataset = load_config(name).document_run.partition(":")
    config = load_config(name, dataset)
    config.data.image_size = (64, 64)
    return config


def _narrow(name):
    """The config of `name` at a size that a test can afford."""
    # The slim preset of `fpn` is without ResNeXt, its document's encoder.
    config = _document(name) if name == "fpn" else load_config(name)
    config.data.image_size = (64, 64)
    with config.unlocked():
        if "features" in config.model.encoder_options:
            least = ENCODERS.get(config.model.encoder, {"features": 4})
            config.model.encoder_options.update(least)
        config.model.update(NARROW.get(config.model.name, {}))
    return config


FAST_COMPILATION = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
}
"""A step alone takes less time than optimising it."""


def _take_a_step(config, num_devices=None, options=None):
    """Takes a step on all fake devices, or on some.

    Returns the loss, whether each of the parameters moved, and the compiled program.
    """
    experiment = builders.build_experiment(config)
    optimizer = builders.build_optimizer(config.optimizer)
    phases = make_phases(config, num_steps=40, steps_per_epoch=2)
    mesh = make_mesh(jax.devices()[:num_devices])
    size = experiment.image_size
    init = make_init(experiment.model, optimizer, image_size=size)
    state = init_state(init, jax.random.key(0), mesh)
    step = make_train_step(
        experiment.model,
        experiment.objective,
        optimizer,
        experiment.prepare,
        phases[-1],
        mesh=mesh,
    )
    rng = np.random.RandomState(0)
    batch = {
        "image": rng.randint(0, 256, (8, *size, 3)).astype(np.uint8),
        "label": rng.randint(0, experiment.label_map.num_classes, (8, *size)).astype(
            np.uint8
        ),
        "example_index": np.arange(8, dtype=np.int32),
    }
    before = jax.device_get(state.params)
    arguments = state, put_batch(batch, mesh), jax.random.key(0)
    compiled = step.lower(*arguments).compile(compiler_options=options)
    state, metrics, _ = compiled(*arguments)
    moved = jax.tree.map(lambda a, b: bool(np.any(a != b)), before, state.params)
    return float(metrics["loss"]), moved, compiled.as_text()


def _still(moved):
    """Names of the trained parameters that a step left as they were."""
    return [
        jax.tree_util.keystr(path)
        for path, moves in jax.tree_util.tree_leaves_with_path(moved)
        if not moves and FIXED not in jax.tree_util.keystr(path)
    ]


@pytest.mark.parametrize(
    "dataset",
    [
        pytest.param(
            dataset,
            marks=pytest.mark.slow if dataset == "synthetic" else pytest.mark.long,
        )
        for dataset in UNET_EXT
    ],
)
def test_config_builds_and_takes_one_step_at_reduced_width(dataset):
    loss, moved, _ = _take_a_step(shrink(load_config("unet_ext", dataset)))
    assert np.isfinite(loss)
    assert all(jax.tree.leaves(moved["encoder"]))


@pytest.mark.parametrize(
    "name",
    [
        # Compiling one takes up to a minute: some in every run of the slow tests.
        pytest.param(
            name,
            marks=pytest.mark.slow if name in ("segnet", "unet") else pytest.mark.long,
        )
        for name in ARCHITECTURES
        if name != "unet_ext"
    ],
)
def test_every_config_takes_one_step_that_moves_every_parameter(name):
    loss, moved, program = _take_a_step(_narrow(name))
    assert np.isfinite(loss)
    # Rows of the batch stay on their device; only sums over all of them travel.
    assert re.search(r"\ball-reduce(-start)?\(", program)
    moves = "all-gather|all-to-all|collective-permute|scatter|select-and-scatter"
    assert not re.search(rf"\b({moves})(-start)?\(", program)
    # Score layers at zero pass no gradient on in their first step.
    assert name == "fcn8s" or _still(moved) == []


def _programs():
    """Of every config what its compiled step is made from, equal ones once.

    A model stands for those that differ in their encoder alone, but for DenseNet; with
    the others a small U-Net takes the step, and their own is traced in another test.
    """
    seen, programs = set(), {}
    for name in sorted(FILES, key=lambda name: name not in ARCHITECTURES):
        config = _narrow(name)
        kind = "densenet" if "densenet" in config.model.encoder else ""
        model = dict(config.model.to_dict(), encoder=kind, pretrained="", dtype="")
        if str(model) in seen:
            with config.unlocked():
                config.model = _narrow("unet_classic").model
                for term in objectives.BRANCHES:
                    # It has no branches.
                    if term in config.objective:
                        del config.objective[term]
        seen.add(str(model))
        programs.setdefault(_program(config), (name, config))
    return dict(programs.values())


def _program(config):
    """What the compiled step is made from, to tell programs apart."""
    parts = [config[key] for key in ("model", "objective", "optimizer", "augment")]
    return (*map(str, parts), config.data.label_map)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        pytest.param(
            name,
            config,
            id=name,
            # The fusions of four scales, a block between them, compile for half a
            # minute on two cores; the parts of the whole one are traced below.
            marks=pytest.mark.long if name == "ocrnet" else pytest.mark.slow,
        )
        for name, config in _programs().items()
    ],
)
def test_what_every_config_sets_takes_one_step(name, config):
    loss, moved, _ = _take_a_step(config, num_devices=1, options=FAST_COMPILATION)
    assert np.isfinite(loss)
    assert name == "fcn8s" or _still(moved) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", {_program(_document(name)): name for name in reversed(FILES)}.values()
)
def test_the_parts_of_every_documents_run_fit(name):
    """Its own encoder, of all blocks and of its width, is traced up to the update.

    Without differentiation, most of the time of tracing a step: a narrow encoder of
    each kind is differentiated in the test above.
    """
    config = _document(name)
    experiment = builders.build_experiment(config)
    model, objective = experiment.model, experiment.objective
    optimizer = builders.build_optimizer(config.optimizer)
    shape = (2, *experiment.image_size)

    def trace(key):
        raw = jnp.zeros((*shape, 3), jnp.uint8), jnp.zeros(shape, jnp.uint8)
        image, targets = experiment.prepare(*raw, key, jnp.arange(2))
        rngs = {"params": key, "dropout": key}
        outputs, variables = model.init_with_output(rngs, image, train=True)
        loss, terms = objective(outputs, targets)
        params = variables["params"]
        rates = {"learning_rate": jnp.float32(1e-3), "momentum": jnp.float32(0.9)}
        state = optimizer.init(params)
        updates, _ = optimizer.update(params, state, params, **rates)
        return outputs.logits, loss, terms, params, updates

    logits, loss, terms, params, updates = jax.eval_shape(trace, jax.random.key(0))
    assert logits.shape == (*shape, experiment.label_map.num_classes)
    assert logits.dtype == loss.dtype == jnp.float32
    assert loss.shape == ()
    assert set(terms) == {term.name for term in objective.terms}
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, updates)


@pytest.mark.parametrize("name", FILES)
def test_every_dataset_of_a_config_builds_the_documents_model(name):
    datasets = load_module(name).DATASETS
    assert {"synthetic", "synthetic_full", "ccp4", "ccp"} <= set(datasets)
    for dataset in datasets:
        config = load_config(name, dataset)
        config.model.pretrained = "none"
        experiment = builders.build_experiment(config)
        num_classes = experiment.label_map.num_classes
        assert experiment.model.num_classes == num_classes
        assert experiment.objective.terms


@pytest.mark.parametrize("name", FILES)
def test_a_config_tells_its_own_commands(name):
    module = load_module(name)
    assert f"--config=configs/{name}.py[:DATASET]" in module.__doc__
    for dataset in module.DATASETS:
        file, _, document = module.get_config(dataset).document_run.partition(":")
        assert file == f"--config=configs/{name}.py"
        assert document in module.DATASETS


@pytest.mark.parametrize("name", FILES)
def test_a_header_names_the_documents_row_and_what_it_found(name):
    text = " ".join(load_module(name).__doc__.split())
    if not re.search(r"No document has this (model|decoder|recipe)", text):
        assert re.search(r"\bS\d, (Tables?|section|trial) [IV\d]", text)
        found = r"\d\.\d+ (%|\(`)|no numbers|leaves .* out|their numbers are"
        assert re.search(found, text)


def test_the_grid_has_every_loss_with_every_optimizer_and_nothing_else():
    bases = {"unet": "unet_classic", "segnet": "segnet", "fcn": "fcn"}
    losses = {"sce": "cross_entropy", "focal": "focal"}
    grid = [name for name in FILES if re.match("s1/[^_]+_[^_]+_[^_]+$", name)]
    assert len(grid) == 12
    for name in grid:
        model, loss, optimizer = name.removeprefix("s1/").split("_")
        run, base = (load_config(n, "imaterialist2020") for n in (name, bases[model]))
        assert run.objective.segmentation.loss == losses[loss]
        assert run.optimizer.name == optimizer
        rate, momentum = {"adam": (1e-3, 0.9), "sgd": (1e-2, 0.0)}[optimizer]
        assert run.schedule.learning_rate == rate
        assert run.schedule.max_momentum == momentum
        for part in ("model", "data", "augment", "num_epochs", "batch_size"):
            assert run[part] == base[part]


@pytest.mark.parametrize("run", ["unet_focal_adam", "segnet_sce_sgd"])
@pytest.mark.parametrize("dataset", ["imaterialist2020", "synthetic"])
def test_the_runs_at_512_differ_in_size_alone(run, dataset):
    small, big = (load_config(f"s1/{run}{size}", dataset) for size in ("", "_512"))
    sides = zip(small.data.image_size, big.data.image_size, strict=True)
    assert all(2 * a == b for a, b in sides)
    with small.unlocked(), big.unlocked():
        for config in (small, big):
            del config.document, config.document_run, config.data["image_size"]
    assert small == big


@pytest.mark.parametrize("dataset", ["synthetic", "ccp_full", "ccp4"])
@pytest.mark.parametrize(
    ("name", "encoder", "num_classes", "zoom"),
    [
        ("s0/vgg16_59", "vgg16", 59, 0.0),
        ("s0/vgg16_4", "vgg16", 4, 0.0),
        ("s0/vgg19_4", "vgg19", 4, 0.0),
        ("s0/vgg19_4_zoom", "vgg19", 4, 0.3),
    ],
)
def test_the_trials_are_what_they_say_on_any_dataset(
    name, encoder, num_classes, zoom, dataset
):
    config = load_config(name, dataset)
    assert config.model.encoder == encoder
    assert config.augment.zoom == zoom
    assert builders.build_experiment(config).label_map.num_classes == num_classes


@pytest.mark.parametrize("variant", ["class_only", "branches", "plain"])
def test_the_step_of_every_variant_is_traced(variant, tmp_path):
    # Without the compiler: `ours` and `plain` train in other tests.
    config = shrink(load_config("unet_ext"))
    config.model.variant = variant
    run = open_run(config, tmp_path)
    step = make_train_step(
        run.experiment.model,
        run.experiment.objective,
        run.optimizer,
        run.experiment.prepare,
        run.phases[0],
        mesh=run.mesh,
    )
    key = jax.eval_shape(lambda: jax.random.key(0))
    state, metrics, _ = jax.eval_shape(
        step, run.abstract_state, run.input.abstract_batch, key
    )
    assert jax.tree.structure(state) == jax.tree.structure(run.abstract_state)
    branches = {"class_only": {"tags"}, "branches": {"tags", "boxes"}, "plain": set()}
    assert {"tags", "boxes"} & set(metrics) == branches[variant]


@pytest.mark.parametrize("dataset", DOCUMENT)
@pytest.mark.parametrize(
    ("variant", "count"),
    [
        ("ours", 57_203_842),
        ("class_only", 42_858_234),
        ("branches", 57_031_962),
        ("plain", 42_328_306),
    ],
)
def test_full_width_models_have_the_specified_number_of_parameters(
    dataset, variant, count
):
    config = load_config("unet_ext", dataset)
    config.model.variant = variant
    config.model.pretrained = "none"
    experiment = builders.build_experiment(config)
    image = jnp.zeros((1, *experiment.image_size, 3))
    variables = jax.eval_shape(
        lambda: experiment.model.init(jax.random.key(0), image, train=False)
    )
    assert sum(x.size for x in jax.tree.leaves(variables["params"])) == count


def test_the_documents_run_has_the_documents_hyper_parameters():
    config = load_config("unet_ext", "imaterialist2019")
    assert tuple(config.data.image_size) == (288, 192)
    assert config.batch_size == 16
    assert config.num_epochs == 20
    assert config.objective.segmentation.foreground_weight == 2
    assert config.objective.tags.weight == 0.5
    assert config.objective.boxes.weight == 75
    assert config.optimizer.weight_decay == 1e-3
    assert config.schedule.learning_rate == 1e-4
    assert config.model.pretrained == "torchvision/resnet34"


def test_the_second_documents_run_takes_20000_steps():
    config = load_config("ocrnet", "fashionpedia")
    assert round(config.num_epochs * (45_623 // config.batch_size)) == 20_000


@pytest.mark.parametrize(
    ("dataset", "scale"),
    [
        ("synthetic", "reduced preset"),
        ("ccp4", "reduced preset"),
        ("synthetic_full", "the document's size on other data"),
        ("ccp_full", "the document's size on other data"),
    ],
)
def test_a_config_says_how_large_it_is(dataset, scale):
    assert load_config("unet_ext", dataset).scale == scale


def test_pretrained_weights_that_cannot_be_had_stop_the_run(tmp_path):
    config = shrink(load_config("unet_ext"))
    config.model.pretrained = "timm/nothing.at_all"
    with pytest.raises(ValueError, match=r"--config\.model\.pretrained=none"):
        open_run(config, tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("data.label_map", "nine", "unknown label map 'nine'; allowed are"),
        ("model.variant", "theirs", "unknown variant 'theirs'; allowed are ours"),
        ("model.encoder", "vgg", "unknown encoder 'vgg'; allowed are .*resnet34"),
        ("model.dtype", "int8", "unknown dtype 'int8'; allowed are float32"),
        ("model.name", "net", "unknown model 'net'; allowed are unet, classic_unet"),
    ],
)
def test_unknown_names_are_refused_with_the_allowed_ones(key, value, message):
    config = load_config("unet_ext")
    config.update_from_flattened_dict({key: value})
    with pytest.raises(ValueError, match=message):
        builders.build_experiment(config)


def test_attributes_that_the_model_or_its_encoder_lacks_are_refused():
    config = load_config("deeplabv3")
    config.model.encoder = "hrnet_w18"
    message = (
        "encoder hrnet_w18 has no attribute 'dilation_style'; allowed are features"
    )
    with pytest.raises(ValueError, match=message):
        builders.build_experiment(config)
    config = load_config("deeplabv3")
    config.model.name = "fcn"
    with pytest.raises(ValueError, match="model fcn has no attribute 'align_corners'"):
        builders.build_experiment(config)


def test_an_unknown_dataset_is_refused_with_the_allowed_ones():
    with pytest.raises(ValueError, match="no dataset 'cpp'; allowed are synthetic"):
        load_config("unet_ext", "cpp")


def test_a_misspelt_key_is_refused():
    config = load_config("unet_ext")
    with pytest.raises(AttributeError, match="learning_rate"):
        config.learning_rate = 1.0


@pytest.mark.parametrize("name", ["constant", "one_cycle", "triangular"])
def test_every_schedule_starts_ends_and_peaks_where_it_should(name):
    config = load_config("unet_ext", "synthetic_full").schedule
    config.name = name
    rate, momentum = builders.build_schedules(config, 100)
    rates = [float(rate(t)) for t in range(100)]
    momenta = [float(momentum(t)) for t in range(100)]
    np.testing.assert_allclose(max(rates), 1e-4, rtol=1e-5)
    np.testing.assert_allclose(momenta[0], 0.95, rtol=1e-5)
    if name != "constant":
        np.testing.assert_allclose(rates[0], 1e-4 / 25, rtol=1e-4)
        np.testing.assert_allclose(min(momenta), 0.85, rtol=1e-3)
        assert np.argmax(rates) == np.argmin(momenta)
