from otter.test_files import test_case

OK_FORMAT = False

name = "q1"
points = 3

@test_case(points=1, hidden=False, 
    failure_message="Two boolean tensors in the shapes of the cells, with about the share that was asked for; each cell by its own draw.")
def test_rate(choose_hidden):
    import torch
    missing, ids = (torch.zeros(2000, 3, dtype=torch.bool), torch.full((2000, 2), 5))
    numbers, categories = choose_hidden(missing, ids, 0.15, [], torch.Generator().manual_seed(0))
    for cells, shape in ((numbers, (2000, 3)), (categories, (2000, 2))):
        assert cells.shape == shape and cells.dtype == torch.bool, f'{tuple(cells.shape)} {cells.dtype}, not {shape} bool'
        assert abs(cells.float().mean().item() - 0.15) < 0.02, f'{cells.float().mean().item():.0%} are hidden, not 15%'
    both = (categories[:, 0] & categories[:, 1]).float().mean().item()
    assert both < 0.05, 'the cells of a row are hidden together'
