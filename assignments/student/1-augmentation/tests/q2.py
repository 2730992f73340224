from otter.test_files import test_case

OK_FORMAT = False

name = "q2"
points = 2

@test_case(points=0.5, hidden=False, 
    failure_message="protected_columns gives a list of positions, not of names: the augmentation works on a tensor, which has no names.")
def test_positions(protected_columns):
    found = protected_columns(['user.name', 'status_id', 'severity_id'])
    assert list(found) == [1, 2], f'expected [1, 2], got {found!r}'
