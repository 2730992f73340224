from otter.test_files import test_case

OK_FORMAT = False

name = "q3"
points = 4

@test_case(points=1, hidden=False, 
    failure_message="With scores 1, 2, 3, 4, two days and one alert a day, two events may pass: the threshold is 3. The budget is for the whole period, not for one day.")
def test_budget(threshold):
    import pandas as pd
    found = threshold(pd.Series([3.0, 1.0, 4.0, 2.0]), per_day=1, days=2)
    assert found == 3.0, f'expected 3, got {found}'

@test_case(points=1, hidden=False, 
    failure_message="alerts gives the ids of the events at or above the threshold, the most suspicious first.")
def test_order(alerts):
    import pandas as pd
    found = list(alerts(pd.Series([0.5, 0.9, 0.7, 0.9], index=['a', 'b', 'c', 'd']), 0.7))
    assert found == ['b', 'd', 'c'], f'expected b, d, c; got {found}'
