"""Noise on data: transforms `(key, x) -> x`, the words that compose them, and the mixing of examples."""

from ._compose import chain as chain
from ._compose import maybe as maybe
from ._compose import one_of as one_of
from ._compose import per_example as per_example
from ._mixing import mix as mix
from ._mixing import mixup as mixup
from ._tokens import random_deletion as random_deletion
from ._tokens import random_swap as random_swap
from ._tokens import token_dropout as token_dropout
from ._synonyms import random_insertion as random_insertion
from ._synonyms import synonym_replacement as synonym_replacement
from ._back_translation import back_translation as back_translation
from ._audio import pitch_shift as pitch_shift
from ._audio import shift_pitch as shift_pitch
from ._audio import stretch_time as stretch_time
from ._audio import time_stretch as time_stretch
from ._waveform import background_noise as background_noise
from ._waveform import mix_at_snr as mix_at_snr
from ._waveform import random_gain as random_gain
from ._waveform import time_shift as time_shift
from ._waveform import white_noise as white_noise
from ._spectrogram import spec_augment as spec_augment
from ._spectrogram import time_warp as time_warp
from ._tabular import smote as smote
from ._tabular import swap_noise as swap_noise
from ._feature_mixup import feature_mixup as feature_mixup
