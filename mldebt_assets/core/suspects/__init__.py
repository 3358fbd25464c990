"""Rows and batches that look planted, mistaken or copied: four ways to suspect them.

Real data is full of rows that are only unlikely. So what is judged is never how many rows look
odd, but whether a batch has more of them than the other batches of the same table have, beyond
what differs between those anyway; labels also by what stays wrong where a model is surest.
"""

LABELS = "no_label_noise"
DUPLICATES = "no_duplicate_flood"
OUTLIERS = "no_outlier_rows"
DEPENDENCE = "labels_depend_as_before"
