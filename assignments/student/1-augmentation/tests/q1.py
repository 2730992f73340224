from otter.test_files import test_case

OK_FORMAT = False

name = "q1"
points = 3

@test_case(points=0.5, hidden=False, 
    failure_message="add_noise returns a new tensor of the same shape and leaves its input as it was. An in-place operation such as += changes the events that you still need for the second view.")
def test_new_tensor(add_noise):
    import torch
    numbers = torch.ones(4, 3)
    missing = torch.zeros(4, 3, dtype=torch.bool)
    noisy = add_noise(numbers, missing, 0.5, torch.Generator().manual_seed(0))
    assert noisy.shape == (4, 3), f'the shape is {tuple(noisy.shape)}, not (4, 3)'
    assert torch.equal(numbers, torch.ones(4, 3)), 'the input was changed'
    assert not torch.equal(noisy, numbers), 'nothing was added'
