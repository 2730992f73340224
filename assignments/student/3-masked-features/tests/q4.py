from otter.test_files import test_case

OK_FORMAT = False

name = "q4"
points = 3

@test_case(points=1, hidden=False, 
    failure_message="For each value of the source, count how often its most frequent target occurs; the sum of these counts over all rows is the share.")
def test_share(gives_away):
    import torch
    ids = torch.tensor([[3, 3], [3, 3], [3, 4], [4, 5]])
    found = gives_away(ids, 0, 1)
    assert abs(found - 0.75) < 1e-09, f'3 of 4 rows are guessed; got {found}'
