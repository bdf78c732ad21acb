// SPDX-License-Identifier: MIT
/* Making machines for tests, and running system calls on them. */
#include "tests/machine_fixture.h"

#include <stdio.h>

#include "daxsim/sim/state.h"

static bool must_hold(void *data, struct task *t, enum point_id id, enum point_kind kind,
		      u64 object)
{
	struct rig *r = data;

	(void)kind;
	(void)object;
	if (r->point != (int)id && r->point != ANY_POINT)
		return false;
	if (r->lock_class >= 0 && t->at_lock->class != r->lock_class)
		return false;
	if (--r->nth)
		return false;
	r->point = -1;
	r->held = true;
	return true;
}

static void on_violation(void *data, enum invariant inv, const char *text)
{
	struct rig *r = data;

	r->seen[inv]++;
	snprintf(r->text[inv], sizeof(r->text[inv]), "%s", text);
}

profile_t profile_of(const char *text)
{
	char *words = strdup(text), *rest = words, *word = strsep(&rest, " ");
	profile_t profile;

	cr_assert_eq(profile_find(word, &profile), 0, "profile %s", word);
	while ((word = strsep(&rest, " "))) {
		int p = protection_find(word + 1);

		cr_assert(p >= 0 && strchr("+-", *word), "protection %s", word);
		profile = *word == '+' ? profile | 1ULL << p : profile & ~(1ULL << p);
	}
	free(words);
	return profile;
}

struct rig *rig_new_on(const struct mmu_ops *mmu, const struct fs_ops *fs, const char *profile,
		       u64 nr_blocks)
{
	static const char *const names[] = { "a", "b", "c" };
	struct rig *r = calloc(1, sizeof(*r));
	struct mm *p, *q;
	char why[256];
	int err;

	cr_assert_not_null(r);
	err = sim_init(&r->sim, PAGES(nr_blocks), mmu, why, sizeof(why));
	/* What a system may refuse; anything else is a bug. */
	if (err == -EPERM || err == -EACCES || err == -ENOSYS || err == -EOPNOTSUPP) {
		free(r);
		cr_skip("no %s MMU: %s\n", mmu->name, why);
	}
	cr_assert_eq(err, 0, "%s", why);
	cr_assert_eq(check_create(&r->sim, 0, on_violation, r), 0);
	cr_assert_eq(mount_fs(&r->sim, fs, profile_of(profile)), 0);
	r->sb = r->sim.sb;
	p = mm_create(&r->sim, "p");
	q = mm_create(&r->sim, "q");
	cr_assert(p && q);
	for (int i = 0; i < NR_RIG_TASKS; i++) {
		r->task[i] = sched_add_task(&r->sim, names[i], i == C ? q : p);
		cr_assert_not_null(r->task[i]);
	}
	r->point = r->lock_class = -1;
	r->sim.sched.hold = must_hold;
	r->sim.sched.hold_data = r;
	return r;
}

struct rig *rig_new(const char *fs, const char *profile, u64 nr_blocks)
{
	cr_assert_not_null(fs_find(fs), "file system %s", fs);
	return rig_new_on(&soft_mmu, fs_find(fs), profile, nr_blocks);
}

void rig_free(struct rig *r)
{
	sim_destroy(&r->sim);
	free(r);
}

static void run_call(struct task *t, void *arg)
{
	struct call *c = arg;

	c->fn(c);
	check_return_to_user(t->sim->check, t);
}

void rig_start(struct rig *r, enum who who, struct call *c)
{
	sched_start(r->task[who], run_call, c);
}

static void hold_at(struct rig *r, enum who who, enum point_id point, int class, unsigned int nth)
{
	r->point = point;
	r->lock_class = class;
	r->nth = nth;
	r->held = false;
	cr_assert_eq(sched_run(r->task[who]), TASK_READY, "%s does not come to %s",
		     r->task[who]->name, point_table[point].name);
	cr_assert(r->held);
	r->lock_class = -1;
}

void rig_until(struct rig *r, enum who who, enum point_id point, unsigned int nth)
{
	hold_at(r, who, point, -1, nth);
}

void rig_until_lock(struct rig *r, enum who who, enum lock_class class, unsigned int nth)
{
	hold_at(r, who, P_lock, class, nth);
}

bool rig_step(struct rig *r, enum who who, unsigned int nth)
{
	r->point = ANY_POINT;
	r->nth = nth;
	r->held = false;
	sched_run(r->task[who]);
	return r->held;
}

enum task_state rig_go(struct rig *r, enum who who)
{
	r->point = -1;
	return sched_run(r->task[who]);
}

void rig_finish(struct rig *r, enum who who)
{
	enum task_state state = rig_go(r, who);
	char graph[256];

	sched_wait_graph(&r->sim.sched, graph, sizeof(graph));
	cr_assert_eq(state, TASK_IDLE, "%s", graph);
}

static bool at_rest(const struct rig *r)
{
	for (int i = 0; i < NR_RIG_TASKS; i++)
		if (r->task[i]->state != TASK_IDLE)
			return false;
	return true;
}

bool rig_settle(struct rig *r)
{
	bool again = true;

	while (again) {
		again = false;
		for (int i = 0; i < NR_RIG_TASKS; i++)
			if (r->task[i]->state == TASK_READY) {
				rig_go(r, i);
				again = true;
			}
	}
	return at_rest(r);
}

void rig_call(struct rig *r, enum who who, struct call *c)
{
	char why[256];

	rig_start(r, who, c);
	rig_finish(r, who);
	if (at_rest(r))
		check_quiescent(r->sim.check);
	cr_assert_eq(state_audit(&r->sim, why, sizeof(why)), 0, "%s", why);
}

struct file *rig_create(struct rig *r, const char *name)
{
	struct file *f = &r->files[r->nr_files++];
	struct call c = call_create(f, name);

	cr_assert(r->nr_files <= ARRAY_SIZE(r->files));
	f->writable = true;
	rig_call(r, A, &c);
	cr_assert_eq(c.ret, 0, "create: %zd", c.ret);
	return f;
}

void rig_close(struct rig *r, struct file *f)
{
	struct call c = call_close(f);

	rig_call(r, A, &c);
}

void rig_unlink(struct rig *r, struct file *f)
{
	struct call c = call_unlink(f);

	rig_call(r, A, &c);
}

u64 rig_mmap(struct rig *r, enum who who, struct file *f, pgoff_t pgoff, u64 nr_pages, u32 flags)
{
	struct call c = call_mmap(f, pgoff, nr_pages, flags);

	rig_call(r, who, &c);
	cr_assert_eq(c.ret, 0, "mmap: %zd", c.ret);
	return c.addr;
}

int rig_munmap(struct rig *r, enum who who, u64 addr, u64 nr_pages)
{
	struct call c = call_munmap(r, who, addr, nr_pages);

	rig_call(r, who, &c);
	return c.ret;
}

int rig_mprotect(struct rig *r, enum who who, u64 addr, u64 nr_pages, u32 flags)
{
	struct call c = call_mprotect(r, who, addr, nr_pages, flags);

	rig_call(r, who, &c);
	return c.ret;
}

int rig_mremap(struct rig *r, enum who who, u64 old_addr, u64 old_pages, u64 new_pages, u64 *addr)
{
	struct call c = call_mremap(r, who, old_addr, old_pages, new_pages);

	rig_call(r, who, &c);
	if (!c.ret)
		*addr = c.addr;
	return c.ret;
}

int rig_truncate(struct rig *r, enum who who, struct file *f, s64 len)
{
	struct call c = call_truncate(f, len);

	rig_call(r, who, &c);
	return c.ret;
}

ssize_t rig_read(struct rig *r, enum who who, struct file *f, void *buf, size_t len, s64 pos)
{
	struct call c = call_read(f, buf, len, pos);

	rig_call(r, who, &c);
	return c.ret;
}

ssize_t rig_write(struct rig *r, enum who who, struct file *f, void *buf, size_t len, s64 pos)
{
	struct call c = call_write(f, buf, len, pos);

	rig_call(r, who, &c);
	return c.ret;
}

int rig_fsync(struct rig *r, enum who who, struct file *f)
{
	struct call c = call_fsync(f);

	rig_call(r, who, &c);
	return c.ret;
}

ssize_t rig_fill(struct rig *r, enum who who, struct file *f, u8 byte, size_t len, s64 pos)
{
	u8 *buf = malloc(len);
	ssize_t ret;

	memset(buf, byte, len);
	ret = rig_write(r, who, f, buf, len, pos);
	free(buf);
	return ret;
}

int rig_load(struct rig *r, enum who who, u64 addr, u8 *byte)
{
	struct call c = call_load(addr, byte, 1);

	rig_call(r, who, &c);
	return c.access.signal;
}

int rig_store(struct rig *r, enum who who, u64 addr, u8 byte)
{
	struct call c = call_store(addr, &byte, 1);

	rig_call(r, who, &c);
	return c.access.signal;
}

u8 rig_peek(struct rig *r, enum who who, u64 addr)
{
	u8 byte = 0;
	int signal = rig_load(r, who, addr, &byte);

	cr_assert_eq(signal, 0, "signal %d", signal);
	return byte;
}

int rig_byte(struct rig *r, struct file *f, s64 pos)
{
	u8 byte = 0;

	return rig_read(r, C, f, &byte, 1, pos) == 1 ? byte : -1;
}

const struct pte *rig_pte(struct rig *r, enum who who, u64 addr)
{
	struct vma *vma = find_vma(r->task[who]->mm, addr);

	cr_assert_not_null(vma);
	return &vma->pte[(addr - vma->start) >> PAGE_SHIFT];
}

u64 rig_cached(const struct file *f)
{
	struct page *page;
	u64 n = 0;

	RB_FOREACH(page, page_tree, &f->inode->i_data.pages)
		n++;
	return n;
}

u64 rig_nr_free(struct rig *r)
{
	return balloc_nr_free(r->sb->balloc);
}

void rig_expect_flt(struct rig *r, enum who who, u64 min, u64 maj)
{
	struct task *t = r->task[who];

	cr_expect(t->min_flt == min && t->maj_flt == maj,
		  "%s: %ju minor and %ju major faults, expected %ju and %ju", t->name, t->min_flt,
		  t->maj_flt, min, maj);
	t->min_flt = t->maj_flt = 0;
}

void rig_inject(struct rig *r, enum inject_site site, s64 error, u64 after, u64 times)
{
	r->sb->inject[site] = (struct injection){ .error = error, .after = after, .times = times };
}

void rig_expect_clean(struct rig *r)
{
	if (at_rest(r))
		check_quiescent(r->sim.check);
	for (int i = 0; i < NR_INVARIANTS; i++)
		cr_assert_eq(r->seen[i], 0, "%s: %s", invariant_table[i].name, r->text[i]);
}

void rig_expect_seen(struct rig *r, enum invariant inv)
{
	cr_expect(r->seen[inv], "no %s was seen", invariant_table[inv].name);
	r->seen[inv] = 0;
}

void rig_forget(struct rig *r)
{
	memset(r->seen, 0, sizeof(r->seen));
}

void rig_exhaust(struct rig *r)
{
	r->full = r->sim.arena;
	memset(r->sim.arena.free, 0, sizeof(r->sim.arena.free));
	r->sim.arena.reserved = r->sim.arena.used;
}

void rig_relieve(struct rig *r)
{
	cr_assert_eq(r->sim.arena.used, r->full.used);
	r->sim.arena.reserved = r->full.reserved;
	memcpy(r->sim.arena.free, r->full.free, sizeof(r->full.free));
}
