"""Transforms of tokens: rows of integers with padding at the end."""

from ._back_translation import back_translation as back_translation
from ._synonyms import random_insertion as random_insertion
from ._synonyms import synonym_replacement as synonym_replacement
from ._tokens import random_deletion as random_deletion
from ._tokens import random_swap as random_swap
from ._tokens import token_dropout as token_dropout
