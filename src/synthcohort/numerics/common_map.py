"""A common map of several sets of features."""

import numpy as np


def umap(features: dict[str, np.ndarray], random_state: int) -> dict[str, np.ndarray]:
    """A common map of all sets, N×2 float32 each, by umap-learn with its defaults.

    Its steps are called one by one: those before the layout take a second in plain Python, and
    most of a minute to be compiled anew by numba in every process.
    """
    from scipy.sparse import coo_matrix
    from sklearn.neighbors import NearestNeighbors
    from umap import umap_

    everything = np.concatenate(list(features.values())).astype(np.float32)
    k = min(15, len(everything) - 1)
    distance, near = NearestNeighbors(n_neighbors=k).fit(everything).kneighbors(everything)
    distance = distance.astype(np.float32)
    # Without numba's compiler (NUMBA_DISABLE_JIT) they are plain Python already.
    smooth, strengthen = (
        getattr(step, "py_func", step)
        for step in (umap_.smooth_knn_dist, umap_.compute_membership_strengths)
    )
    scales = smooth(distance, float(k))
    rows, columns, strengths, _ = strengthen(near.astype(np.int32), distance, *scales)
    one_way = coo_matrix((strengths, (rows, columns)), shape=(len(near), len(near))).tocsr()
    # Fuzzy union of both ways (McInnes 2018, algorithm 1).
    graph = (one_way + one_way.T - one_way.multiply(one_way.T)).tocoo()
    places, _ = umap_.simplicial_set_embedding(
        everything,
        graph,
        n_components=2,
        initial_alpha=1.0,
        **dict(zip("ab", umap_.find_ab_params(1.0, 0.1), strict=True)),
        gamma=1.0,
        negative_sample_rate=5,
        n_epochs=None,
        init="spectral",
        random_state=np.random.RandomState(random_state),
        metric="euclidean",
        metric_kwds={},
        densmap=False,
        densmap_kwds={},
        output_dens=False,
    )
    ends = np.cumsum([len(values) for values in features.values()])
    return dict(zip(features, np.split(places, ends[:-1]), strict=True))
