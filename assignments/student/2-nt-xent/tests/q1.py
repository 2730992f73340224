from otter.test_files import test_case

OK_FORMAT = False

name = "q1"
points = 2

@test_case(points=1, hidden=False, 
    failure_message="The matrix is square, with a row for each of the 2N views, first views first.")
def test_shape(similarities):
    import torch
    z1, z2 = (torch.eye(3), torch.eye(3))
    found = similarities(z1, z2)
    assert found.shape == (6, 6), f'the shape is {tuple(found.shape)}, not (6, 6)'
    torch.testing.assert_close(found, torch.eye(3).repeat(2, 2))
