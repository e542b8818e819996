import torch

from data.batches import Examples
from data.origins import origins_of


def test_devices_are_counted_by_name_and_keep_their_numbers_when_cycles_are_taken() -> None:
    whole = origins_of(torch.tensor([7, 7, 3, 9]), ["Meditron", "Meditron", "AKGC417L", "Litt3200"])
    assert whole.device_names == ("AKGC417L", "Litt3200", "Meditron")
    assert whole.devices.tolist() == [2, 2, 0, 1]
    some = whole.take(torch.tensor([3, 0]))
    assert (some.patients.tolist(), some.devices.tolist()) == ([9, 7], [1, 2])
    assert some.device_names == whole.device_names
    assert (some.present, len(some)) == (("Litt3200", "Meditron"), 2)
    sent = some.to(torch.device("cpu"))
    assert torch.equal(sent.devices, some.devices)
    assert torch.equal(sent.patients, some.patients)


def test_examples_take_origins_along_and_leave_them_on_the_cpu() -> None:
    origins = origins_of(torch.tensor([1, 2, 3]), ["a", "b", "a"])
    examples = Examples(torch.zeros(3, 4, 2), torch.tensor([0, 1, 2]), origins=origins)
    taken = examples.take(torch.tensor([2, 1])).take(torch.tensor([1])).to("cpu")
    assert taken.origins is not None
    assert (taken.origins.patients.tolist(), taken.labels.tolist()) == ([2], [1])
    assert Examples(torch.zeros(3, 4, 2), torch.tensor([0, 1, 2])).take(torch.tensor([0])).origins is None
    assert examples.digest() == Examples(examples.features, examples.labels).digest()
