# ruff: noqa: E501
"""Raw errors that are being fixed, by function, argument and kind of bad value: to be emptied as the fixes meet."""

KNOWN: dict[str, dict[str, str]] = {
    "augment.adjust_brightness": {
        "x": "dict",
    },
    "augment.adjust_sharpness": {
        "x": "dict",
    },
    "augment.affine": {
        "fill": "vector",
        "matrix": "key",
    },
    "augment.back_translation": {
        "rate": "huge",
        "translate": "function",
        "translate_back": "function",
    },
    "augment.crop": {
        "corner": "none",
    },
    "augment.cut": {
        "start": "objects keys",
        "stop": "objects",
    },
    "augment.cutmix": {
        "spatial_axes": "traced_nan",
    },
    "augment.erase": {
        "boxes": "none",
    },
    "augment.flip": {
        "direction": "vector deep",
    },
    "augment.grid_mask": {
        "fill": "big_endian",
    },
    "augment.mixup": {
        "weights": "deep",
    },
    "augment.mixup_or_cutmix": {
        "cutmix_alpha": "huge",
    },
    "augment.pitch_shift": {
        "audio": "nan_array vector deep half_floats doubles float8 float8_powers big_endian long_doubles masked traced_array",
        "frame_length": "huge large",
        "max_semitones": "huge",
    },
    "augment.random_deletion": {
        "rate": "huge",
        "special_ids": "none true nan inf minus_inf minus_one zero half two huge large complex scalar_array duration date function module key traced_nan traced_two traced_int",
    },
    "augment.random_erase": {
        "fill": "int4",
        "pattern": "empty_rows",
    },
    "augment.random_flip": {
        "direction": "objects",
    },
    "augment.random_gain": {
        "audio": "big_endian",
    },
    "augment.random_resized_crop": {
        "size": "traced_two",
    },
    "augment.random_rotation": {
        "degrees": "doubles",
    },
    "augment.random_shear": {
        "degrees": "big_endian",
    },
    "augment.random_swap": {
        "rate": "huge",
        "special_ids": "none true nan inf minus_inf minus_one zero half two huge large complex scalar_array duration date function module key traced_nan traced_two traced_int",
    },
    "augment.random_translation": {
        "share": "empty",
    },
    "augment.resized_crop": {
        "boxes": "bools",
        "x": "text two",
    },
    "augment.shear": {
        "axis": "nan_array",
    },
    "augment.spec_augment": {
        "fill": "module",
    },
    "augment.swap_noise": {
        "rate": "huge",
        "x": "big_endian long_doubles objects strings masked keys",
    },
    "augment.time_stretch": {
        "audio": "nan_array vector deep half_floats doubles float8 float8_powers big_endian long_doubles masked traced_array",
        "frame_length": "huge large",
        "max_rate": "huge",
    },
    "augment.token_dropout": {
        "rate": "huge",
        "special_ids": "none true nan inf minus_inf minus_one zero half two huge large complex scalar_array duration date function module key traced_nan traced_two traced_int",
    },
    "augment.translate": {
        "fill": "vector",
        "shift": "int4",
    },
    "augment.white_noise": {
        "audio": "big_endian long_doubles masked",
        "snr_db": "huge",
    },
    "diagnose.variance_shift": {
        "fn": "text ints complex",
    },
    "noise.alpha_dropout": {
        "rate": "huge",
        "x": "big_endian long_doubles masked",
    },
    "noise.concrete_dropout": {
        "rate": "huge",
        "temperature": "huge",
        "x": "big_endian long_doubles masked",
    },
    "noise.dropblock": {
        "rate": "huge",
        "shared_channels": "nan_array empty empty_rows vector deep ints large_ints bools complexes half_floats doubles float8 float8_powers int4 big_endian long_doubles objects strings masked key keys traced_nan traced_two traced_int traced_array traced_ids",
        "spatial_axes": "none nan inf minus_inf half two complex scalar_array duration date function module key traced_nan traced_two traced_int",
        "x": "big_endian long_doubles masked",
    },
    "noise.dropconnect": {
        "rate": "huge",
        "weights": "big_endian long_doubles masked",
        "where": "function",
    },
    "noise.dropout": {
        "bits": "none text empty_text true nan inf minus_inf minus_one zero half two huge large complex scalar_array nan_array empty empty_rows vector deep ints large_ints bools complexes half_floats doubles float8 float8_powers int4 big_endian long_doubles objects strings masked duration date list tuple empty_tuple dict empty_dict set function module key keys traced_nan traced_two traced_int traced_array traced_ids",
        "rate": "huge",
        "shared_axes": "none nan inf minus_inf half two complex scalar_array date function module key traced_nan traced_two traced_int",
        "x": "big_endian long_doubles masked",
    },
    "noise.gaussian_dropout": {
        "rate": "huge",
        "x": "big_endian long_doubles masked",
    },
    "noise.gaussian_noise": {
        "std": "huge",
        "x": "big_endian long_doubles masked",
    },
    "noise.residual": {
        "fn": "text",
        "skip": "ints",
    },
    "noise.shakedrop": {
        "branch": "big_endian long_doubles masked",
        "rate": "huge",
    },
    "noise.spatial_dropout": {
        "rate": "huge",
        "spatial_axes": "nan inf minus_inf half two complex scalar_array date function module key traced_nan traced_two traced_int",
        "x": "big_endian long_doubles masked",
    },
    "noise.stochastic_depth": {
        "branch": "big_endian long_doubles masked",
        "mode": "nan_array empty empty_rows vector deep ints large_ints bools complexes half_floats doubles float8 float8_powers int4 big_endian long_doubles objects strings masked",
        "rate": "huge",
        "rescale": "nan_array empty empty_rows vector deep ints large_ints bools complexes half_floats doubles float8 float8_powers int4 big_endian long_doubles objects strings masked",
    },
    "noise.variational_dropout": {
        "rate": "huge",
        "x": "big_endian long_doubles masked",
    },
    "noise.weight_noise": {
        "std": "huge",
        "weights": "long_doubles",
        "where": "function",
    },
    "noise.zoneout": {
        "previous": "big_endian long_doubles masked",
        "proposed": "big_endian long_doubles masked",
        "rate": "huge",
    },
    "norm.batch_norm": {
        "axis_name": "float8",
        "params": "text",
    },
    "norm.batch_norm_inference": {
        "params": "text int4",
        "stats": "true",
    },
    "norm.batch_renorm": {
        "params": "text",
    },
    "norm.recalibrate": {
        "fn": "text",
        "stats": "none huge",
    },
    "optim.constrain": {
        "projection": "text keys",
    },
    "optim.elastic_net_threshold": {
        "x": "long_doubles",
    },
    "optim.matching": {
        "pattern": "none minus_inf date bools tuple",
    },
    "optim.proximal": {
        "operator": "text masked",
    },
    "optim.sam_gradient": {
        "grad_fn": "text",
    },
    "optim.with_decoupled_decay": {
        "inner": "text",
    },
    "optim.with_float32_copy": {
        "inner": "none objects traced_two big_endian list",
    },
    "optim.with_stochastic_rounding": {
        "inner": "text complexes masked objects",
    },
    "penalty.activity_l2": {
        "x": "long_doubles",
    },
    "penalty.input_gradient": {
        "fn": "text half_floats",
    },
    "penalty.jacobian": {
        "fn": "text minus_inf duration",
    },
    "random.hash_bits": {
        "shape": "traced_array float8",
    },
    "random.keep_mask": {
        "bits": "two",
    },
    "random.signed_uniform": {
        "shape": "list",
    },
    "targets.confidence_penalty": {
        "axis": "traced_int nan",
    },
    "targets.consistency": {
        "other_logits": "masked",
    },
    "train.fit": {
        "state": "dict",
        "step": "text list",
        "valid_data": "empty_dict",
    },
    "train.init_state": {
        "optimizer": "true date inf complexes",
        "params": "text",
    },
    "train.make_eval": {
        "metric_fn": "none duration bools complex empty_text",
    },
    "train.make_step": {
        "loss_fn": "text",
        "optimizer": "half",
    },
    "train.sweep": {
        "fit_one": "text",
    },
    "train.update_stopping": {
        "params": "big_endian",
        "stopping": "text",
    },
    "penalty.l2_sp": {
        "reference": "float8",
    },
}
