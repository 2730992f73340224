from otter.test_files import test_case

OK_FORMAT = False

name = "q2"
points = 4

@test_case(points=1, hidden=False, 
    failure_message="restore gives the weights and the position back.")
def test_weights_and_position(capture, restore, make_model):
    import torch
    model = make_model()
    optimizer = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    state = capture(model, optimizer, schedule, torch.Generator(), (2, 5))
    other = make_model()
    for p in other.parameters():
        p.data.zero_()
    second = torch.optim.Adam(other.parameters())
    position = restore(state, other, second, torch.optim.lr_scheduler.StepLR(second, 1), torch.Generator())
    assert tuple(position) == (2, 5), f'position {position}, not (2, 5)'
    assert all((torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters()))), 'the weights are not those of the state'
