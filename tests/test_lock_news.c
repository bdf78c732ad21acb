// SPDX-License-Identifier: MIT
/* What one lock validator learns from another: all of it, or nothing where that closes a cycle. */
#include "daxsim/sim/lock_news.h"

#include "tests/lockdep_fixture.h"

/*
 * One validator sees @first and @mine, another one @first and @theirs, of which it passes on
 * the news. Returns whether the first one took them; then it knows as much as if it had seen it all.
 */
static bool pass_on(const char *first, const char *mine, const char *theirs)
{
	struct bench *here = bench(0), *there = bench(0), *all = bench(0);
	struct lock_news *n = calloc(1, sizeof(*n));
	struct lock_memory m;
	bool taken;

	take(here, first);
	take(there, first);
	lock_memory_take(&m, there->ld);
	take(here, mine);
	take(there, theirs);
	taken = lock_news_write(n, &m, there->ld) && lock_news_learn(n, here->ld);
	free(n);
	take(all, first);
	take(all, mine);
	if (taken)
		take(all, theirs);
	cr_expect_eq(memcmp(here->ld->seen, all->ld->seen, sizeof(all->ld->seen)), 0);
	cr_expect_eq(memcmp(here->ld->waits, all->ld->waits, sizeof(all->ld->waits)), 0);
	cr_expect_eq(memcmp(here->ld->reach, all->ld->reach, sizeof(all->ld->reach)), 0);
	cr_expect_eq(memcmp(here->ld->shelters, all->ld->shelters, sizeof(all->ld->shelters)), 0);
	cr_expect_str_eq(here->said, all->said);
	/* Tasks are called after their place in a string, so witnesses are the same only of one. */
	if (!*mine && !*first) {
		char *a = printed(here->ld, NULL), *b = printed(all->ld, NULL);

		cr_expect_str_eq(a, b);
		free(a);
		free(b);
	}
	bench_free(here);
	bench_free(there);
	bench_free(all);
	return taken;
}

Test(lock_news, are_learned)
{
	cr_expect(pass_on("", "", "ABC Ad bC"));
	cr_expect(pass_on("AB", "BC", "AC CD bD"));
	cr_expect(pass_on("AB", "BC", "BC"));
	cr_expect(pass_on("AB BA", "BC", "CD AD"));
	cr_expect(pass_on("AB", "", ""));
	cr_expect(pass_on("", "CAE", "CeA"));
	cr_expect(pass_on("CAE", "ceB", "CeA"));
}

/* Neither knows the cycle that both together would close; or one has told of one. */
Test(lock_news, that_close_a_cycle_are_refused)
{
	cr_expect(!pass_on("", "AB", "BA"));
	cr_expect(!pass_on("AB", "BC", "CA"));
	cr_expect(!pass_on("", "AB CD", "BC DA"));
	cr_expect(!pass_on("AB", "", "BA"));
	cr_expect(!pass_on("AB", "BA", "CD"));
	cr_expect(!pass_on("AB", "CC1", "CD"));
	cr_expect(!pass_on("", "CAE", "eA"));
	cr_expect(!pass_on("CAE", "", "eB"));
}

Test(lock_news, too_much)
{
	struct bench *b = bench(0);
	struct lock_news *n = calloc(1, sizeof(*n));
	struct lock_memory m;
	char *name = malloc(LOCK_NEWS_TEXT + 1);

	lock_memory_take(&m, b->ld);
	memset(name, 'n', LOCK_NEWS_TEXT);
	name[LOCK_NEWS_TEXT] = '\0';
	take_word(b, name, "AB", 2);
	cr_expect(!lock_news_write(n, &m, b->ld));
	free(name);
	free(n);
	bench_free(b);
}
