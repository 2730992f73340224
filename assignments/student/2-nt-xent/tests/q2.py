from otter.test_files import test_case

OK_FORMAT = False

name = "q2"
points = 2

@test_case(points=1, hidden=False, 
    failure_message="Every row needs a partner: 2N whole numbers.")
def test_length(partners):
    import torch
    found = partners(4)
    assert found.shape == (8,), f'the shape is {tuple(found.shape)}, not (8,)'
    assert found.dtype == torch.int64, f'these are {found.dtype}, not int64'
    assert sorted(found.tolist()) == list(range(8)), 'every row is the partner of exactly one other'
