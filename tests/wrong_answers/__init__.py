"""For every property of every exercise an answer that a learner might write, and that the property must catch."""

from . import (
    bayesian_inference,
    gaussian_mixture,
    kl_divergence,
    latent_space,
    mean_field,
    start_here,
    vae,
    variational_inference,
)

LESSONS = (
    start_here,
    kl_divergence,
    gaussian_mixture,
    bayesian_inference,
    variational_inference,
    mean_field,
    vae,
    latent_space,
)
WRONG = {name: answers for lesson in LESSONS for name, answers in lesson.WRONG.items()}
