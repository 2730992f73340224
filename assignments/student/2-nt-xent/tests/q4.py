from otter.test_files import test_case

OK_FORMAT = False

name = "q4"
points = 4

@test_case(points=1, hidden=False, 
    failure_message="If all events differ, this is the loss of question 3.")
def test_no_duplicates(nt_xent_of_a_log):
    import torch
    from ocsf_ssl_lib import nt_xent
    generator = torch.Generator().manual_seed(5)
    z1, z2 = (torch.randn(6, 4, generator=generator), torch.randn(6, 4, generator=generator))
    found = nt_xent_of_a_log(z1, z2, 0.2, torch.arange(6))
    assert found is not None, 'nothing is returned'
    torch.testing.assert_close(found, nt_xent(z1, z2, 0.2), rtol=0.0001, atol=1e-05)
