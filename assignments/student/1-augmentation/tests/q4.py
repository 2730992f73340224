from otter.test_files import test_case

OK_FORMAT = False

name = "q4"
points = 2

@test_case(points=0.5, hidden=False, 
    failure_message="realised_rate gives one share per column: average over the rows, not over everything.")
def test_per_column(realised_rate):
    import torch
    original = torch.tensor([[3, 3], [4, 4], [5, 5], [6, 6]])
    view = torch.tensor([[4, 3], [4, 4], [5, 5], [3, 6]])
    found = realised_rate(original, view)
    torch.testing.assert_close(found.float(), torch.tensor([0.5, 0.0]))
