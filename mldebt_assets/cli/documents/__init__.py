"""What ``--json`` prints: one type a command that answers. Other programs are written to these."""

from typing import Any

from mldebt_assets.cli.documents.by_hand import Accepted, Adopt, Decided, Rollback
from mldebt_assets.cli.documents.diff import Diff
from mldebt_assets.cli.documents.drift import Comparison, Drift
from mldebt_assets.cli.documents.lineage import Lineage, Replay
from mldebt_assets.cli.documents.new import New
from mldebt_assets.cli.documents.proof import Papers, Reproduce, Verify
from mldebt_assets.cli.documents.quarantine import Quarantine
from mldebt_assets.cli.documents.removal import Delete, Forget
from mldebt_assets.cli.documents.retraining import Retraining
from mldebt_assets.cli.documents.risks import Audit, Robustness, Scan, Suspects
from mldebt_assets.cli.documents.status import AlertTest, Doctor, Status

DOCUMENTS: dict[str, Any] = {
    "new": New,
    "replay": Replay,
    "rollback": Rollback,
    "promote": Decided,
    "approve": Decided,
    "reject": Decided,
    "accept": Accepted,
    "quarantine": Quarantine,
    "adopt": Adopt,
    "delete": Delete,
    "forget": Forget,
    "status": Status,
    "lineage": Lineage,
    "diff": Diff,
    "drift": Drift,
    "retraining": Retraining,
    "drift compare": Comparison,
    "verify": Verify,
    "papers": Papers,
    "reproduce": Reproduce,
    "audit": Audit,
    "robustness": Robustness,
    "suspects": Suspects,
    "scan": Scan,
    "doctor": Doctor,
    "alert-test": AlertTest,
}
