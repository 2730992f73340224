from otter.test_files import test_case

OK_FORMAT = False

name = "q4"
points = 3

@test_case(points=1, hidden=False, 
    failure_message="Count the epochs without improvement, and begin again at 0 with each improvement; a fall of no more than min_delta is none.")
def test_patience(Stopper, make_model):
    model = make_model()
    stopper = Stopper(patience=2)
    found = [bool(stopper(loss, model)) for loss in (3.0, 2.0, 2.5, 1.0, 1.5, 1.5)]
    assert found == [False, False, False, False, False, True], f'patience 2, losses 3, 2, 2.5, 1, 1.5, 1.5: got {found}'
    stopper = Stopper(patience=2, min_delta=0.5)
    found = [bool(stopper(loss, model)) for loss in (3.0, 2.8, 2.6)]
    assert found == [False, False, True], f'min_delta 0.5, losses 3, 2.8, 2.6: got {found}'
