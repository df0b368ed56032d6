"""Claims that this machine cannot decide, or that are decided elsewhere, and why."""

UNMEASURED = {
    5: ("noise of small batches regularizes", "statements 12a and 12b, and `python -m examples.ghost_batch_norm`"),
    7: ("L2 is far more common than L1 in deep learning", "a statement about practice, not about networks"),
    9: ("Adam's L2 does less for parameters with large gradients", "shown leaf by leaf by `diagnose.audit_optimizer`"),
    11: ("dropout prevents co-adaptation", "needs units cut in pairs; not yet run"),
    15: ("0.5 for dense layers, 0.1 to 0.3 elsewhere", "needs a grid per place; not yet run"),
    21: (
        "dropout 0.5 behind every batch norm of a ResNet makes training worse",
        "a ResNet is too large for these runs",
    ),
    24: ("heavy dropout with batch norm is unstable", "needs the loss of single steps; not yet run"),
    26: ("each transform helps in its domain", "statements 79h and 27 have two of them"),
    30: ("cutout makes the network use the whole image", "needs images with holes to test on; not yet run"),
    32: (
        "synonyms, insertions and back-translation expand text",
        "no corpus and no table of words come with the library",
    ),
    33: ("stretching, pitch and noise expand audio", "no labelled recordings come with the library"),
    34: ("synthetic minority rows help tables", "no uneven table of enough rows comes with scikit-learn"),
    38: ("the smoothed loss is higher than the hard one", "an identity; `tests/targets` checks it"),
    39: ("smoothing suits many classes", "no data set of many classes comes with scikit-learn"),
    40: ("smoothing hurts distillation", "needs a teacher per lane; not yet run"),
    46: ("moment inference beats mean weights under DropConnect", "`noise.dropconnect_moments` has it; not yet run"),
    47: ("stochastic depth is an ensemble of depths", "not yet run"),
    48: ("stochastic depth trains 1000 layers that would fail without", "minutes for one lane: too slow for 16 seeds"),
    52: ("DropBlock needs a ramp", "`arms.Program` has the ramp; not yet run"),
    53: (
        "below 10 000 images augmentation and decay, not dropout in convolutions",
        "not yet run; 25 and 51 come close",
    ),
    54: ("dropout lowers the error of AlexNet on ImageNet by 1 to 2 %", "ImageNet is not at hand"),
    58: ("augmentation is complementary to dropout and decay", "not yet run; 25 comes close"),
    59: ("soft targets of a teacher regularize", "`python -m examples.distill_ensemble`"),
    61: (
        "1.9, 11.1 and 37.3 % of the weights are near zero on a sine",
        "single runs of a listing with another library",
    ),
    62: ("mean squared errors of .042, .089 and .093 on a sine", "single runs of a listing with another library"),
    63: (
        "a table of six recipes and their gaps",
        "`python -m examples.seed_table`, with 32 seeds: it does not reproduce",
    ),
    64: ("98 % on training rows and 67 % in the world", "an anecdote; statement 1 is what can be measured of it"),
    67: ("dropout within a recurrence destroys the gradient", "no sequences come with the library"),
    78: ("regularization raises bias and lowers variance", "not yet run"),
}
