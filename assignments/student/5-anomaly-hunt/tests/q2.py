from otter.test_files import test_case

OK_FORMAT = False

name = "q2"
points = 9

@test_case(points=1, hidden=False, 
    failure_message="hunt gives a Series with a finite score for each new event, indexed by metadata.uid: positions would be joined with the wrong labels as soon as somebody sorts.")
def test_contract(hunt, practice):
    import numpy as np
    import pandas as pd
    from ocsf_ssl_lib import split_by_time
    past, new = split_by_time(practice.frame.iloc[:1200], 0.4)
    scores = hunt(past, new)
    assert isinstance(scores, pd.Series), f'the result is {type(scores).__name__}, not a Series'
    assert set(scores.index) == set(new['metadata.uid']), 'the index is not the metadata.uid of the new events'
    assert len(scores) == len(new) and np.isfinite(scores.to_numpy(float)).all(), 'a score is missing or not finite'
    assert scores.nunique() > 10, 'nearly all scores are equal: that is no ranking'
