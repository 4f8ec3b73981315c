"""What `tt.warmup` compiles; compiling all of it takes minutes, so nothing is compiled here."""

from collections import Counter

from tinytensor import activations, warm
from tinytensor.kernels import arithmetic, scalar
from tinytensor.kernels.matmul import common_matvecs
from tinytensor.operators import activations as other_activations


def test_every_function_of_scalars_is_compiled_for_both_dtypes():
    count = Counter(name for name, _ in warm.jobs())
    listed = [*vars(activations).values(), *vars(other_activations).values()]
    layers = [each for each in listed if isinstance(each, warm.Activation) and hasattr(each, "scalar")]
    assert activations.relu in layers
    assert other_activations.celu in layers
    loops = {f"loop_activations_{each.scalar.__name__}" for each in layers} - {"loop_activations_gelu"}
    loops |= {"loop_activations_gelu_erf", "loop_activations_gelu_tanh"}
    loops |= {f"loop_scalar_{name}" for name in scalar.__all__}
    pairs = {"add", "subtract", "multiply", "divide", "maximum", "minimum"}
    assert pairs <= set(arithmetic.FUNCTIONS)
    wanted = loops | {f"pair_arithmetic_{name}" for name in pairs}
    wanted |= {f"several_arithmetic_{each.__name__}" for each in arithmetic.CHOOSE.values()}
    assert {name: count[name] for name in wanted} == dict.fromkeys(wanted, 2)


def test_other_code_has_a_name_of_its_own():
    count = Counter(name for name, _ in warm.jobs())
    once = [name for name in count if name.startswith(("tile_", "bytes_", "matvec_"))]
    assert {spec.name for spec in common_matvecs()} <= set(once)
    assert len(once) > 1000
    assert {count[name] for name in once} == {1}
