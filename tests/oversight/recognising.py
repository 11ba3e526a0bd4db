"""A classifier on everything that a page shows: logistic regression on its tokens, numbers and their shapes."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

FOLDS = 5
_TAG_TEXT = re.compile(r"[\w.,:+/#-]+")
_TOKENS = re.compile(r'name="csrfmiddlewaretoken" value="\w+"')


def features_of(texts: Sequence[str]) -> np.ndarray:
    """Words as they are, the shapes of numbers, and how large the numbers are; of those that occur a few times."""
    counted = [Counter(_words(_TOKENS.sub("", text))) for text in texts]
    seen = Counter(word for tokens in counted for word in tokens)
    index = {word: at for at, word in enumerate(sorted(word for word, count in seen.items() if count >= 4))}
    matrix = np.zeros((len(texts), len(index)))
    for row, tokens in enumerate(counted):
        for word, count in tokens.items():
            if word in index:
                matrix[row, index[word]] = count
    matrix = matrix[:, matrix.std(axis=0) > 0]
    return (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)


def auc_of(texts: Sequence[str], labels: np.ndarray) -> float:
    """The area under the ROC curve of guesses about texts that were not learned from."""
    matrix, scores = features_of(texts), np.zeros(len(texts))
    folds = np.random.default_rng(1).permutation(len(texts)) % FOLDS
    for fold in range(FOLDS):
        learned, held = folds != fold, folds == fold
        scores[held] = matrix[held] @ _weights(matrix[learned], labels[learned])
    ranks = np.empty(len(scores))
    ranks[np.argsort(scores, kind="stable")] = np.arange(1, len(scores) + 1)
    positive, negative = labels.sum(), (~labels).sum()
    return float((ranks[labels].sum() - positive * (positive + 1) / 2) / (positive * negative))


def _weights(matrix: np.ndarray, labels: np.ndarray, *, rounds: int = 300, penalty: float = 0.05) -> np.ndarray:
    weights = np.zeros(matrix.shape[1])
    for _ in range(rounds):
        guesses = 1 / (1 + np.exp(-np.clip(matrix @ weights, -30, 30)))
        weights -= 0.1 * (matrix.T @ (guesses - labels) / len(labels) + penalty * weights)
    return weights


def _words(text: str) -> list[str]:
    parts = []
    for word in _TAG_TEXT.findall(text):
        parts.append(word)
        if any(letter.isdigit() for letter in word):
            parts.append("shape:" + re.sub(r"\d", "0", word))
            parts += [f"size:{len(number)}:{number[0]}" for number in re.findall(r"\d+", word)]
    return parts
