"""The names of the files in a run's folder. Only this room knows them: the others ask it."""

from __future__ import annotations

import re

SPEC, RESULT, FAILURE = "spec.json", "result.json", "failure.json"
EVALS, TEST_EVALS, TRAIN = "evals.jsonl", "test_evals.jsonl", "train.jsonl"
VISITS, MODEL = "visits.npz", "model"
ATTEMPTS, PROGRESS = "attempts.jsonl", "progress.json"
CERTIFICATE = "certificate.json"  # `harness verify` made the run once more
MODEL_REPORT = "model_report"  # a folder: how true the model is that the run learned
MEASURES = f"{MODEL_REPORT}/measures.json"
EVENTS = "events"  # a folder: what TensorBoard reads
FILM, FRAMES = "film.json", "film.webp"  # one episode after training, as `harness watch` saw it
LEFT_OUT = "left_out.json"  # files of MODEL that an archive did not take along, see bundle.py
METRICS = "metrics"  # a folder: what functions of the user's own made of the run
# What an unfinished run goes on from that has passed a barrier, and the folder of its arrays.
CHECKPOINT, KEPT = "checkpoint.json", "checkpoint"
LOCK, OUTPUT = "lock", "output.txt"

OF_AN_ATTEMPT = (
    EVALS, TEST_EVALS, TRAIN, VISITS, FAILURE, PROGRESS, CERTIFICATE, FILM, FRAMES, LEFT_OUT,
)  # fmt: skip
KEY = re.compile("[0-9a-f]{16}")  # what a run's folder is called
