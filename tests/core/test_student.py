"""Against SciPy's distribution."""

import numpy as np
from scipy import stats

from jreg._core import student


def test_it_is_the_quantile_of_students_t():
    num = np.array([2, 3, 10, 1000])
    np.testing.assert_allclose(student.quantile(num), stats.t.ppf(0.975, num - 1), rtol=1e-10)
    np.testing.assert_allclose(student.quantile(20), stats.t.ppf(0.975, 19), rtol=1e-10)


def test_fewer_than_two_values_have_no_interval():
    assert np.isnan(student.quantile(np.array([0, 1]))).all()
