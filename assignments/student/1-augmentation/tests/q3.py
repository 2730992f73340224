from otter.test_files import test_case

OK_FORMAT = False

name = "q3"
points = 5

@test_case(points=1, hidden=False, 
    failure_message="swap must give a new tensor of ids in which some unprotected cells differ and every value occurs in its column.")
def test_values_of_the_column(swap):
    import torch
    ids = torch.stack([torch.arange(3, 103), torch.arange(203, 303)], dim=1)
    before = ids.clone()
    view = swap(ids, 0.5, [], torch.Generator().manual_seed(0))
    assert torch.equal(ids, before), 'the input was changed'
    assert 0.35 < (view != ids).float().mean() < 0.65, 'a rate of 0.5 should change about half of these cells'
    assert (view[:, 0] < 103).all() and (view[:, 1] >= 203).all(), 'a value comes from another column'

@test_case(points=1, hidden=False, 
    failure_message="A protected column has changed. Take its cells out of the choice; do not repair the values afterwards in only one of the views.")
def test_protected(swap):
    import torch
    ids = torch.randint(3, 9, (300, 3), generator=torch.Generator().manual_seed(1))
    view = swap(ids, 1.0, [0, 2], torch.Generator().manual_seed(2))
    assert torch.equal(view[:, [0, 2]], ids[:, [0, 2]]), 'column 0 or 2 is protected and has changed'
    assert not torch.equal(view[:, 1], ids[:, 1]), 'column 1 is not protected and has not changed'
