"""The two witnesses that load a framework, made once for each file that asks for them."""

import pytest

from oracles.jax_grad import JaxGrad
from oracles.torch_autograd import TorchAutograd


@pytest.fixture(scope="module")
def torch_autograd() -> TorchAutograd:
    pytest.importorskip("torch")
    return TorchAutograd()


@pytest.fixture(scope="module")
def jax_witness() -> JaxGrad:
    pytest.importorskip("jax")
    return JaxGrad()
