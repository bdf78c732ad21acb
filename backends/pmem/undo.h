/* SPDX-License-Identifier: MIT */
/*
 * An undo log of a device: from pmem_undo_begin() on, the first change to a block
 * keeps what was there, and pmem_undo_rollback() puts all of it back. What was
 * kept once stays kept, so that going back again and again to one state costs a
 * copy per changed block each time and nothing else.
 */
#ifndef DAXSIM_UNDO_H
#define DAXSIM_UNDO_H

#include "backends/pmem/pmem.h"

/**
 * pmem_undo_begin() - remember the device as it is now
 * @dev: an open device without an undo log
 *
 * Takes address space as large as the device; memory only for blocks that change.
 * Return: 0 or -ENOMEM.
 */
int pmem_undo_begin(struct pmem *dev);

/** pmem_undo_rollback() - put back every block that changed since it was as remembered */
void pmem_undo_rollback(struct pmem *dev);

/** pmem_undo_size() - bytes that pmem_undo_save() writes */
size_t pmem_undo_size(const struct pmem *dev);

/** pmem_undo_save() - keep the blocks that changed since it was as remembered, as they are now */
void pmem_undo_save(const struct pmem *dev, void *to);

/** pmem_undo_load() - make the device what it was when pmem_undo_save() wrote @from */
void pmem_undo_load(struct pmem *dev, const void *from);

/** pmem_undo_end() - forget what was remembered, and keep the device as it is */
void pmem_undo_end(struct pmem *dev);

#endif
