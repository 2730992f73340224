from otter.test_files import test_case

OK_FORMAT = False

name = "q5"
points = 3

@test_case(points=1, hidden=False, 
    failure_message="One score per new event, and no NaN in it: an event without any value gets 0.")
def test_no_nan(suspicion):
    import torch
    nan = float('nan')
    losses = torch.tensor([[1.0, 2.0], [3.0, nan], [2.0, 4.0]])
    found = suspicion(losses, torch.tensor([[5.0, nan], [nan, nan]]))
    assert found.shape == (2,), f'the shape is {tuple(found.shape)}, not (2,)'
    assert torch.isfinite(found).all() and float(found[1]) == 0.0, f'got {found.tolist()}'
