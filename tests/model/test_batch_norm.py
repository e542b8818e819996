import pytest
import torch
from torch import nn

from model.batch_norm import ChannelsLastBatchNorm, holds_batch_norm, keeping_running_statistics


def test_each_channel_is_normalised_over_the_batch_and_the_map() -> None:
    x = torch.tensor([[1.0, 10.0], [3.0, 50.0]]).reshape(2, 1, 1, 2).expand(2, 3, 4, 2)
    expected = torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1).expand_as(x)
    torch.testing.assert_close(ChannelsLastBatchNorm(2)(x), expected, rtol=0, atol=1e-4)


def test_channels_last_it_is_torchs_batch_norm() -> None:
    ours, torchs, x = ChannelsLastBatchNorm(5), nn.BatchNorm2d(5), torch.randn(3, 4, 6, 5)
    torch.testing.assert_close(ours(x).permute(0, 3, 1, 2), torchs(x.permute(0, 3, 1, 2)))
    torch.testing.assert_close(ours.state_dict(), torchs.state_dict())


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(2), nn.BatchNorm2d(2), ChannelsLastBatchNorm(2)])
def test_batch_norms_of_every_kind_are_found_at_any_depth(norm: nn.Module) -> None:
    stem = nn.Sequential(nn.Linear(2, 2), nn.Sequential(norm))
    network = nn.Sequential(stem, nn.LayerNorm(2))
    assert holds_batch_norm(network)
    assert not holds_batch_norm(network, outside=stem)
    assert not holds_batch_norm(network[1])


def test_running_statistics_are_kept_while_batches_are_normalised_as_ever() -> None:
    norm, x = nn.BatchNorm1d(3), 5 + 2 * torch.randn(8, 3)
    before = {key: value.clone() for key, value in norm.state_dict().items()}
    with keeping_running_statistics(norm):
        kept = norm(x)
    assert all(torch.equal(value, before[key]) for key, value in norm.state_dict().items())
    assert torch.equal(kept, norm(x))
    assert norm.num_batches_tracked == 1
    assert not torch.equal(norm.state_dict()["running_mean"], before["running_mean"])


def test_running_statistics_move_again_after_an_error() -> None:
    norm = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="more than 1 value"), keeping_running_statistics(norm):
        norm(torch.ones(1, 3))
    norm(torch.randn(4, 3))
    assert norm.num_batches_tracked == 1
