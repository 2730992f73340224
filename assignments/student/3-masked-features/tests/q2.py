from otter.test_files import test_case

OK_FORMAT = False

name = "q2"
points = 2

@test_case(points=1, hidden=False, 
    failure_message="The input was changed, or a hidden cell can still be seen. The input holds the targets: once it is overwritten, the model learns to predict 0 and MASK.")
def test_hidden(hide):
    import torch
    numerical, ids = (torch.tensor([[1.5, -2.0]]), torch.tensor([[7, 8]]))
    numbers, categories = (torch.tensor([[True, False]]), torch.tensor([[False, True]]))
    seen, seen_ids, indicator = hide(numerical, ids, numbers, categories)
    assert seen.tolist() == [[0.0, -2.0]], f'numbers: {seen.tolist()}'
    assert seen_ids.tolist() == [[7, 0]], f'ids: {seen_ids.tolist()}'
    assert numerical.tolist() == [[1.5, -2.0]] and ids.tolist() == [[7, 8]], 'the input was changed'
