"""Transforms of waveforms and spectrograms."""

from ._spectrogram import random_time_warp as random_time_warp
from ._spectrogram import spec_augment as spec_augment
from ._stretch import pitch_shift as pitch_shift
from ._stretch import random_pitch_shift as random_pitch_shift
from ._stretch import random_time_stretch as random_time_stretch
from ._stretch import time_stretch as time_stretch
from ._waveform import mix_at_snr as mix_at_snr
from ._waveform import random_background_noise as random_background_noise
from ._waveform import random_gain as random_gain
from ._waveform import random_time_shift as random_time_shift
from ._waveform import random_white_noise as random_white_noise
