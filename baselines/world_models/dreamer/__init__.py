"""DreamerV3 (Hafner et al., arXiv:2301.04104) at a size that a CPU can train, in PyTorch.

In the order of reading: `config` (every number), `replay` (what a row is), `symlog` and `network`
(how numbers are squashed and layers begin), `rssm` (the recurrent state), `senses` (what is seen),
`world` (the model and its loss), `action`, `behaviour` (imagination, actor and critic),
`optimizer`, `trainer` (one gradient step of all of it), `agent` (the loop over the environment) and
`dynamics` (the model alone, to be judged).

What differs from the paper's code (danijar/dreamerv3, 2025): LayerNorm in place of RMSNorm (as in
the first version; its kernel is fused, and half as slow on a CPU), strided convolutions of 4 x 4, a
constant beside vectors and actions (a norm follows the first layer, whose bias begins at 0: it
would keep the direction of an observation and lose its size), free nats in proportion to the
latent, sequences that begin with an empty state in place of a stored one, a discount that is
multiplied with the continue head rather than learned by it, uniform replay, and the posterior's
mode in place of a sample when acting deterministically. The critic's replay returns bootstrap with
imagined ones where imagination began, and with the critic's own value where it did not.
"""
