from otter.test_files import test_case

OK_FORMAT = False

name = "q3"
points = 6

@test_case(points=1, hidden=False, 
    failure_message="With equal embeddings nobody can tell the partner: the loss is log(2N - 1), whatever the temperature. If yours is log(2N), a view is among its own candidates. If it is some other number, look at the mean.")
def test_equal_embeddings(my_nt_xent):
    import math
    import torch
    for n in (2, 8):
        found = float(my_nt_xent(torch.ones(n, 3), torch.ones(n, 3), 0.5))
        assert abs(found - math.log(2 * n - 1)) < 0.0001, f'N = {n}: expected {math.log(2 * n - 1):.4f}, got {found:.4f}'
