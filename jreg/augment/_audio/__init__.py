"""Transforms of waveforms and spectrograms."""

from ._spectrogram import spec_augment as spec_augment
from ._spectrogram import time_warp as time_warp
from ._stretch import pitch_shift as pitch_shift
from ._stretch import shift_pitch as shift_pitch
from ._stretch import stretch_time as stretch_time
from ._stretch import time_stretch as time_stretch
from ._waveform import background_noise as background_noise
from ._waveform import mix_at_snr as mix_at_snr
from ._waveform import random_gain as random_gain
from ._waveform import time_shift as time_shift
from ._waveform import white_noise as white_noise
