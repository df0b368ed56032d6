"""Functional regularization for JAX: pure functions, explicit keys, and no noise without a key."""

from . import augment as augment
from . import diagnose as diagnose
from . import noise as noise
from . import norm as norm
from . import optim as optim
from . import penalty as penalty
from . import random as random
from . import targets as targets
from . import train as train
