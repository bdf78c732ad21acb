/* SPDX-License-Identifier: MIT */
/* The parts of fault_latency that are files of their own. */
#ifndef DAXSIM_BENCH_SECTIONS_H
#define DAXSIM_BENCH_SECTIONS_H

struct bench;

/** placement_section() - what it matters which CPUs the threads are on */
void placement_section(struct bench *b);

/** scale_section() - a large device with many extents beside an empty one */
void scale_section(struct bench *b);

/** deterministic_section() - the page tables of scenarios */
void deterministic_section(struct bench *b);

#endif
