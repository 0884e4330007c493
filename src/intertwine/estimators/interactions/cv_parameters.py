"""Parameters and attributes that the estimators with cross-validation share, as their docstrings show them."""

__all__ = ["CV_PARAMETERS"]

CV_PARAMETERS = """
    Every tuple lists what may be chosen.

    Parameters
    ----------
    scalings : sequence of {"features", "quantile"}, default=("features", "quantile")
        Standardised features, or their normal scores.
    n_knots : sequence of int, default=(0, 3, 5)
        Spline bases to try; 0 is none.
    relevances : sequence of float or "evidence", default=(0.0, 0.5, 1.0, "evidence")
        Powers of the marginal relevance of features, and weights of features that maximise the evidence, which also
        find pairs of features without effects of their own. Weights help predictions; standard errors take them as
        known and are too small for pairs of features that matter little: use ``(0.0,)`` for inference.
    squares : sequence of bool, default=(False, True)
    orders : sequence of {2, 3}, default=(2,)
    latents : sequence of str, default=("low_rank", "signed")
        Structures to tie interactions to. A tie is kept only if it lowers the held-out loss by more than one standard
        error. Empty: no tie is tried; nor is one beyond 5,000 columns, where it would take long: set one in the
        estimator without CV.
    n_components : int or sequence of int, default=(2,)
    l1_ratios : sequence of float, default=()
        L1 shares to try in the sparse path, at the best preparation with and without its relevance weights.
    unpenalized : sequence of names or positions, default=None
    cv : int, splitter or iterable, default=5
        Folds; every row must be tested once. An integer means shuffled folds, stratified by class or event.
    max_tune_rows : int, default=1000
        Beyond this many rows hyperparameters are chosen on a random subset and carried over, as penalties of a mean
        loss scale with 1/n.
    n_init : int, default=3
        Starts of the final latent search.
    max_iter : int, default=500
    tol : float, default=1e-8
    random_state : int, RandomState or None, default=None
    n_jobs : int, default=None
    verbose : bool or int, default=False
        Show progress on standard error: one live line in a terminal, elsewhere a line for every candidate as it is
        scored; more lines from 2 on.
    checkpoint : str or path-like, default=None
        File in which the search keeps what it has finished, at most every 20 seconds and when it is interrupted. A fit
        with the same data, parameters, number of threads and path goes on from there, to the same result to the bit;
        one with others is refused. Removed on success. One file is for one fit at a time.

    Attributes
    ----------
    best_estimator_ : estimator
        Refitted to all rows.
    best_params_ : dict
        Its parameters.
    best_score_ : float
        Minus the mean held-out loss of the choice.
    cv_results_ : dict of ndarray
        Every candidate tried: stage, parameters, mean_test_loss, std_error; ``cv_table()`` as a frame.
    target_accepted_ : bool
        Whether cross-validation preferred a latent target.
"""
