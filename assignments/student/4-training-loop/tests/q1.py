from otter.test_files import test_case

OK_FORMAT = False

name = "q1"
points = 3

@test_case(points=1, hidden=False, 
    failure_message="What load gives must be what save got.")
def test_round_trip(save, load):
    import tempfile
    from pathlib import Path
    import torch
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'state.pt'
        save({'w': torch.arange(3.0), 'epoch': 2, 'list': [1, {'a': None}]}, path)
        state = load(path)
        assert state['epoch'] == 2 and state['list'] == [1, {'a': None}] and torch.equal(state['w'], torch.arange(3.0))
