"""Milliseconds per sweep of CAVI: scikit-learn's BayesianGaussianMixture and ours in turn in one run, and the limit of both.

    python tests/benchmarks/variational_mixture.py [--rounds 7] [--sweeps 100] [--threads 2] [--only 0 1]

Both start from the same responsibilities under the same prior, run the same number of sweeps with their bounds and
checks, and must end at the same parameters (the largest difference is printed, relative to the largest entry of each).
In the diagonal form in more than one dimension scikit-learn's answer is another one (tests/test_variational_mixture.py
says why), so only full covariances are compared. The rest as in tests/benchmarks/gaussian_mixture.py.
"""

import warnings

import side_by_side

options = side_by_side.read_options(__doc__.splitlines()[0], sweeps=100)

import numpy as np  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.mixture import BayesianGaussianMixture  # noqa: E402

from vaecourse import variational_mixture as vm  # noqa: E402

CASES = [(10_000, 2, 6, False), (50_000, 8, 10, False)]


class Peer(BayesianGaussianMixture):
    """scikit-learn's mixture from given responsibilities: nothing but its start is changed."""

    responsibilities: np.ndarray

    def _initialize_parameters(self, x, random_state, xp=None):
        self._initialize(x, self.responsibilities)


def problem(n: int, d: int, k: int) -> tuple[np.ndarray, np.ndarray, vm.MixturePrior]:
    rng = np.random.default_rng(0)
    x = side_by_side.points(n, d, k, rng)
    prior = vm.default_prior(x, k)
    return x, vm.e_step(vm.start(x, k, rng, prior), x).values, prior


def sklearn_fit(x: np.ndarray, r: np.ndarray, prior: vm.MixturePrior, sweeps: int) -> Peer:
    peer = Peer(
        n_components=r.shape[1],
        weight_concentration_prior_type="dirichlet_distribution",
        weight_concentration_prior=prior.concentration,
        mean_precision_prior=prior.mean_precision,
        mean_prior=prior.mean,
        degrees_of_freedom_prior=prior.degrees_of_freedom,
        covariance_prior=prior.inverse_scale,
        reg_covar=0.0,
        max_iter=sweeps,
        tol=0.0,
    )
    peer.responsibilities = r
    return peer.fit(x)


def distance(ours: vm.CAVIResult, peer: Peer) -> float:
    mixture = vm.as_mixture(ours.posterior)
    pairs = [
        *zip(mixture, (peer.weights_, peer.means_, peer.covariances_), strict=True),
        (ours.posterior.degrees_of_freedom, peer.degrees_of_freedom_),
        (ours.posterior.mean_precisions, peer.mean_precision_),
    ]
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)


def main() -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(side_by_side.HEAD)
    for index, case in enumerate(CASES):
        if options.only is not None and index not in options.only:
            continue
        x, r, prior = problem(*case[:3])
        line = side_by_side.row(
            case,
            options,
            lambda x=x, r=r, prior=prior: sklearn_fit(x, r, prior, options.sweeps),
            lambda x=x, r=r, prior=prior: vm.cavi(x, r, prior, options.sweeps, 0.0),
            side_by_side.least_work(x, case[2], prior.diagonal),
            distance,
        )
        print(line, flush=True)
    print(side_by_side.foot(options))


if __name__ == "__main__":
    main()
