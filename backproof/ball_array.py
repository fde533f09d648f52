"""Arrays of balls, and a NumPy in which float64 means ball, for as long as somebody's code runs.

A `BallArray` is an ndarray of dtype object, so indexing, broadcasting, `@`, `sum`, masks and so on
are NumPy's own. What an object array lacks is added here: functions without a loop for objects
(`logaddexp`, `isnan`, SciPy's `erf`), a maximum that needs no decision, elements that are plain
numbers after `Z[Z < 0] = 0`, and products in C. Where a result would have to become floats, it
raises `CannotRun`: nothing is ever rounded in silence.

`exact_numpy` reads "float64" as "ball" wherever code may name it: `np.zeros((k, j))` makes a
buffer of balls, `astype(float)` is a copy as it is for floats, `math.exp` takes balls, and
`math.pi` is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from backproof.ball import BINARY, UNARY, Ball, ball_of, exact_input, larger, smaller


class CannotRun(TypeError):
    """What balls are not able to do; the message is the end of a sentence."""


# Elementwise functions over object arrays; identity=None lets a maximum run over several axes.
_ELEMENTWISE: dict[str, np.ufunc] = {
    **{name: np.frompyfunc(lambda z, f=f: f(ball_of(z)), 1, 1) for name, f in UNARY.items()},
    **{name: np.frompyfunc(f, 2, 1) for name, f in BINARY.items()},
    "maximum": np.frompyfunc(larger, 2, 1, identity=None),
    "minimum": np.frompyfunc(smaller, 2, 1, identity=None),
}
# NumPy's own, for use while `exact_numpy` holds.
_as_array, _empty = np.asarray, np.empty
# What draws random numbers is compiled and writes floats into whatever `np.empty` gives it, so it
# must see NumPy as it is.
_AS_IT_IS = ModuleType("numpy")
vars(_AS_IT_IS).update(vars(np))
_RANDOM = [module for module in vars(np.random).values() if getattr(module, "np", None) is np]
_ANSWERS_YES_OR_NO = ("isnan", "isfinite", "isinf")
_AS_BALL = np.frompyfunc(ball_of, 1, 1)
_AS_INPUT = np.frompyfunc(exact_input, 1, 1)


class BallArray(np.ndarray):
    """An array of dtype object that holds balls, and whole numbers or floats, which are exact."""

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any
    ) -> Any:
        if out is not None:
            if not all(isinstance(array, BallArray) for array in out):
                raise CannotRun("an array of floats was to take exact numbers in")
            kwargs["out"] = tuple(map(_plain, out))
        kwargs.pop("casting", None)
        if "dtype" in kwargs and _means_float64(kwargs["dtype"]):
            del kwargs["dtype"]
        name, plain = ufunc.__name__, [_plain(array) for array in inputs]
        if name == "matmul" and out is None and all(np.ndim(array) == 2 for array in plain):
            return _product(*plain)
        own = _ELEMENTWISE.get(name, ufunc)
        try:
            result = getattr(own, method)(*plain, **kwargs)
        except CannotRun:
            raise
        except TypeError as error:
            raise CannotRun(f"NumPy's `{name}` does not take exact numbers ({error})") from error
        if name in _ANSWERS_YES_OR_NO:
            return _as_array(result, dtype=bool)
        return out[0] if out is not None else _wrapped(result)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func is np.dot and not kwargs and all(np.ndim(array) == 2 for array in args):
            return _product(*map(_plain, args))
        return _wrapped(super().__array_function__(func, types, args, kwargs))

    def dot(self, b: Any, out: Any = None) -> Any:
        return np.dot(self, b) if out is None else np.dot(self, b, out=out)

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        """To float64: a copy. To bool: decided. To anything else: not exactly."""
        if _means_float64(dtype):
            return _AS_BALL(self)
        if np.dtype(dtype) == np.bool_:
            return _plain(self).astype(bool)
        raise CannotRun(f"a cast to {np.dtype(dtype)} rounds")


def _plain(array: Any) -> Any:
    return array.view(np.ndarray) if isinstance(array, BallArray) else array


def _wrapped(result: Any) -> Any:
    """Every object array that comes out of NumPy is one of ours again."""
    if isinstance(result, np.ndarray) and result.dtype == object:
        return result if isinstance(result, BallArray) else result.view(BallArray)
    if isinstance(result, tuple | list):
        return type(result)(map(_wrapped, result)) if type(result) in (tuple, list) else result
    return result


def _product(A: Any, B: Any) -> BallArray:
    """A @ B in C; an error of shapes is NumPy's own."""
    if A.shape[1] != B.shape[0]:
        _empty(A.shape) @ _empty(B.shape)
    entries = (_matrix(A) * _matrix(B)).entries()
    product = _empty(len(entries), dtype=object)
    product[:] = list(map(Ball, entries))
    return product.reshape(A.shape[0], B.shape[1]).view(BallArray)


def _matrix(array: Any) -> Any:
    values = [v.x if type(v) is Ball else ball_of(v).x for v in _as_array(array).ravel().tolist()]
    return arb_mat(*array.shape, values)


def inputs_of(array: NDArray[Any]) -> BallArray:
    """Floats as balls of radius zero, in an array of their shape."""
    balls = _AS_INPUT(_as_array(array, dtype=np.float64).astype(object))
    return _as_array(balls, dtype=object).reshape(array.shape).view(BallArray)


def balls_in(array: Any) -> list[Ball]:
    """The elements, row by row. Raises TypeError for anything but numbers."""
    return [ball_of(value) for value in _as_array(_plain(array), dtype=object).ravel().tolist()]


def _means_float64(dtype: Any) -> bool:
    return dtype is None or np.dtype(dtype) in (np.dtype(np.float64), np.dtype(object))


@contextmanager
def exact_numpy() -> Iterator[None]:
    """A NumPy and a `math` in which float64 means ball; both are put back afterwards.

    Names taken out of them earlier (`from math import exp`) stay what they were: they refuse balls.
    """
    changed = [(np, _numpy()), (math, _math()), *((each, {"np": _AS_IT_IS}) for each in _RANDOM)]
    before = [(module, {name: getattr(module, name) for name in new}) for module, new in changed]
    _set(changed)
    try:
        yield
    finally:
        _set(before)


def _set(changed: list[tuple[Any, dict[str, Any]]]) -> None:
    for module, new in changed:
        for name, value in new.items():
            setattr(module, name, value)


def _numpy() -> dict[str, Any]:
    constants = {"pi": Ball(arb.pi()), "e": Ball(arb(1).exp())}
    makers = {"zeros": 1, "ones": 1, "empty": 1, "full": 2}
    makers |= {"eye": 3, "array": 1, "asarray": 1, "asanyarray": 1, "ascontiguousarray": 1}
    made = {name: _making(getattr(np, name), at) for name, at in makers.items()}
    return constants | made | {"vectorize": _Vectorize}


def _making(maker: Callable[..., Any], dtype_at: int) -> Callable[..., Any]:
    """A function of NumPy's that makes an array, which makes balls where it would make float64.

    dtype_at: where the argument `dtype` stands among the positional ones
    """

    def make(*args: Any, **kwargs: Any) -> Any:
        given = args[dtype_at] if len(args) > dtype_at else kwargs.pop("dtype", None)
        rest = args[:dtype_at], args[dtype_at + 1 :]
        dtype = object if given is not None and _means_float64(given) else given
        made = (
            maker(*rest[0], dtype, *rest[1], **kwargs)
            if rest[1]
            else maker(*rest[0], dtype=dtype, **kwargs)
        )
        if made.dtype == object:
            return _wrapped(made)
        if made.dtype != np.float64:
            return made
        balls = _empty(made.shape, dtype=object)
        # What an empty array holds is nobody's number: a result that keeps it is not a number.
        balls[...] = Ball(arb("nan")) if maker is _empty else _AS_BALL(made)
        return balls.view(BallArray)

    return make


class _Vectorize(np.vectorize):
    """np.vectorize whose float64 outputs are balls."""

    def __init__(self, pyfunc: Any, otypes: Any = None, *args: Any, **kwargs: Any) -> None:
        if otypes is not None and all(map(_means_float64, otypes)):
            otypes = [object] * len(otypes)
        super().__init__(pyfunc, otypes, *args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _wrapped(super().__call__(*args, **kwargs))


def _math() -> dict[str, Any]:
    """`math` for balls, and for floats too: sqrt(2) is then no rounded number."""
    own = "exp expm1 log1p log2 log10 sqrt tanh sinh cosh sin cos fabs erf erfc"
    functions = {name: _of_number(UNARY[name]) for name in own.split()}
    return functions | {
        "log": lambda x, *base: ball_of(x).log() / (ball_of(base[0]).log() if base else 1),
        "pow": lambda x, y: ball_of(x) ** ball_of(y),
        "pi": Ball(arb.pi()),
        "e": Ball(arb(1).exp()),
    }


def _of_number(function: Callable[[Ball], Any]) -> Callable[[Any], Any]:
    return lambda x: function(ball_of(x))
