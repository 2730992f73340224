from otter.test_files import test_case

OK_FORMAT = False

name = "q1"
points = 3

@test_case(points=1, hidden=False, 
    failure_message="For the ranking anomaly, normal, anomaly the precisions noted are 1/1 and 2/3: their mean is 0.83. A result of 0.5 is the area under the ROC curve, which is another figure: it forgives false alarms where anomalies are rare.")
def test_by_hand(average_precision):
    import numpy as np
    found = average_precision(np.array([True, False, True]), np.array([3.0, 2.0, 1.0]))
    assert abs(found - 5 / 6) < 1e-09, f'expected 0.8333, got {found:.4f}'
