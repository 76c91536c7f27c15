"""What both trainings share: where they run, their budget, averaged weights, checkpoints.

The budget is working time, in which this process really computed: the learning rate follows the share of it
that is spent. A slow machine does less in it, and a busy one takes longer, but neither lets the rate run away
from the learning. A run may be stopped at any moment; the next one goes on from the last checkpoint, and with
a smaller budget it comes to its end at once.
"""

import copy
import logging
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

log = logging.getLogger(__name__)

JUDGED_EVERY_S = 240.0
CHECKPOINT_EVERY_S = 45.0
_WARM_STEPS = 200
_FLAT_SHARE = 0.2
_KEEP = 0.998


class Run:
    """One net in training.

    Attributes:
        net: The weights that learn.
        mean: Their running average, which is what is judged and exported.
        step: Batches learnt, over all runs.
        notes: Further things a checkpoint holds (plain lists, numbers, strings).
        device: Where both live: a GPU when there is one.
    """

    def __init__(self, net: nn.Module, folder: Path, minutes: float, *, seed: int, rate: float) -> None:
        """Set up, or resume from the checkpoint in ``folder``."""
        torch.set_flush_denormal(True)
        torch.manual_seed(seed)
        folder.mkdir(parents=True, exist_ok=True)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        module: Any = net  # its overloads do not know memory_format
        self.net: nn.Module = module.to(self.device, memory_format=torch.channels_last)
        self.mean = copy.deepcopy(self.net)
        self.step = 0
        self.notes: dict[str, Any] = {}
        self._rate = rate
        self._steps = torch.optim.AdamW(self.net.parameters(), lr=rate, weight_decay=0.02)
        self._checkpoint = folder / "checkpoint.pt"
        self._budget_s = minutes * 60
        self._spent_s = 0.0
        if self._checkpoint.is_file():
            saved = torch.load(self._checkpoint, weights_only=True, map_location=self.device)
            self.net.load_state_dict(saved["net"])
            self.mean.load_state_dict(saved["mean"])
            self._steps.load_state_dict(saved["steps"])
            self._spent_s, self.step, self.notes = saved["spent_s"], saved["step"], saved["notes"]
            log.info("resumed at step %d, %.0f s spent", self.step, self._spent_s)
        self._begun_s = self._saved_s = self._judged_s = _worked_s()

    @property
    def share(self) -> float:
        """Share of the budget that is spent, 0 to 1 and over."""
        return (self._spent_s + _worked_s() - self._begun_s) / self._budget_s

    def half_precision(self) -> torch.autocast:
        """Context in which the forward pass runs in bfloat16: half the time where the processor knows it."""
        return torch.autocast(self.device.type, torch.bfloat16)

    def learn(self, loss: Tensor) -> None:
        """One step down the gradient, at the rate of the hour, and into the average."""
        # Warm up, flat for a while, then down to a hundredth along a cosine.
        past = min(1.0, max(0.0, (self.share - _FLAT_SHARE) / (1 - _FLAT_SHARE)))
        factor = min(1.0, (self.step + 1) / _WARM_STEPS) * (0.01 + 0.495 * (1 + math.cos(math.pi * past)))
        for group in self._steps.param_groups:
            group["lr"] = self._rate * factor
        self._steps.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 3.0)
        self._steps.step()
        self.step += 1
        keep = min(_KEEP, self.step / (self.step + 20))
        with torch.no_grad():
            pairs = zip(self.mean.state_dict().values(), self.net.state_dict().values(), strict=True)
            for slow, fast in pairs:
                if slow.dtype.is_floating_point:
                    slow.mul_(keep).add_(fast, alpha=1 - keep)
                else:
                    slow.copy_(fast)
        if _worked_s() - self._saved_s > CHECKPOINT_EVERY_S:
            self.save()

    def judged(self) -> nn.Module:
        """The averaged weights on the processor, ready to be judged."""
        judged: nn.Module = copy.deepcopy(self.mean).to("cpu").eval()
        return judged

    def due(self) -> bool:
        """Whether it is time to be judged."""
        if _worked_s() - self._judged_s <= JUDGED_EVERY_S:
            return False
        self._judged_s = _worked_s()
        return True

    def save(self) -> None:
        """Write the checkpoint so that a crash leaves the one before."""
        self._saved_s = _worked_s()
        fresh = self._checkpoint.with_suffix(".new")
        state = {
            "net": self.net.state_dict(),
            "mean": self.mean.state_dict(),
            "steps": self._steps.state_dict(),
        }
        spent_s = self._spent_s + _worked_s() - self._begun_s
        torch.save({**state, "spent_s": spent_s, "step": self.step, "notes": self.notes}, fresh)
        fresh.replace(self._checkpoint)


def _worked_s() -> float:
    """Seconds of one thread that this process has computed so far."""
    threads: int = max(torch.get_num_threads(), 1)
    return time.process_time() / threads


def batches(stream: IterableDataset[Any], workers: int) -> DataLoader[Any]:
    """Batches drawn by other processes: spawned, for a fork never wakes once OpenCV has threads."""
    return DataLoader(
        stream, batch_size=None, num_workers=workers, prefetch_factor=6, multiprocessing_context="spawn"
    )


def own_seed(seed: int) -> int:
    """A seed of this worker's own, so that two workers never draw the same pictures."""
    worker = torch.utils.data.get_worker_info()
    return seed * 1000 + (worker.id if worker is not None else 0)
