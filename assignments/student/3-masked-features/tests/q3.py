from otter.test_files import test_case

OK_FORMAT = False

name = "q3"
points = 4

@test_case(points=1, hidden=False, 
    failure_message="The entropy is the mean of -log(share), each value weighted by its share, with the natural logarithm; ids below 3 are no values.")
def test_entropy(trivial_loss):
    import math
    import torch
    found = trivial_loss(torch.tensor([3, 3, 4, 4, 2, 1]))
    assert abs(found - math.log(2)) < 1e-06, f'two equally common values: expected {math.log(2):.4f}, got {found:.4f}'
    found = trivial_loss(torch.tensor([3, 3, 3, 9]))
    assert abs(found - 0.5623351) < 1e-05, f'shares 3/4 and 1/4: expected 0.5623, got {found:.4f}'
