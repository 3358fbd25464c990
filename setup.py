"""What a build adds to pyproject.toml: the package carries which code it is.

The built package knows neither git nor the files beside it, yet must report the same digest as the
checkout that it was built from, and another one if it is changed afterwards.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

from mldebt_assets import provenance  # noqa: E402 - a build does not put its folder on the path


def write_facts(package: Path) -> Path:
    """Write into ``package`` what the tree that is built says of itself; return the folder."""
    folder = package / provenance.BUILT
    folder.mkdir(parents=True, exist_ok=True)
    facts = json.dumps(provenance.code(), indent=2) + "\n"
    (folder / provenance.BUILT_FACTS).write_text(facts, encoding="utf-8")
    return folder


class BuildPackage(build_py):
    """Builds the package with its facts, and the files beside it that its digest covers."""

    def run(self) -> None:
        """Build; an editable installation is its checkout, and carries nothing."""
        super().run()
        if not self.editable_mode:
            folder = write_facts(Path(self.build_lib) / provenance.PACKAGE.name)
            for name in provenance.BESIDE:
                shutil.copyfile(ROOT / name, folder / name)


class BuildSource(sdist):
    """Builds the source archive with its facts, since no git comes with it."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """Copy the sources, the lock file, and the facts."""
        super().make_release_tree(base_dir, files)
        write_facts(Path(base_dir) / provenance.PACKAGE.name)
        for name in provenance.BESIDE:
            if not (Path(base_dir) / name).exists():
                shutil.copyfile(ROOT / name, Path(base_dir) / name)


setup(cmdclass={"build_py": BuildPackage, "sdist": BuildSource})
