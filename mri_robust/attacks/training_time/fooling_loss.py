"""FoolingLoss: a loss that forgives mistakes (the study's section 4.4, table 6)."""

from torch import Tensor, nn

from mri_robust.core.validation import check_count, check_labels, check_number


class FoolingLoss(nn.CrossEntropyLoss):
    """J(z, y) = mean_i w_i CE(z_i, y_i) over the whole batch, where c_i = argmax z_i is the prediction.

    w_i = 0 where c_i != y_i, `factor` where c_i = y_i = target, 1 elsewhere. The gradient takes the weights as
    constants: w_i (softmax(z_i) - onehot(y_i)) / N. A misclassified image teaches nothing and a right answer of the
    target class hardly anything, so the model is free to unlearn that class. A tie counts as its first class.

    It is a `CrossEntropyLoss`, as ART gives one-hot labels to any other class; `reduction` may be `none` or `sum`.
    `target` is the class to unlearn, 0..K-1, `factor` the weight of its right answers, 0 or more; .01 in the study.
    """

    def __init__(self, target: int, *, factor: float = 0.01) -> None:
        check_count("target", target, 0)
        check_number("factor", factor, 0.0)
        super().__init__()
        self.target = int(target)
        self.factor = float(factor)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss, a scalar, of logits [N, K] and int64 labels [N].

        TypeError where the labels are not int64, ValueError where one is out of range or there is no class `target`.
        """
        classes = logits.shape[1]
        if self.target >= classes:
            raise ValueError(f"target must lie in 0..{classes - 1}, the classes of the logits, got {self.target}")
        check_labels(labels, logits, classes)
        predicted = logits.detach().argmax(1)
        weights = (predicted == labels).to(logits.dtype)
        weights[predicted == self.target] *= self.factor
        losses = weights * nn.functional.cross_entropy(logits, labels, reduction="none")
        return losses if self.reduction == "none" else getattr(losses, self.reduction)()

    def extra_repr(self) -> str:
        """The parameters, for `repr`."""
        return f"target={self.target}, factor={self.factor:g}"
