from otter.test_files import test_case

OK_FORMAT = False

name = "q3"
points = 4

@test_case(points=1, hidden=False, 
    failure_message="Six batches make an epoch; with stop_after=2 a checkpoint is left after two of them, and without interruption the model learns.")
def test_runs(train, make_data):
    import tempfile
    from pathlib import Path
    x, y = make_data()
    with tempfile.TemporaryDirectory() as folder:
        train(Path(folder), 1, stop_after=2)
        assert (Path(folder) / 'state.pt').exists(), 'no checkpoint state.pt was left'
    with tempfile.TemporaryDirectory() as folder:
        model = train(Path(folder), 10)
        loss = ((model(x) - y) ** 2).mean().item()
        assert loss < 0.1, f'after 10 epochs the loss is {loss:.2f}; it should be below 0.1'
