"""The grammar of signatures as a test: order of parameters, names, annotations, examples.

f([fn,] [params,] [state,] key, data..., numbers..., *, options) -> data, or (data, state)
"""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import jreg

FAMILIES = sorted(path.name for path in Path(jreg.__file__).parent.iterdir() if (path / "__init__.py").exists())
NAMESPACES = [importlib.import_module(f"jreg.{name}") for name in FAMILIES if not name.startswith("_")]
OF_FLAX = {"dot_product_attention"}
"""Functions that stand in for flax's, with its signatures: tests/linen and tests/nnx compare these."""
PUBLIC = [
    pytest.param(value, id=f"{namespace.__name__}.{name}")
    for namespace in NAMESPACES
    for name, value in sorted(vars(namespace).items())
    if inspect.isfunction(inspect.unwrap(value)) and name not in OF_FLAX
]
BANNED = {"rng", "rngs", "seed", "training", "train", "deterministic", "inference", "is_training", "p", "prob_"}
CARRIED = {"params", "stats", "state", "stopping", "step", "evaluate", "fn", "fit_one", "inner"}
CARRIED |= {"translate", "translate_back"}
every_function = pytest.mark.parametrize("function", PUBLIC)


def parameters(function):
    return list(inspect.signature(function).parameters.values())


@every_function
def test_no_parameter_selects_a_mode_or_hides_a_generator(function):
    allowed = {"train"} if function.__name__ in ("curves", "plot_curves") else set()
    assert not (BANNED - allowed) & {parameter.name for parameter in parameters(function)}


@every_function
def test_the_key_comes_before_the_data_and_has_no_default(function):
    names = [parameter.name for parameter in parameters(function)]
    if "key" in names:
        before = set(names[: names.index("key")])
        assert before <= CARRIED, f"{before - CARRIED} before key"
        assert inspect.signature(function).parameters["key"].default is inspect.Parameter.empty


@every_function
def test_options_are_keywords_and_only_they_have_defaults(function):
    exceptions = {"num", "model_state"}
    for parameter in parameters(function):
        if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD and parameter.name not in exceptions:
            assert parameter.default is inspect.Parameter.empty, parameter.name


@every_function
def test_everything_is_annotated(function):
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in parameters(function):
        assert parameter.annotation is not inspect.Parameter.empty, parameter.name


@every_function
def test_the_docstring_has_a_summary_an_example_and_no_empty_section(function):
    text = inspect.getdoc(function) or ""
    summary = text.split("\n")[0]
    assert re.fullmatch(r".+[.:?]", summary), summary
    assert len(summary) <= 120
    assert ">>> " in text
    for section in ("Args:", "Raises:", "Returns:"):
        assert f"{section}\n\n" not in text


@every_function
def test_what_is_documented_is_an_argument(function):
    text = inspect.getdoc(function) or ""
    names = {parameter.name for parameter in parameters(function)}
    section = re.search(r"Args:\n((?:  .*\n|\n(?=  ))+)", text)
    for entry in re.findall(r"^  (\w[\w, *]*):", section.group(1), re.MULTILINE) if section else ():
        for name in entry.split(", "):
            assert name.lstrip("*") in names, name


@every_function
def test_the_first_word_tells_the_type(function):
    name, returns = function.__name__, str(inspect.signature(function).return_annotation)
    if name.startswith(("add_", "with_", "prox_", "constrain_")):
        assert "GradientTransformation" in returns
    if name.startswith("make_"):
        assert returns in ("Step", "Evaluate") or "Callable" in returns


@every_function
def test_a_key_may_be_none_unless_the_result_is_the_noise_itself(function):
    needs_key = {"keep_mask", "hash_at", "hash_bits", "normal", "signed_uniform", "init_spectral_vector", "fit", "run"}
    for parameter in parameters(function):
        if parameter.name == "key" and function.__name__ not in needs_key:
            assert parameter.annotation in ("Key | None", "K")
