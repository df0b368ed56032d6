from ..common import CONV_NONE, CONV_SEEDS, CONV_SMOOTHED
from ..contrasts import less
from ..ledger import Claim, on

CLAIM = Claim(
    number=37,
    title="label smoothing and calibration error in convolutions",
    statement="Label smoothing of 0.1 lowers the calibration error of the test rows, without any temperature.",
    quote="making the optimization target harder but producing better-calibrated predictions",
    source="000:169",
    cases=on("fashion", {"smoothing 0.1": CONV_SMOOTHED, "none": CONV_NONE}, CONV_SEEDS),
    contrast=less("smoothing 0.1", "none", "test calibration error"),
    least=0.0,
    unit="calibration error",
    advice={
        "holds": "Smooth by 0.1 where probabilities are used.",
        "fails": "Do not smooth for calibration: fit a temperature on validation rows.",
        "depends": "Smoothing trades over-confidence for under-confidence: measure the calibration error, and fit a "
        "temperature.",
        "not shown": "Fit a temperature; smoothing alone shows no gain.",
    },
    functions=("targets.smoothed_cross_entropy", "diagnose.calibration_error", "diagnose.temperature_scale"),
)
